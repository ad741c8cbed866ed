// Verification: the keys that are being compared, from being handed in to their
// result, of which each gets exactly one. What a key's state is on either side is
// gathered here, reply by reply; where the reads stand in the log, and what may be
// said of the key there, is the Replicator's (design §2, consequence 2; §8).
//
// Cheap first: DUMP and PEXPIRETIME. Dumps that are equal are equal values; those
// that differ prove nothing, so that the key is read a second time, type by type.
//
// Guarded by the replication lock; does no I/O. What is handed in and what is under
// way is bounded; differences wait until they are taken, and nothing more is read
// while too many do.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replication/compare/key_state.h"
#include "replication/ring.h"
#include "replication/suspect_keys.h"

namespace crossfade::replication {

enum class VerifyResult : uint8_t {
  kMatched,
  kDiffered,
  // Not compared:
  kDirty,
  kNotLive,
  kExpiring,  // a side's deadline is too near for the clocks
  kRefused,   // a store replied an error
  kTooBig,
  kLost,     // with connections, several times
  kStopped,  // given up before its turn
  kCount
};
const char* Name(VerifyResult result);

enum class DifferenceKind : uint8_t { kMissing, kExtra, kType, kValue, kExpiry, kCount };
const char* Name(DifferenceKind kind);

// What one store holds of a key.
struct KeySide {
  bool exists = false;
  KeyType type = KeyType::kNone;  // kNone too where only dumps were compared
  uint64_t digest = 0;
  uint64_t bytes = 0;        // of the dump
  int64_t deadline_ms = -1;  // -1: none
  bool refused = false;      // the store replied an error instead
  bool too_big = false;
  bool moved = false;  // written between the question for its type and that for its state

  bool ExpiresBy(int64_t unix_ms) const { return deadline_ms >= 0 && deadline_ms <= unix_ms; }
};

struct Difference {
  uint32_t db = 0;
  std::string key;
  DifferenceKind kind = DifferenceKind::kValue;
  KeySide authority, follower;
};

struct VerifyCounters {
  std::array<uint64_t, static_cast<size_t>(VerifyResult::kCount)> results{};
  std::array<uint64_t, static_cast<size_t>(DifferenceKind::kCount)> kinds{};
  uint64_t logical = 0;  // keys that were read type by type
  uint64_t Of(VerifyResult result) const { return results[static_cast<size_t>(result)]; }
  uint64_t Of(DifferenceKind kind) const { return kinds[static_cast<size_t>(kind)]; }
};

class Verification {
 public:
  using Slot = uint32_t;
  static constexpr Slot kNoSlot = UINT32_MAX;

  enum class Phase : uint8_t { kDump, kState };
  struct Item {
    uint32_t db = 0;
    std::string name;
    uint64_t hash = 0;
    Phase phase = Phase::kDump;
    uint8_t losses = 0;
    uint64_t era = 0;      // of the Replicator, when it was read
    uint32_t replies = 0;  // seen, of the side that is being read
    uint32_t wanted = 0;   // of the authority, as far as it has been asked
    KeySide authority, follower;
    std::string state;  // replies that are being gathered
  };

  // ---- From whom the keys come.
  // How many more may be handed in.
  size_t Room() const;
  bool HandIn(uint32_t db, std::string_view name);
  // Handed in, and without a result yet.
  size_t outstanding() const { return queue_.size() + slots_.size() - free_.size(); }
  // Those that are not under way get their result now, the others without another try.
  void Stop();
  std::vector<Difference> TakeDifferences();
  const VerifyCounters& counters() const { return counters_; }

  SuspectKeys suspects;
  int64_t expiry_tolerance_ms = 100;
  int64_t margin_ms = 0;  // between the clocks, where it is more than the Replicator knows

  // ---- For the Replicator.
  bool MayBegin() const;
  Slot Next();  // kNoSlot: none
  Item& At(Slot slot) { return slots_[slot]; }
  const Item& At(Slot slot) const { return slots_[slot]; }
  // What is asked of a store, and how many replies it gives. Of the state type by type
  // the authority is first asked for the type alone.
  static uint32_t AppendFirst(const Item& item, std::string& out);
  static uint32_t AppendRest(const Item& item, std::string& out);
  // The next reply to those commands; the last one completes the side.
  void TakeReply(Item& item, KeySide& side, std::string_view frame, bool last);
  // Both sides are known, at one position. Returns nothing when the key must be read
  // a second time: it is queued for that.
  std::optional<VerifyResult> Judge(Slot slot, int64_t now_unix_ms, int64_t margin_ms);
  void Finish(Slot slot, VerifyResult result);
  // Not read, or not compared: once more, if it was not too often.
  void Lose(Slot slot);
  void PutBack(Slot slot);  // it was not its fault

 private:
  struct Named {
    uint32_t db = 0;
    std::string name;
  };
  size_t under_way() const { return slots_.size() - free_.size() - again_.size(); }
  void TakeDump(KeySide& side, std::string_view frame);
  void TakeState(Item& item, KeySide& side, std::string_view frame, bool last);
  void TakeDeadline(KeySide& side, std::string_view frame);
  std::optional<DifferenceKind> Differs(const Item& item) const;

  Ring<Named> queue_{1024};
  std::vector<Item> slots_;
  std::vector<Slot> free_;
  Ring<Slot> again_{64};
  std::vector<Difference> differences_;
  VerifyCounters counters_;
  uint64_t usual_bytes_ = 0;  // of the larger dumps seen lately
  bool stopping_ = false;
};

}  // namespace crossfade::replication
