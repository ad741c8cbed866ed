#include "replication/deltas/format.h"

#include "replication/bytes.h"

namespace crossfade::replication {
namespace {

bool TakeString(std::string_view& bytes, std::string& text) {
  std::string_view taken;
  if (!TakeText(bytes, taken)) return false;
  text = taken;
  return true;
}

bool TakeByte(std::string_view& bytes, uint8_t& byte) {
  if (bytes.empty()) return false;
  byte = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  return true;
}

template <class Enum>
bool TakeEnum(std::string_view& bytes, uint8_t count, Enum& value) {
  uint8_t byte = 0;
  if (!TakeByte(bytes, byte) || byte >= count) return false;
  value = static_cast<Enum>(byte);
  return true;
}

bool TakeTime(std::string_view& bytes, int64_t& unix_ms) {
  uint64_t number = 0;
  if (!TakeNumber(bytes, number) || number > INT64_MAX) return false;
  unix_ms = static_cast<int64_t>(number);
  return true;
}

void AppendSide(const KeySide& side, std::string& out) {
  out.push_back(side.exists ? 1 : 0);
  if (!side.exists) return;
  out.push_back(static_cast<char>(side.type));
  AppendFixed(side.digest, out);
  AppendNumber(side.bytes, out);
  AppendNumber(side.deadline_ms < 0 ? 0 : static_cast<uint64_t>(side.deadline_ms) + 1, out);
}

bool TakeSide(std::string_view& bytes, KeySide& side) {
  side = {};
  uint8_t exists = 0;
  if (!TakeByte(bytes, exists) || exists > 1) return false;
  side.exists = exists == 1;
  if (!side.exists) return true;
  constexpr auto kTypes = static_cast<uint8_t>(KeyType::kOther) + 1;
  if (!TakeEnum(bytes, kTypes, side.type) || bytes.size() < sizeof(uint64_t)) return false;
  size_t at = 0;
  side.digest = ReadFixed<uint64_t>(bytes, at);
  bytes.remove_prefix(at);
  uint64_t deadline = 0;  // and one more
  if (!TakeNumber(bytes, side.bytes) || !TakeNumber(bytes, deadline)) return false;
  if (deadline > uint64_t{1} << 63) return false;
  side.deadline_ms = deadline == 0 ? -1 : static_cast<int64_t>(deadline - 1);
  return true;
}

}  // namespace

const char* Name(DeltaOutcome outcome) {
  switch (outcome) {
    case DeltaOutcome::kLeft:
      return "left";
    case DeltaOutcome::kRepaired:
      return "repaired";
    case DeltaOutcome::kDeleted:
      return "deleted";
    case DeltaOutcome::kStillDifferent:
      return "still_different";
    case DeltaOutcome::kNotDone:
      return "not_done";
    case DeltaOutcome::kNotReached:
      return "not_reached";
    case DeltaOutcome::kCount:
      break;
  }
  return "?";
}

const char* ActionOf(DifferenceKind kind, DeltaOutcome outcome) {
  if (outcome == DeltaOutcome::kLeft) return "none";
  return kind == DifferenceKind::kExtra ? "delete" : "copy";
}

std::string EncodeDeltaHeader(const DeltaHeader& header) {
  std::string texts;
  AppendFixed(header.begun_unix_ms, texts);
  for (const std::string* text :
       {&header.kind, &header.plan_digest, &header.authority, &header.follower}) {
    AppendText(*text, texts);
  }
  return EncodeFileHeader(kDeltaFile, texts);
}

bool ParseDeltaTexts(std::string_view bytes, DeltaHeader& header) {
  if (bytes.size() < sizeof(int64_t)) return false;
  size_t at = 0;
  header.begun_unix_ms = ReadFixed<int64_t>(bytes, at);
  bytes.remove_prefix(at);
  for (std::string* text :
       {&header.kind, &header.plan_digest, &header.authority, &header.follower}) {
    if (!TakeString(bytes, *text)) return false;
  }
  return bytes.empty();
}

void AppendDeltaRecord(const DeltaRecord& record, std::string& out) {
  const Difference& difference = record.difference;
  AppendNumber(difference.db, out);
  AppendText(difference.key, out);
  out.push_back(static_cast<char>(difference.kind));
  out.push_back(static_cast<char>(record.outcome));
  AppendNumber(static_cast<uint64_t>(record.found_unix_ms), out);
  AppendNumber(static_cast<uint64_t>(record.outcome_unix_ms), out);
  AppendSide(difference.authority, out);
  AppendSide(difference.follower, out);
}

bool TakeDeltaRecord(std::string_view& bytes, DeltaRecord& record) {
  Difference& difference = record.difference;
  uint64_t db = 0;
  if (!TakeNumber(bytes, db) || db > UINT32_MAX) return false;
  difference.db = static_cast<uint32_t>(db);
  constexpr auto kKinds = static_cast<uint8_t>(DifferenceKind::kCount);
  constexpr auto kOutcomes = static_cast<uint8_t>(DeltaOutcome::kCount);
  return TakeString(bytes, difference.key) && TakeEnum(bytes, kKinds, difference.kind) &&
         TakeEnum(bytes, kOutcomes, record.outcome) && TakeTime(bytes, record.found_unix_ms) &&
         TakeTime(bytes, record.outcome_unix_ms) && TakeSide(bytes, difference.authority) &&
         TakeSide(bytes, difference.follower);
}

}  // namespace crossfade::replication
