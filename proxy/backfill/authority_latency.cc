#include "proxy/backfill/authority_latency.h"

#include <algorithm>
#include <numeric>

#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

constexpr uint64_t kEnough = 20;

}  // namespace

std::optional<int64_t> AuthorityLatency::TakeP99Us(const Core& core) {
  std::array<uint64_t, kLatencyBuckets> now{};
  for (const auto& worker : core.workers) {
    for (const RequestStats& stats : worker->stats().requests[0]) {
      for (size_t i = 0; i < kLatencyBuckets; ++i) now[i] += stats.buckets[i].value();
    }
  }
  std::array<uint64_t, kLatencyBuckets> since{};
  for (size_t i = 0; i < kLatencyBuckets; ++i) since[i] = now[i] - before_[i];
  before_ = now;
  const uint64_t all = std::accumulate(since.begin(), since.end(), uint64_t{0});
  if (all < kEnough) return std::nullopt;
  // Within the bucket it is taken to grow evenly.
  double rank = static_cast<double>(all) * 0.99;
  for (size_t i = 0; i < kLatencyBuckets; ++i) {
    const auto count = static_cast<double>(since[i]);
    if (rank > count) {
      rank -= count;
      continue;
    }
    const double low = i == 0 ? 0 : static_cast<double>(uint64_t{1} << (i - 1));
    return static_cast<int64_t>(low + std::max(low, 1.0) * rank / std::max(count, 1.0));
  }
  return int64_t{1} << kLatencyBuckets;
}

}  // namespace crossfade::proxy
