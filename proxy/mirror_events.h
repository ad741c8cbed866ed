// MirrorEvents: takes note of what the replicator reports, for the log, the
// metrics, and the threads that act on it. Guarded by the replication lock,
// except for the atomics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "replication/replicator.h"

namespace crossfade::proxy {

struct Core;

class MirrorEvents final : public replication::ReplicatorEvents {
 public:
  explicit MirrorEvents(Core& core) : core_(core) {}

  void OnDrift(replication::Drift reason, uint32_t db, std::string_view key) override;
  void OnShadow(const replication::ShadowObservation& observation) override;
  void OnSyncRefused(uint32_t db, std::string_view key, std::string_view error) override;
  void OnSyncFormRefused(uint32_t db, std::string_view key, replication::SyncForm refused,
                         std::string_view error) override;
  void OnQuarantined(uint32_t db, std::string_view key, std::string_view error) override;
  void OnCopyWanted(std::string_view reason) override;
  void OnPartitionsLeft(size_t partitions, size_t keys) override;
  void OnApplierMustReconnect(std::string_view reason) override;
  void OnLibraryRefused(std::string_view error) override;

  // Per route: matched, mismatched, ignored_expiring, ignored_dirty.
  struct ShadowCounts {
    std::array<uint64_t, 4> by_result{};
  };
  const std::vector<ShadowCounts>& shadow() const { return shadow_; }
  const std::string& copy_reason() const { return copy_reason_; }
  uint64_t libraries_refused() const { return libraries_refused_; }

  std::atomic<bool> copy_wanted{false};
  std::atomic<bool> applier_must_reconnect{false};

 private:
  // Lets a few lines a second through, and counts what it held back.
  class LogPacer {
   public:
    bool Allow(uint64_t& held_back);

   private:
    int64_t second_ = 0;
    uint32_t lines_ = 0;
    uint64_t held_back_ = 0;
  };

  Core& core_;
  std::vector<ShadowCounts> shadow_;
  std::string copy_reason_;
  uint64_t libraries_refused_ = 0;
  LogPacer drift_log_, shadow_log_, refused_log_, quarantine_log_;
};

// A key as it may be shown: printable, and not too long.
std::string Printable(std::string_view bytes);

}  // namespace crossfade::proxy
