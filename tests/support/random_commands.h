// RandomCommands: a seeded stream of Redis 7.0 commands as one connection would
// send them, over a few hot keys that all connections share. Most commands
// succeed (a key has a preferred type); some have the wrong type, the wrong
// number of arguments, or no meaning at all. It gets no replies back: any
// sequence is a fair one. Not thread-safe; one object per connection.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/redis_client.h"

namespace crossfade::test {

struct RandomOptions {
  bool expiries = true;  // false: no command sets or removes a deadline
  bool transactions = true;
  bool mistakes = true;     // wrong types, wrong arity, unknown commands
  bool flushes = true;      // rarely FLUSHDB
  bool groups = true;       // consumer groups
  bool blocking = false;    // blocking commands, for some hundredths of a second
  bool watches = false;     // WATCH before some transactions
  bool scripts = false;     // EVAL and FCALL, one in twelve; by the clock and by chance too
  bool undeclared = false;  // of them, some that write keys which they do not declare
  // Leaves out what Redis 7.0 does not replicate as it was: BITFIELD … OVERFLOW FAIL
  // that grows a string, SORT … STORE of elements that compare as equal,
  // ranges of texts where scores differ.
  bool as_replicated = false;
  int databases = 3;
  // DUMP payloads by type, for RESTORE; none: no RESTORE.
  std::map<std::string, std::vector<std::string>> payloads = {};
};

// Which replies are plausible; an error always is, if a Redis server sends it.
enum ReplyKind : uint8_t {
  kStatusReply = 1,
  kIntegerReply = 2,
  kStringReply = 4,
  kNilReply = 8,
  kArrayReply = 16,
  kAnyReply = 31,
};

struct RandomCommand {
  Args args;
  uint8_t replies = kAnyReply;
};

// DUMP payloads of a few values of each type, made on `server`, which is flushed.
std::map<std::string, std::vector<std::string>> MakePayloads(RedisClient& server);

// Whether a plain redis-server would send this error to a command of ours.
bool IsServersOwnError(std::string_view error);
bool IsPlausible(const RandomCommand& command, const Value& reply);

class RandomCommands {
 public:
  RandomCommands(uint64_t seed, RandomOptions options);
  RandomCommand Next();

 private:
  // Names of preferred types; HyperLogLogs keep to themselves, because their
  // bytes hold a cached count that two equal stores need not share.
  enum Kind { kText, kNumber, kHash, kList, kSet, kZset, kStream, kHll, kGeo, kKinds };

  struct Text {
    std::vector<Kind> keys;
    const char* text;
  };
  static const Text kTexts[];
  static const char* const kUndeclaredTexts[];

  RandomCommand One();
  void BeginTransaction();
  RandomCommand Mistake();

  // random_commands_strings.cc
  RandomCommand Set();
  RandomCommand StringWrite();
  RandomCommand Counter();
  RandomCommand Bits();
  RandomCommand StringRead();
  RandomCommand HyperLogLog();
  // random_commands_collections.cc
  RandomCommand HashWrite();
  RandomCommand HashRead();
  RandomCommand ListWrite();
  RandomCommand ListRead();
  RandomCommand SetWrite();
  RandomCommand SetRead();
  // random_commands_sorted.cc
  RandomCommand ZsetAdd();
  RandomCommand ZsetWrite();
  RandomCommand ZsetStore();
  RandomCommand ZsetRead();
  RandomCommand GeoWrite();
  RandomCommand GeoRead();
  // random_commands_streams.cc
  RandomCommand StreamAdd();
  RandomCommand StreamWrite();
  RandomCommand StreamRead();
  // random_commands_groups.cc
  RandomCommand GroupRead();
  RandomCommand GroupWrite();
  RandomCommand Claim();
  // random_commands_advanced.cc
  RandomCommand Blocking();
  // random_commands_scripts.cc
  RandomCommand Script();
  RandomCommand Function();
  RandomCommand Undeclared();
  RandomCommand LibraryChange();
  // random_commands_generic.cc
  RandomCommand Expiry();
  RandomCommand Generic();
  RandomCommand Restore();
  RandomCommand Sort();
  RandomCommand GenericRead();

  int64_t Int(int64_t low, int64_t high);  // both included
  bool Chance(int percent) { return Int(1, 100) <= percent; }
  std::string Num(int64_t low, int64_t high) { return std::to_string(Int(low, high)); }
  template <typename... Words>
  std::string Pick(const char* first, Words... rest) {
    const char* words[] = {first, rest...};
    return words[Int(0, sizeof...(rest))];
  }
  std::string Key(Kind kind);
  std::string AnyKey();  // not a HyperLogLog
  Kind AnyKind();
  std::string Bytes();
  std::string Element();  // of a list, a set, a sorted set
  std::string Name();     // a hash's field
  std::string Score();
  std::string Bound();
  std::string LexBound();
  std::string StreamId();
  std::string Group();
  std::string Consumer();
  std::string ShortOrLongMs();
  std::string DeadlineMs();
  void AppendExpiry(Args& args, bool keep_ttl);
  void AppendMany(Args& args, Kind kind, int low, int high);

  std::mt19937_64 random_;
  RandomOptions options_;
  std::deque<RandomCommand> queued_;
  std::deque<std::string> recent_ids_;
};

}  // namespace crossfade::test
