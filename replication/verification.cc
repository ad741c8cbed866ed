#include "replication/verification.h"

#include <algorithm>
#include <utility>

#include "config/check.h"
#include "config/limits.h"
#include "replication/reply_digest.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"

namespace crossfade::replication {
namespace {

// A dump ends with the version of its format and a checksum: neither is the value's.
constexpr size_t kDumpTrailerBytes = 10;
constexpr size_t kKeptBytes = 64 * 1024;
constexpr size_t kKeptNameBytes = 256;

// Large memory is given back.
void Reset(std::string& text, size_t kept) {
  text.clear();
  if (text.capacity() > kept) std::string().swap(text);
}

}  // namespace

const char* Name(VerifyResult result) {
  switch (result) {
    case VerifyResult::kMatched:
      return "matched";
    case VerifyResult::kDiffered:
      return "differed";
    case VerifyResult::kDirty:
      return "dirty";
    case VerifyResult::kNotLive:
      return "not_live";
    case VerifyResult::kExpiring:
      return "expiring";
    case VerifyResult::kRefused:
      return "refused";
    case VerifyResult::kTooBig:
      return "too_big";
    case VerifyResult::kLost:
      return "lost";
    case VerifyResult::kStopped:
      return "stopped";
    case VerifyResult::kCount:
      break;
  }
  return "?";
}

const char* Name(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kMissing:
      return "missing";
    case DifferenceKind::kExtra:
      return "extra";
    case DifferenceKind::kType:
      return "type";
    case DifferenceKind::kValue:
      return "value";
    case DifferenceKind::kExpiry:
      return "expiry";
    case DifferenceKind::kCount:
      break;
  }
  return "?";
}

size_t Verification::Room() const {
  return limits::kVerifyQueued - std::min(limits::kVerifyQueued, queue_.size());
}

bool Verification::HandIn(uint32_t db, std::string_view name) {
  if (Room() == 0) return false;
  stopping_ = false;
  Named& named = queue_.Push();
  named.db = db;
  named.name.assign(name);
  return true;
}

void Verification::Stop() {
  stopping_ = true;
  for (; !queue_.empty(); queue_.pop()) {
    ++counters_.results[static_cast<size_t>(VerifyResult::kStopped)];
  }
  while (!again_.empty()) {
    const Slot slot = again_.front();
    again_.pop();
    Finish(slot, VerifyResult::kStopped);
  }
}

std::vector<Difference> Verification::TakeDifferences() { return std::exchange(differences_, {}); }

// Fewer at once where values are large: a store holds all that it has replied.
bool Verification::MayBegin() const {
  if (again_.empty() && queue_.empty()) return false;
  if (differences_.size() >= limits::kDifferencesWaiting) return false;
  const uint64_t of_this_size = limits::kVerifyBytesUnderWay / (usual_bytes_ + 1);
  return under_way() < std::clamp<uint64_t>(of_this_size, 2, limits::kVerifyUnderWay);
}

Verification::Slot Verification::Next() {
  Slot slot = kNoSlot;
  if (!again_.empty()) {
    slot = again_.front();
    again_.pop();
  } else if (!queue_.empty()) {
    if (free_.empty()) {
      slots_.emplace_back();
      slot = static_cast<Slot>(slots_.size() - 1);
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    Named& named = queue_.front();
    Item& item = slots_[slot];
    item.db = named.db;
    std::swap(item.name, named.name);
    Reset(named.name, kKeptNameBytes);
    queue_.pop();
    item.hash = routing::KeyHash(item.db, item.name);
    item.phase = Phase::kDump;
    item.losses = 0;
  }
  if (slot == kNoSlot) return slot;
  Item& item = slots_[slot];
  item.replies = 0;
  item.wanted = 0;
  const uint64_t authority_bytes = item.phase == Phase::kDump ? 0 : item.authority.bytes;
  const uint64_t follower_bytes = item.phase == Phase::kDump ? 0 : item.follower.bytes;
  item.authority = {};
  item.follower = {};
  item.authority.bytes = authority_bytes;
  item.follower.bytes = follower_bytes;
  item.state.clear();
  return slot;
}

void Verification::PutBack(Slot slot) {
  if (stopping_) return Finish(slot, VerifyResult::kStopped);
  again_.Push() = slot;
}

void Verification::Lose(Slot slot) {
  if (++slots_[slot].losses > limits::kVerifyLossesMax) return Finish(slot, VerifyResult::kLost);
  PutBack(slot);
}

void Verification::Finish(Slot slot, VerifyResult result) {
  ++counters_.results[static_cast<size_t>(result)];
  Item& item = slots_[slot];
  Reset(item.state, kKeptBytes);
  Reset(item.name, kKeptNameBytes);
  free_.push_back(slot);
}

// ---- What is asked, and replied

uint32_t Verification::AppendFirst(const Item& item, std::string& out) {
  if (item.phase == Phase::kState) {
    routing::AppendCommand(out, {"TYPE", item.name});
    return 1;
  }
  routing::AppendCommand(out, {"DUMP", item.name});
  routing::AppendCommand(out, {"PEXPIRETIME", item.name});
  return 2;
}

uint32_t Verification::AppendRest(const Item& item, std::string& out) {
  if (item.phase == Phase::kDump) return 0;
  const uint32_t reads = item.authority.type == KeyType::kNone
                             ? 0
                             : AppendStateReads(item.authority.type, item.name, out);
  routing::AppendCommand(out, {"PEXPIRETIME", item.name});
  return reads + 1;
}

void Verification::TakeReply(Item& item, KeySide& side, std::string_view frame, bool last) {
  ++item.replies;
  if (item.phase == Phase::kState) return TakeState(item, side, frame, last);
  if (last) return TakeDeadline(side, frame);
  TakeDump(side, frame);
}

void Verification::TakeDump(KeySide& side, std::string_view frame) {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  side.refused = head.type != routing::ReplyType::kBulk;
  side.exists = !head.nil && !side.refused;
  if (!side.exists) return;
  side.bytes = head.text.size();
  const uint64_t forgotten = usual_bytes_ - usual_bytes_ / 16;
  usual_bytes_ = std::max(forgotten, side.bytes);
  std::string_view value = head.text;
  value.remove_suffix(std::min(value.size(), kDumpTrailerBytes));
  side.digest = LongReplyDigest(value);
}

void Verification::TakeState(Item& item, KeySide& side, std::string_view frame, bool last) {
  if (item.replies == 1) {
    side.refused = frame.starts_with('-');
    side.type = ParseKeyType(frame);
    side.exists = side.type != KeyType::kNone;
    return;
  }
  // On the authority another write of the same lane may come behind TYPE.
  const bool of_type = &side == &item.authority;
  if (!last) {
    side.moved = side.moved || (of_type && frame.starts_with("-WRONGTYPE "));
    side.too_big = side.too_big || item.state.size() + frame.size() > limits::kVerifyStateBytes;
    if (!side.too_big) item.state += frame;
    return;
  }
  side.moved = side.moved || (of_type && !side.exists && frame != ":-2\r\n");
  TakeDeadline(side, frame);
  // The follower was asked for what the authority has.
  if (side.exists && side.type == item.authority.type && !side.too_big) {
    const std::optional<uint64_t> digest = StateDigest(side.type, item.state);
    side.refused = side.refused || !digest;
    side.digest = digest.value_or(0);
  }
  Reset(item.state, kKeptBytes);
}

// No key behind one that was there: its time has come in between.
void Verification::TakeDeadline(KeySide& side, std::string_view frame) {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  side.refused = side.refused || head.type != routing::ReplyType::kInteger;
  side.deadline_ms = head.number == -2 ? (side.exists ? 0 : -1) : head.number;
}

// ---- The comparison

std::optional<DifferenceKind> Verification::Differs(const Item& item) const {
  const KeySide& a = item.authority;
  const KeySide& f = item.follower;
  if (!a.exists && !f.exists) return std::nullopt;
  if (!f.exists) return DifferenceKind::kMissing;
  if (!a.exists) return DifferenceKind::kExtra;
  if (a.type != f.type) return DifferenceKind::kType;
  if (a.digest != f.digest) return DifferenceKind::kValue;
  if ((a.deadline_ms < 0) != (f.deadline_ms < 0)) return DifferenceKind::kExpiry;
  if (std::abs(a.deadline_ms - f.deadline_ms) > expiry_tolerance_ms) return DifferenceKind::kExpiry;
  return std::nullopt;
}

std::optional<VerifyResult> Verification::Judge(Slot slot, int64_t now_unix_ms, int64_t margin) {
  Item& item = slots_[slot];
  if (item.authority.refused || item.follower.refused) return VerifyResult::kRefused;
  if (item.authority.too_big || item.follower.too_big) return VerifyResult::kTooBig;
  const std::optional<DifferenceKind> kind = Differs(item);
  if (!kind) {
    if (!suspects.empty()) suspects.Remove(item.db, item.name);
    return VerifyResult::kMatched;
  }
  const int64_t near_ms = now_unix_ms + std::max(margin, margin_ms);
  if (item.authority.ExpiresBy(near_ms) || item.follower.ExpiresBy(near_ms)) {
    return VerifyResult::kExpiring;
  }
  if (item.phase == Phase::kDump && *kind == DifferenceKind::kValue) {
    if (std::max(item.authority.bytes, item.follower.bytes) > limits::kVerifyDumpBytes) {
      return VerifyResult::kTooBig;
    }
    item.phase = Phase::kState;
    ++counters_.logical;
    PutBack(slot);
    return std::nullopt;
  }
  ++counters_.kinds[static_cast<size_t>(*kind)];
  suspects.Add(item.db, item.name);
  differences_.push_back({item.db, item.name, *kind, item.authority, item.follower});
  return VerifyResult::kDiffered;
}

}  // namespace crossfade::replication
