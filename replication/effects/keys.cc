// Effects of the commands on keys of any type, and on the function library.
#include "replication/effects/derivation.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::IsToken;

void DeriveExpire(Derivation& d) {
  if (d.reply == ":0\r\n") return d.Nothing();
  if (d.reply != kOneFrame) return d.Sync();
  RewriteExpiry(d);
}

void RewriteExpiry(Derivation& d) {
  if (!d.Has(2)) return d.Sync();
  if (!d.deadline) return d.Sync();
  const std::string_view key = d.args[1];
  if (d.deadline->at_ms == -1) return d.Rewrite({"PERSIST", key}, {}, true);
  if (d.deadline->at_ms < 0) return d.Delete(key);
  routing::AppendHead(d.effect.bytes, '*', 3);
  routing::AppendBulk(d.effect.bytes, "PEXPIREAT");
  routing::AppendBulk(d.effect.bytes, key);
  routing::AppendBulk(d.effect.bytes, d.deadline->at_ms);
  d.Rewritten(kOneFrame, false);
  d.effect.may_set_expiry = true;
}

void DeriveRestore(Derivation& d) {
  if (!d.Has(4)) return d.Sync();
  if (d.reply != kOkFrame) return d.Sync();
  int64_t at_ms = 0;
  if (d.args[2] != "0") {
    if (!d.deadline) return d.Sync();
    at_ms = d.deadline->at_ms;
    if (at_ms < -1) return d.Delete(d.args[1]);
    if (at_ms == -1) at_ms = 0;
  }
  // REPLACE: where the authority had no key any more, the follower may still have it.
  routing::AppendHead(d.effect.bytes, '*', 6);
  routing::AppendBulk(d.effect.bytes, "RESTORE");
  routing::AppendBulk(d.effect.bytes, d.args[1]);
  routing::AppendBulk(d.effect.bytes, at_ms);
  routing::AppendBulk(d.effect.bytes, d.args[3]);
  routing::AppendBulk(d.effect.bytes, "REPLACE");
  routing::AppendBulk(d.effect.bytes, "ABSTTL");
  d.Rewritten(kOkFrame, false);
  d.effect.may_set_expiry = at_ms != 0;
}

// Elements that compare as equal ("1" and "01") come in the source's own order,
// and texts in that of the store's locale: equal replies prove nothing.
void DeriveSort(Derivation& d) {
  for (size_t i = 2; i + 1 < d.args.size(); ++i) {
    if (IsToken(d.args[i], "STORE")) return d.Sync();
    const bool takes_one = IsToken(d.args[i], "BY") || IsToken(d.args[i], "GET");
    i += IsToken(d.args[i], "LIMIT") ? 2 : takes_one ? 1 : 0;
  }
  d.Nothing();
}

void DeriveMigrate(Derivation& d) {
  if (d.reply == "+NOKEY\r\n") return d.Nothing();
  d.Sync();  // after an error too: some keys may have gone
}

void DeriveFunctionLoad(Derivation& d) {
  std::string_view library;
  if (!ReadBulkFrame(d.reply, library)) return d.Sync();
  d.Rewrite({"FUNCTION", "LOAD", "REPLACE", d.args.back()}, d.reply, false);
}

}  // namespace crossfade::replication::effects
