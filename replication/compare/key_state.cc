#include "replication/compare/key_state.h"

#include "replication/compare/hyper_log_log.h"
#include "replication/compare/stream_state.h"
#include "replication/compare/wide_hash.h"
#include "replication/effects/derivation.h"

namespace crossfade::replication {

using effects::ArrayReader;

namespace {

constexpr uint64_t kHllSeed = 1;
constexpr std::string_view kNoSuchKey = "-ERR no such key\r\n";

uint64_t Finish(KeyType type, Wide content) {
  return Chain(HashOf(&type, sizeof type, 0), content).Folded();
}

uint64_t NoneDigest() { return Finish(KeyType::kNone, {}); }

std::optional<uint64_t> StringDigest(std::string_view frame) {
  std::string_view value;
  if (effects::IsNilFrame(frame)) return NoneDigest();
  if (!effects::ReadBulkFrame(frame, value)) return std::nullopt;
  HllRegisters registers;
  if (!ReadHyperLogLog(value, registers)) return Finish(KeyType::kString, HashOf(value));
  return Finish(KeyType::kString, Chain(HashOf(HllReserved(value), kHllSeed),
                                        HashOf(registers.data(), registers.size(), kHllSeed)));
}

// Element by element, or pair by pair.
bool NextElement(KeyType type, ArrayReader& list, Wide& hash) {
  std::string_view text;
  if (!list.NextBulk(text)) return false;
  hash = HashOf(text);
  if (type == KeyType::kList || type == KeyType::kSet) return true;
  if (!list.NextBulk(text)) return false;
  if (type == KeyType::kHash) {
    hash = Chain(hash, HashOf(text));
    return true;
  }
  double score = 0;
  if (!NumberOf(text, score)) return false;
  hash = Chain(hash, HashOf(&score, sizeof score, 0));
  return true;
}

std::optional<uint64_t> CollectionDigest(KeyType type, std::string_view frame) {
  ArrayReader list(frame);
  if (!list.IsArray()) return std::nullopt;
  if (list.size() == 0 && list.AtEnd()) return NoneDigest();
  const int64_t step = type == KeyType::kList || type == KeyType::kSet ? 1 : 2;
  Wide sum;
  for (int64_t i = 0; i < list.size(); i += step) {
    Wide element;
    if (!NextElement(type, list, element)) return std::nullopt;
    sum = type == KeyType::kList ? Chain(sum, element) : Sum(sum, element);
  }
  if (!list.AtEnd()) return std::nullopt;
  const int64_t count = list.size();
  return Finish(type, Chain(HashOf(&count, sizeof count, 0), sum));
}

Wide HashOfGroup(const StreamGroup& group) {
  Wide pending;
  for (const StreamPending& entry : group.pending) {
    pending = Sum(pending, Chain(HashOf(entry.id), HashOf(entry.consumer)));
  }
  return Chain(Chain(HashOf(group.name), HashOf(group.last_delivered)), pending);
}

std::optional<uint64_t> StreamDigest(std::string_view frame) {
  if (frame == kNoSuchKey) return NoneDigest();
  StreamState stream;
  if (!ReadStream(frame, stream)) return std::nullopt;
  Wide hash = HashOf(stream.last_id);
  StreamEntries entries(stream);
  StreamEntry entry;
  while (entries.Next(entry)) {
    const size_t count = entry.fields.size();
    hash = Chain(Chain(hash, HashOf(entry.id)), HashOf(&count, sizeof count, 0));
    for (const std::string_view text : entry.fields) hash = Chain(hash, HashOf(text));
  }
  if (!entries.whole()) return std::nullopt;
  Wide groups;
  for (const StreamGroup& group : stream.groups) groups = Sum(groups, HashOfGroup(group));
  return Finish(KeyType::kStream, Chain(hash, groups));
}

}  // namespace

KeyType ParseKeyType(std::string_view type_reply) {
  if (type_reply == "+none\r\n") return KeyType::kNone;
  if (type_reply == "+string\r\n") return KeyType::kString;
  if (type_reply == "+list\r\n") return KeyType::kList;
  if (type_reply == "+set\r\n") return KeyType::kSet;
  if (type_reply == "+zset\r\n") return KeyType::kZset;
  if (type_reply == "+hash\r\n") return KeyType::kHash;
  if (type_reply == "+stream\r\n") return KeyType::kStream;
  return KeyType::kOther;
}

uint32_t AppendStateReads(KeyType type, std::string_view key, std::string& out) {
  switch (type) {
    case KeyType::kString:
      routing::AppendCommand(out, {"GET", key});
      return 1;
    case KeyType::kList:
      routing::AppendCommand(out, {"LRANGE", key, "0", "-1"});
      return 1;
    case KeyType::kSet:
      routing::AppendCommand(out, {"SMEMBERS", key});
      return 1;
    case KeyType::kZset:
      routing::AppendCommand(out, {"ZRANGE", key, "0", "-1", "WITHSCORES"});
      return 1;
    case KeyType::kHash:
      routing::AppendCommand(out, {"HGETALL", key});
      return 1;
    case KeyType::kStream:
      routing::AppendCommand(out, {"XINFO", "STREAM", key, "FULL", "COUNT", "0"});
      return 1;
    case KeyType::kNone:
    case KeyType::kOther:
      break;
  }
  return 0;
}

std::optional<uint64_t> StateDigest(KeyType type, std::string_view replies) {
  switch (type) {
    case KeyType::kNone:
      if (!replies.empty()) break;
      return NoneDigest();
    case KeyType::kString:
      return StringDigest(replies);
    case KeyType::kList:
    case KeyType::kSet:
    case KeyType::kZset:
    case KeyType::kHash:
      return CollectionDigest(type, replies);
    case KeyType::kStream:
      return StreamDigest(replies);
    case KeyType::kOther:
      break;
  }
  return std::nullopt;
}

}  // namespace crossfade::replication
