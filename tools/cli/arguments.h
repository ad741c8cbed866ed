// The command line as values. Pure: the environment comes in as a function.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/result.h"

namespace crossfade::cli {

inline constexpr char kDefaultAdmin[] = "http://127.0.0.1:9380";

struct Arguments {
  std::string command;  // "serve", "check", ...; "help" without one
  bool help = false;
  bool watch = false;
  bool json = false;
  std::string config;
  std::string file;   // of check, journal, snapshot, restore; which run, of report
  std::string url;    // of snapshot and restore: a store without a configuration
  std::string store;  // which one of the configuration: "legacy", "new"; empty: legacy
  bool resume = false;
  bool replace = false;
  bool check = false;  // of restore and report: look at the files alone
  std::string admin = kDefaultAdmin;
  std::string token;
  std::string reason;             // of resume
  std::string verb;               // of those that have several: "start", "pause", ...
  std::vector<std::string> keys;  // as they are shown: other bytes as \xNN
  uint32_t db = 0;                // of the keys
  bool all = false;               // every quarantined key
  bool keys_only = false;         // behind "--": no option any more
  // Options that go to the proxy as they are, by their names there.
  std::map<std::string, std::string> values;
  struct Verify {
    bool repair = false;
    bool yes = false;
    bool delete_extra = false;
    bool stop = false;
    uint32_t sample = 10'000;  // in 1/10,000
    std::string prefix;
    uint64_t keys_per_second = 0;  // 0: as fast as it goes
  } verify;
  struct Report {
    std::string dir;     // empty: the running proxy is asked
    std::string format;  // "md", "html", "json"; empty: for people
    bool list = false;
    bool deltas = false;
  } report;
  std::optional<uint16_t> port;        // embedded mode
  std::optional<uint16_t> admin_port;  // embedded mode
};

using Environment = std::function<std::string(const std::string&)>;  // empty when not set

// Fails with a message for the user, which names the help to read.
Result<Arguments> ParseArguments(const std::vector<std::string>& words,
                                 const Environment& environment);

// The help of a command, or of all of them.
std::string HelpText(const std::string& command);

}  // namespace crossfade::cli
