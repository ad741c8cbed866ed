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

void DeriveSort(Derivation& d) {
  bool stores = false;
  bool patterns = false;
  for (size_t i = 2; i < d.args.size(); ++i) {
    const bool more = i + 1 < d.args.size();
    if (IsToken(d.args[i], "LIMIT")) {
      i += 2;
    } else if (IsToken(d.args[i], "STORE") && more) {
      stores = true;
      ++i;
    } else if (IsToken(d.args[i], "BY") && more) {
      // Without a star there is nothing to look up: the source's own order.
      patterns |= d.args[++i].find('*') != std::string_view::npos;
    } else if (IsToken(d.args[i], "GET") && more) {
      patterns |= d.args[++i] != "#";
    }
  }
  if (!stores) return d.Nothing();
  if (patterns) return d.Sync();
  d.ReplayOnInteger(true);
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
