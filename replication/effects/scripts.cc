// Effects of scripts: run on the follower as well, with deadlines corrected, or
// their keys synced.
#include "replication/effects.h"
#include "replication/effects/derivation.h"

namespace crossfade::replication {

void DeriveScript(const ScriptTraits& traits, std::string_view request, std::string_view reply,
                  std::optional<std::span<const Deadline>> deadlines, Effect& effect) {
  effect.Clear();
  if (traits.reads) return;
  // A script that failed may have written before: nothing is known of it.
  const bool failed = reply.empty() || reply.front() == '-' || reply.front() == '!';
  if (failed || !traits.replay || (traits.sets_expiry && !deadlines)) {
    effect.kind = Effect::Kind::kSync;
    return;
  }
  effect.guard = true;
  if (!traits.sets_expiry) {
    effect.kind = Effect::Kind::kReplay;
    return;
  }
  effect.kind = Effect::Kind::kRewritten;
  effect.bytes.append(request);
  effect.expected.append(reply);
  effect.may_set_expiry = true;
  for (const Deadline& deadline : *deadlines) {
    // What has expired on the authority since the script is gone there.
    if (deadline.at_ms >= 0) {
      routing::AppendHead(effect.bytes, '*', 3);
      routing::AppendBulk(effect.bytes, "PEXPIREAT");
      routing::AppendBulk(effect.bytes, deadline.key);
      routing::AppendBulk(effect.bytes, deadline.at_ms);
    } else {
      routing::AppendCommand(effect.bytes,
                             {deadline.at_ms == -1 ? "PERSIST" : "DEL", deadline.key});
    }
    ++effect.corrections;
  }
  effect.commands = 1 + effect.corrections;
}

}  // namespace crossfade::replication
