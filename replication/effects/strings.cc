// Effects of the commands on strings.
#include "replication/effects/derivation.h"
#include "replication/effects/expiry.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::Args;
using routing::IsToken;

namespace {

// SET as the authority did it: `deadline` is what it read behind it.
void RewriteSet(Derivation& d, std::string_view value, bool expires) {
  const std::string_view key = d.args[1];
  if (!expires) return d.Rewrite({"SET", key, value}, kOkFrame, false);
  if (!d.deadline) return d.Sync();
  if (d.deadline->at_ms == -1) return d.Rewrite({"SET", key, value}, kOkFrame, false);
  if (d.deadline->at_ms < 0) return d.Delete(key);
  routing::AppendHead(d.effect.bytes, '*', 5);
  routing::AppendBulk(d.effect.bytes, "SET");
  routing::AppendBulk(d.effect.bytes, key);
  routing::AppendBulk(d.effect.bytes, value);
  routing::AppendBulk(d.effect.bytes, "PXAT");
  routing::AppendBulk(d.effect.bytes, d.deadline->at_ms);
  d.Rewritten(kOkFrame, false);
  d.effect.may_set_expiry = true;
}

enum class WasSet { kYes, kNo, kNotUnderstood };

WasSet WhetherSet(const SetOptions& options, std::string_view reply) {
  const bool nil = IsNilFrame(reply);
  std::string_view text;
  if (!options.get) {
    if (nil) return WasSet::kNo;
    return reply == kOkFrame ? WasSet::kYes : WasSet::kNotUnderstood;
  }
  // GET replies the old value, so what it says about the write depends on NX and XX.
  if (!nil && !ReadBulkFrame(reply, text)) return WasSet::kNotUnderstood;
  if (options.nx) return nil ? WasSet::kYes : WasSet::kNo;
  if (options.xx) return nil ? WasSet::kNo : WasSet::kYes;
  return WasSet::kYes;
}

}  // namespace

void DeriveSet(Derivation& d) {
  if (!d.Has(3)) return d.Sync();
  if (d.args.size() == 3) return d.ReplayOnOk(false);
  const SetOptions options = ReadSetOptions(d.args);
  if (!options.understood || (options.nx && options.xx)) return d.Sync();
  switch (WhetherSet(options, d.reply)) {
    case WasSet::kNo:
      return d.Nothing();
    case WasSet::kNotUnderstood:
      return d.Sync();
    case WasSet::kYes:
      break;
  }
  // NX: there was no key, so no expiry was kept either.
  if (options.keep_ttl && !options.nx) {
    return d.Rewrite({"SET", d.args[1], d.args[2], "KEEPTTL"}, kOkFrame, true);
  }
  RewriteSet(d, d.args[2], !options.time_word.empty());
}

void DeriveSetWithTime(Derivation& d) {
  if (!d.Has(4)) return d.Sync();
  if (d.reply != kOkFrame) return d.Sync();
  RewriteSet(d, d.args[3], true);
}

void DeriveGetex(Derivation& d) {
  std::string_view value;
  if (IsNilFrame(d.reply) || !d.Has(3)) return d.Nothing();
  if (!ReadBulkFrame(d.reply, value)) return d.Sync();
  // Verbatim, since PERSIST's reply says nothing about a key that was not there.
  if (IsToken(d.args[2], "PERSIST")) return d.Replay(false);
  RewriteExpiry(d);
}

void DeriveReplacing(Derivation& d) {
  if (!d.Has(3)) return d.Sync();
  std::string_view old;
  if (d.spec.id == routing::CommandId::kSetnx) {
    if (d.reply == ":0\r\n") return d.Nothing();
    if (d.reply != kOneFrame) return d.Sync();
  } else if (!IsNilFrame(d.reply) && !ReadBulkFrame(d.reply, old)) {
    return d.Sync();
  }
  d.Rewrite({"SET", d.args[1], d.args[2]}, kOkFrame, false);
}

void DeriveGetdel(Derivation& d) {
  std::string_view value;
  if (IsNilFrame(d.reply)) return d.Nothing();
  if (!d.Has(2) || !ReadBulkFrame(d.reply, value)) return d.Sync();
  d.Rewrite({"DEL", d.args[1]}, kOneFrame, false);
}

void DeriveSetrange(Derivation& d) {
  if (!d.Has(4)) return d.Sync();
  // An empty value changes nothing, and creates nothing.
  if (d.args[3].empty()) return d.Nothing();
  d.ReplayOnInteger(true);
}

void DeriveIncrbyfloat(Derivation& d) {
  if (!d.Has(2)) return d.Sync();
  std::string_view value;
  if (!ReadBulkFrame(d.reply, value)) return d.Sync();
  d.Rewrite({"SET", d.args[1], value, "KEEPTTL"}, kOkFrame, true);
}

void DeriveMsetnx(Derivation& d) {
  int64_t set = 0;
  if (!ReadIntegerFrame(d.reply, set)) return d.Sync();
  if (set == 0) return d.Nothing();
  routing::AppendHead(d.effect.bytes, '*', static_cast<int64_t>(d.args.size()));
  routing::AppendBulk(d.effect.bytes, "MSET");
  for (const std::string_view arg : d.args.subspan(1)) routing::AppendBulk(d.effect.bytes, arg);
  d.Rewritten(kOkFrame, false);
}

void DeriveBitfield(Derivation& d) {
  if (!IsArrayFrame(d.reply)) return d.Sync();
  // A write that overflowed (nil) may have grown the string all the same.
  for (size_t i = 2; i < d.args.size();) {
    if (IsToken(d.args[i], "GET")) {
      i += 3;
    } else if (IsToken(d.args[i], "OVERFLOW")) {
      i += 2;
    } else {
      return d.Replay(true);
    }
  }
  d.Nothing();
}

}  // namespace crossfade::replication::effects
