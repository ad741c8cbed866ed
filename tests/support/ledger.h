// Ledger: a load that keeps account of every write it sends: connections that
// each raise the versions of keys of their own, and share counters and hashes,
// in pipelines, on a thread of their own. What was acknowledged must be there in
// the end; what has an unknown fate (an error, a lost connection) may be or not.
// Its reads must never show less than was acknowledged before. The account goes
// on over Stop and Start. For one thread; acknowledged() for any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/redis_client.h"

namespace crossfade::test {

class Ledger {
 public:
  static constexpr int kDb = 5;  // which no RandomCommands flush

  Ledger(uint64_t seed, int connections);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // `losable`: connections that are lost are no failures, and are made anew.
  void Start(uint16_t port, bool losable);
  void Stop();  // awaits the replies under way
  uint64_t acknowledged() const { return acknowledged_.load(); }
  // Reads that showed less than was acknowledged, connections lost.
  const std::vector<std::string>& failures() const { return failures_; }
  // What that store lacks of what was acknowledged, or has that was never sent.
  std::vector<std::string> Check(uint16_t store) const;

 private:
  struct Entry {
    int64_t sent = 0;
    int64_t acknowledged = 0;
  };
  enum class Kind : uint8_t { kOther, kSelect, kSet, kField, kCount, kPush, kGet, kPair };
  struct Sent {
    Kind kind;
    std::string key;
    int64_t version;
  };
  struct Connection;
  void Loop();
  void Refill(Connection& connection);
  void Take(Connection& connection);
  void Judge(Connection& connection, const Sent& sent, const Value& reply);
  void Fail(std::string what);
  void Reconnect(Connection& connection);
  std::string FieldOf(const std::string& key, int connection) const;

  std::mt19937_64 random_;
  const int count_;
  uint16_t port_ = 0;
  bool losable_ = false;
  int round_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  // Strings and pairs by key; fields, counts and lists by key and connection.
  std::map<std::string, Entry> strings_, fields_, counts_;
  std::map<std::string, std::map<int64_t, bool>> lists_;  // version: acknowledged
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::string> failures_;
  std::thread thread_;
};

}  // namespace crossfade::test
