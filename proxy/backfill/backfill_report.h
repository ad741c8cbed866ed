// What a backfill did, from its begin until the mirror is live, and who is told of it:
// values, and a sink that is called in the mirror driver's thread, without locks.
#pragma once

#include <cstdint>
#include <string>

namespace crossfade::proxy {

struct BackfillReport {
  bool resumed = false;     // a former process has begun it
  std::string state;        // "running", "done", "stopped" with the proxy, "given_up"
  std::string reason;       // of given_up
  std::string begun_under;  // digest of the plan
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;         // 0: it has not
  uint64_t keys_found = 0;           // some of them twice
  uint64_t keys_copied = 0;          // of these and of former processes
  uint64_t keys_copied_before = 0;   // of former processes alone
  uint64_t bytes_copied = 0;         // of this process
  uint64_t partitions_finished = 0;  // of 1,024
};

class BackfillSink {
 public:
  virtual void BackfillBegan(const BackfillReport& report) = 0;
  virtual void BackfillEnded(const BackfillReport& report) = 0;

 protected:
  ~BackfillSink() = default;
};

}  // namespace crossfade::proxy
