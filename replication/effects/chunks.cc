#include "replication/effects/chunks.h"

#include "replication/compare/wide_hash.h"
#include "replication/effects/rebuild.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication {

using effects::ArrayReader;
using effects::Pieces;
using effects::Rebuild;
using routing::CommandId;

namespace {

const char* ScanOf(KeyType type) {
  return type == KeyType::kHash ? "HSCAN" : type == KeyType::kSet ? "SSCAN" : "ZSCAN";
}

const char* AddOf(KeyType type) {
  return type == KeyType::kHash ? "HSET" : type == KeyType::kSet ? "SADD" : "ZADD";
}

bool AppendElements(KeyType type, std::string_view elements, Rebuild& rebuild) {
  ArrayReader list(elements);
  const int64_t together = type == KeyType::kSet ? 1 : 2;
  if (!list.IsArray() || list.size() % together != 0) return false;
  Pieces pieces(rebuild, {AddOf(type), rebuild.key});
  std::string_view first, second;
  for (int64_t i = 0; i < list.size(); i += together) {
    if (!list.NextBulk(first)) return false;
    if (type == KeyType::kSet) {
      pieces.Add(first);
      continue;
    }
    if (!list.NextBulk(second)) return false;
    if (type == KeyType::kHash) {
      pieces.Add({first, second});
    } else {
      pieces.Add({second, first});  // the score first
    }
  }
  pieces.Finish();
  return list.AtEnd();
}

KeyType TypeWritten(CommandId id) {
  switch (id) {
    case CommandId::kHset:
    case CommandId::kHmset:
    case CommandId::kHsetnx:
    case CommandId::kHincrby:
    case CommandId::kHincrbyfloat:
    case CommandId::kHdel:
      return KeyType::kHash;
    case CommandId::kSadd:
    case CommandId::kSrem:
    case CommandId::kSpop:
      return KeyType::kSet;
    case CommandId::kZadd:
    case CommandId::kZincrby:
    case CommandId::kZrem:
    case CommandId::kZpopmin:
    case CommandId::kZpopmax:
      return KeyType::kZset;
    default:
      return KeyType::kNone;
  }
}

// Whether what stands between the key and the first score is CH at most, which changes
// the reply alone.
bool AddsByValue(routing::Args args) {
  for (size_t i = 2; i < args.size(); ++i) {
    if (routing::IsToken(args[i], "CH")) continue;
    double score = 0;
    return NumberOf(args[i], score);
  }
  return false;
}

void Become(Effect& effect, std::initializer_list<std::string_view> command) {
  effect.bytes.clear();
  effect.kind = Effect::Kind::kRewritten;
  effect.commands = 1;
  routing::AppendCommand(effect.bytes, command);
}

bool SetToReply(routing::Args args, std::string_view reply, Effect& effect) {
  int64_t number = 0;
  if (args.size() != 4 || !effects::ReadIntegerFrame(reply, number)) return false;
  Become(effect, {"HSET", args[1], args[2], std::to_string(number)});
  return true;
}

bool ScoreOfReply(routing::Args args, std::string_view reply, Effect& effect) {
  std::string_view score;
  if (args.size() != 4 || !effects::ReadBulkFrame(reply, score)) return false;
  Become(effect, {"ZADD", args[1], score, args[3]});
  return true;
}

}  // namespace

void AppendChunkRead(KeyType type, std::string_view key, std::string_view cursor, uint32_t elements,
                     std::string& out) {
  routing::AppendCommand(out, {ScanOf(type), key, cursor, "COUNT", std::to_string(elements)});
}

bool DeriveChunk(KeyType type, std::string_view key, bool first, std::string_view scanned,
                 std::string_view expiry_reply, Chunk& chunk, Effect& effect) {
  effect.Clear();
  ArrayReader reply(scanned);
  if (!reply.IsArray() || reply.size() != 2 || !reply.NextBulk(chunk.cursor)) return false;
  if (!effects::ReadIntegerFrame(expiry_reply, chunk.deadline_ms)) return false;
  if (chunk.deadline_ms < -2) return false;
  if (chunk.deadline_ms == -2) return true;
  const TypewiseTarget any;
  Rebuild rebuild{key, any, effect};
  effect.kind = Effect::Kind::kRewritten;
  if (chunk.last()) rebuild.Append({"MULTI"});
  if (first) rebuild.Append({"DEL", key});
  if (!AppendElements(type, reply.Rest(), rebuild)) return false;
  if (!chunk.last()) return true;
  if (chunk.deadline_ms == -1) {
    rebuild.Append({"PERSIST", key});  // it has none yet: for a command that names the key
  } else {
    rebuild.Append({"PEXPIREAT", key, std::to_string(chunk.deadline_ms)});
  }
  rebuild.Append({"EXEC"});
  effect.may_set_expiry = chunk.deadline_ms != -1;
  return true;
}

bool MakeByValue(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                 KeyType type, Effect& effect) {
  if (TypeWritten(spec.id) != type || args.size() < 2) return false;
  effect.guard = false;
  effect.expected.clear();
  if (effect.kind == Effect::Kind::kRewritten) return effect.commands == 1;
  if (effect.kind != Effect::Kind::kReplay) return false;
  switch (spec.id) {
    case CommandId::kHsetnx:
      if (args.size() != 4) return false;
      Become(effect, {"HSET", args[1], args[2], args[3]});
      return true;
    case CommandId::kHincrby:
      return SetToReply(args, reply, effect);
    case CommandId::kZincrby:
      return ScoreOfReply(args, reply, effect);
    case CommandId::kZadd:
      return AddsByValue(args);
    case CommandId::kHset:
    case CommandId::kHmset:
    case CommandId::kHdel:
    case CommandId::kSadd:
    case CommandId::kSrem:
    case CommandId::kZrem:
      return true;
    default:
      return false;
  }
}

}  // namespace crossfade::replication
