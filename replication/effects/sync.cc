// DeriveSync: the key sync as one effect.
#include "replication/effects.h"
#include "replication/effects/derivation.h"

namespace crossfade::replication {

bool DeriveSync(std::string_view key, std::string_view dump_reply, std::string_view expiry_reply,
                Effect& effect) {
  effect.Clear();
  int64_t at_ms = 0;
  if (!effects::ReadIntegerFrame(expiry_reply, at_ms)) return false;
  effect.kind = Effect::Kind::kRewritten;
  effect.commands = 1;
  if (effects::IsNilFrame(dump_reply)) {
    routing::AppendCommand(effect.bytes, {"DEL", key});
    return true;
  }
  std::string_view payload;
  if (!effects::ReadBulkFrame(dump_reply, payload) || at_ms < -1) {
    effect.Clear();
    return false;
  }
  // 0 would mean no expiry; a key with so early a one is gone all the same.
  if (at_ms == 0) at_ms = 1;
  routing::AppendHead(effect.bytes, '*', 6);
  routing::AppendBulk(effect.bytes, "RESTORE");
  routing::AppendBulk(effect.bytes, key);
  routing::AppendBulk(effect.bytes, at_ms == -1 ? 0 : at_ms);
  routing::AppendBulk(effect.bytes, payload);
  routing::AppendBulk(effect.bytes, "REPLACE");
  routing::AppendBulk(effect.bytes, "ABSTTL");
  effect.expected.assign(effects::kOkFrame);
  effect.may_set_expiry = at_ms != -1;
  return true;
}

}  // namespace crossfade::replication
