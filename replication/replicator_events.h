// ReplicatorEvents: what the Replicator tells of, for the log, the metrics and those who
// act on it. Called in its thread, with the replication lock held.
#pragma once

#include <cstdint>
#include <string_view>

#include "replication/sync_forms.h"

namespace crossfade::replication {

// Why a key became dirty.
enum class Drift : uint8_t {
  kReply,          // the follower replied otherwise than the authority
  kExpiry,         // an expiry may have passed on one side alone
  kSpread,         // another key of the same entry was dirty
  kLost,           // the applier's connection was lost with the entry unanswered
  kCollapse,       // the log outgrew its bound
  kUnknownEffect,  // the effect can't be derived
  kUnsupported,    // the follower lacks the command
  kUnknownFate,    // a lane was lost with the write unanswered
  kShadow,         // a shadow read differed
  kAsked,          // an operator wants it synced
  kVerify,         // a verification found it different, and was to repair it
  kCount
};
const char* Name(Drift reason);

enum class ShadowResult : uint8_t { kMatched, kMismatched, kIgnoredExpiring, kIgnoredDirty };

struct ShadowObservation {
  uint32_t route;
  ShadowResult result;
  uint32_t db;
  std::string_view key;
  std::string_view command;
  uint64_t authority_digest;
  uint64_t follower_digest;
};

// Told of what the operator must see.
class ReplicatorEvents {
 public:
  virtual void OnDrift(Drift reason, uint32_t db, std::string_view key) = 0;
  virtual void OnShadow(const ShadowObservation& observation) = 0;
  virtual void OnSyncRefused(uint32_t db, std::string_view key, std::string_view error) = 0;
  // It is tried in the other form now.
  virtual void OnSyncFormRefused(uint32_t /*db*/, std::string_view /*key*/, SyncForm /*refused*/,
                                 std::string_view /*error*/) {}
  // It was refused in every form, several times.
  virtual void OnQuarantined(uint32_t /*db*/, std::string_view /*key*/,
                             std::string_view /*error*/) {}
  // The follower can't be brought up to date by effects any more: copy again.
  virtual void OnCopyWanted(std::string_view reason) = 0;
  // So many partitions have left live, since so many of their keys are dirty.
  virtual void OnPartitionsLeft(size_t /*partitions*/, size_t /*keys*/) {}
  // The applier's connection must be closed and made anew.
  virtual void OnApplierMustReconnect(std::string_view reason) = 0;
  // Calls of its functions can't be replayed: their keys are synced.
  virtual void OnLibraryRefused(std::string_view /*error*/) {}

 protected:
  ~ReplicatorEvents() = default;
};

}  // namespace crossfade::replication
