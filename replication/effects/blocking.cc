// Effects of the blocking commands. The proxy runs them as elements of
// transactions, where they never block; one that a store served by itself was
// overtaken by who knows what, and its keys are synced.
#include "replication/effects/derivation.h"
#include "routing/commands/command_id.h"

namespace crossfade::replication::effects {

using routing::CommandId;

namespace {

// BLPOP's and BZPOPMIN's reply: the key, the element, its score.
struct Popped {
  bool understood = false;
  std::string_view key;
  std::string_view element;
  std::string_view element_frame;
};

Popped ReadPopped(std::string_view reply, int64_t size) {
  Popped popped;
  ArrayReader reader(reply);
  if (!reader.IsArray() || reader.size() != size || !reader.NextBulk(popped.key)) return popped;
  popped.element_frame = reader.NextValue();
  if (size == 3) reader.NextValue();
  popped.understood = ReadBulkFrame(popped.element_frame, popped.element) && reader.AtEnd();
  return popped;
}

void DeriveBlpop(Derivation& d, std::string_view name) {
  const Popped popped = ReadPopped(d.reply, 2);
  if (!popped.understood) return d.Sync();
  d.Rewrite({name, popped.key}, popped.element_frame, false);
}

void DeriveBzpop(Derivation& d) {
  const Popped popped = ReadPopped(d.reply, 3);
  if (!popped.understood) return d.Sync();
  d.Rewrite({"ZREM", popped.key, popped.element}, kOneFrame, false);
}

void DeriveBlmove(Derivation& d) {
  std::string_view element;
  if (!ReadBulkFrame(d.reply, element)) return d.Sync();
  if (d.spec.id == CommandId::kBrpoplpush) {
    if (!d.Has(4)) return d.Sync();
    return d.Rewrite({"RPOPLPUSH", d.args[1], d.args[2]}, d.reply, true);
  }
  if (!d.Has(6)) return d.Sync();
  d.Rewrite({"LMOVE", d.args[1], d.args[2], d.args[3], d.args[4]}, d.reply, true);
}

}  // namespace

void DeriveBlocking(Derivation& d) {
  if (IsNilFrame(d.reply)) return d.Nothing();  // nothing found, in every form
  if (!d.in_exec) return d.Sync();
  switch (d.spec.id) {
    case CommandId::kBlpop:
      return DeriveBlpop(d, "LPOP");
    case CommandId::kBrpop:
      return DeriveBlpop(d, "RPOP");
    case CommandId::kBlmove:
    case CommandId::kBrpoplpush:
      return DeriveBlmove(d);
    case CommandId::kBlmpop:
      return DeriveLmpop(d, 2);
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
      return DeriveBzpop(d);
    case CommandId::kBzmpop:
      return DeriveZmpop(d);
    default:
      return d.Sync();
  }
}

}  // namespace crossfade::replication::effects
