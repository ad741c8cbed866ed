// WorkerStats: what a worker counts. Written by its thread alone, read by any:
// relaxed atomics, so that counting costs an addition.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/snapshot.h"
#include "routing/commands/command_id.h"

namespace crossfade::proxy {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct RequestStats {
  std::array<Counter, kLatencyBuckets> buckets;
  Counter total_us;
  void Record(int64_t us, uint32_t count) {
    const auto time = static_cast<uint64_t>(us < 0 ? 0 : us);
    const size_t bucket = static_cast<size_t>(std::bit_width(time));
    buckets[bucket < kLatencyBuckets ? bucket : kLatencyBuckets - 1].Add(count);
    total_us.Add(time * count);
  }
};

// Why a read went where it went; the names are those of the metrics.
enum class ReadReason : uint8_t {
  kEligible,
  kPercentage,
  kCommand,  // this read belongs to the authority
  kPinned,   // the session has a connection of its own to the authority
  kNotLive,
  kNotCopied,  // its partition is not behind the backfill's frontier
  kDirty,
  kLag,
  kPending,
  kUnanswered,
  kSeenNewer,
  kDiffers,   // as verification found
  kOwnOrder,  // the session has an unanswered command on the key at the authority
  kBreaker,
  kNotConnected,  // the worker has no connection to the follower for this user, db and protocol
  kSuspended,     // by the state of a store: see ReadSuspension
  kSlower,        // prefer: fastest, and the authority is
  kCount
};
const char* Name(ReadReason reason);

enum class ClientError : uint8_t {
  kProtocol,
  kUnknownCommand,
  kArity,
  kRefused,
  kNotServed,
  kStoreUnavailable,
  kStoreLost,
  kOutputLimit,
  kMemoryLimit,   // the one that had buffered most
  kTls,           // a handshake that failed
  kNoAuth,        // not authenticated, or not with that password
  kNoPermission,  // of a user that the proxy authenticated
  kCount
};
const char* Name(ClientError error);

struct WorkerStats {
  static constexpr size_t kStores = 2;  // legacy, new
  std::array<std::array<RequestStats, kRequestClasses>, kStores> requests;
  Counter accepted, rejected, closed, auth_failures, ack_timeouts, follower_retries,
      authority_retries, shadow_skipped;
  std::array<Counter, static_cast<size_t>(ClientError::kCount)> client_errors;
  // Which commands clients have sent; those without an id of their own: Core's.
  std::array<std::atomic<bool>, routing::kCommandIds> used{};
};

// What is counted per route; kept under the route's name across plans.
struct RouteCounters {
  std::string name;
  uint32_t id = 0;  // dense, never given to another name
  // By worker.
  std::vector<std::array<Counter, static_cast<size_t>(ReadReason::kCount)>> decisions;
};

}  // namespace crossfade::proxy
