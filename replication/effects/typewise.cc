#include "replication/effects/typewise.h"

#include <array>
#include <charconv>
#include <utility>

#include "replication/compare/wide_hash.h"
#include "replication/effects/rebuild.h"

namespace crossfade::replication {
namespace effects {
namespace {

constexpr const char* kNotUnderstood = "the authority's reply to what reads it is not understood";
constexpr const char* kFieldsAreLost =
    "fields of the hash have expiries, which only a dump carries over";
constexpr const char* kNoSuchType = "a type that ordinary commands don't read";

const char* RebuildString(Rebuild& rebuild, std::string_view frame) {
  std::string_view value;
  if (!ReadBulkFrame(frame, value)) return kNotUnderstood;
  rebuild.Append({"SET", rebuild.key, value});
  return nullptr;
}

// f(element) or f(first, second), whatever belongs together; false when it says so.
template <size_t kTogether, class F>
const char* ForEachElement(std::string_view frame, F f) {
  ArrayReader list(frame);
  if (!list.IsArray() || list.size() % int64_t{kTogether} != 0) return kNotUnderstood;
  std::array<std::string_view, kTogether> elements;
  for (int64_t i = 0; i < list.size(); i += kTogether) {
    for (std::string_view& element : elements) {
      if (!list.NextBulk(element)) return kNotUnderstood;
    }
    if (!f(elements)) return kNotUnderstood;
  }
  return list.AtEnd() ? nullptr : kNotUnderstood;
}

const char* RebuildElements(Rebuild& rebuild, const char* command, std::string_view frame) {
  Pieces pieces(rebuild, {command, rebuild.key});
  const char* const why = ForEachElement<1>(frame, [&](const auto& element) {
    pieces.Add(element[0]);
    return true;
  });
  pieces.Finish();
  return why;
}

const char* RebuildHash(Rebuild& rebuild, std::string_view frame) {
  Pieces pieces(rebuild, {"HSET", rebuild.key});
  const char* const why = ForEachElement<2>(frame, [&](const auto& pair) {
    pieces.Add({pair[0], pair[1]});
    return true;
  });
  pieces.Finish();
  return why;
}

const char* RebuildSortedSet(Rebuild& rebuild, std::string_view frame) {
  Pieces pieces(rebuild, {"ZADD", rebuild.key});
  const char* const why = ForEachElement<2>(frame, [&](const auto& pair) {
    double score = 0;
    pieces.Add({pair[1], pair[0]});
    return NumberOf(pair[1], score);
  });
  pieces.Finish();
  return why;
}

const char* RebuildValue(Rebuild& rebuild, KeyType type, std::string_view replies) {
  switch (type) {
    case KeyType::kString:
      return RebuildString(rebuild, replies);
    case KeyType::kList:
      return RebuildElements(rebuild, "RPUSH", replies);
    case KeyType::kSet:
      return RebuildElements(rebuild, "SADD", replies);
    case KeyType::kZset:
      return RebuildSortedSet(rebuild, replies);
    case KeyType::kHash:
      return RebuildHash(rebuild, replies);
    case KeyType::kStream:
      return RebuildStream(rebuild, replies);
    case KeyType::kNone:
    case KeyType::kOther:
      break;
  }
  return kNoSuchType;
}

// What reads a key that has gone since TYPE.
bool IsNoKey(KeyType type, std::string_view replies) {
  if (type == KeyType::kNone) return replies.empty();
  return IsNilFrame(replies) || replies == "*0\r\n" || replies == "-ERR no such key\r\n";
}

const char* Derive(KeyType type, std::string_view replies, std::string_view expiry_reply,
                   Rebuild& rebuild) {
  int64_t at_ms = 0;
  if (type == KeyType::kOther) return kNoSuchType;
  if (replies == kFieldsExpire) return kFieldsAreLost;
  if (!ReadIntegerFrame(expiry_reply, at_ms) || at_ms < -2) return kNotUnderstood;
  if (at_ms == -2 || IsNoKey(type, replies)) {
    if (at_ms != -2 || !IsNoKey(type, replies)) return kNotUnderstood;
    rebuild.Append({"DEL", rebuild.key});
    return nullptr;
  }
  rebuild.Append({"MULTI"});
  rebuild.Append({"DEL", rebuild.key});
  if (const char* why = RebuildValue(rebuild, type, replies); why != nullptr) return why;
  if (at_ms != -1) rebuild.Append({"PEXPIREAT", rebuild.key, std::to_string(at_ms)});
  rebuild.Append({"EXEC"});
  rebuild.effect.may_set_expiry = at_ms != -1;
  return nullptr;
}

}  // namespace
}  // namespace effects

TypewiseTarget TargetOfVersion(std::string_view version) {
  const char* const end = version.data() + version.size();
  unsigned major = 0, minor = 0;
  const auto first = std::from_chars(version.data(), end, major);
  if (first.ec != std::errc()) return {};
  if (first.ptr != end) std::from_chars(first.ptr + 1, end, minor);
  return {std::pair(major, minor) >= std::pair(6u, 2u), major >= 7};
}

const char* DeriveTypewiseSync(KeyType type, std::string_view key, std::string_view replies,
                               std::string_view expiry_reply, const TypewiseTarget& target,
                               Effect& effect) {
  effect.Clear();
  effects::Rebuild rebuild{key, target, effect};
  const char* const why = effects::Derive(type, replies, expiry_reply, rebuild);
  if (why != nullptr) {
    effect.Clear();
    return why;
  }
  effect.kind = Effect::Kind::kRewritten;
  return nullptr;
}

}  // namespace crossfade::replication
