// Effects of the commands on streams.
#include "replication/effects/derivation.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::CommandId;
using routing::IsToken;

namespace {

// What stands between the key and the id (XADD) or the end (XTRIM).
struct StreamOptions {
  size_t end = 0;            // the first argument that is none of them
  bool no_create = false;    // NOMKSTREAM
  bool approximate = false;  // ~ or LIMIT: what is left depends on how the stream is stored
};

StreamOptions ReadStreamOptions(routing::Args args) {
  StreamOptions options;
  size_t i = 2;
  for (; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (IsToken(args[i], "NOMKSTREAM")) {
      options.no_create = true;
    } else if (more && (IsToken(args[i], "MAXLEN") || IsToken(args[i], "MINID"))) {
      ++i;
      if (args[i] == "~") options.approximate = true;
      if ((args[i] == "~" || args[i] == "=") && i + 1 < args.size()) ++i;
    } else if (more && IsToken(args[i], "LIMIT")) {
      options.approximate = true;
      ++i;
    } else {
      break;
    }
  }
  options.end = i;
  return options;
}

bool ServerChooses(std::string_view id) { return id == "*" || id.ends_with("-*"); }

}  // namespace

void DeriveXadd(Derivation& d) {
  std::string_view id;
  if (IsNilFrame(d.reply)) return d.Nothing();  // NOMKSTREAM
  if (!ReadBulkFrame(d.reply, id)) return d.Sync();
  const StreamOptions options = ReadStreamOptions(d.args);
  if (options.approximate || options.end >= d.args.size()) return d.Sync();
  // With NOMKSTREAM the reply tells whether the key was there.
  const bool guard = !options.no_create;
  if (!ServerChooses(d.args[options.end])) return d.Replay(guard);
  routing::AppendHead(d.effect.bytes, '*', static_cast<int64_t>(d.args.size()));
  for (size_t i = 0; i < d.args.size(); ++i) {
    routing::AppendBulk(d.effect.bytes, i == options.end ? id : d.args[i]);
  }
  d.Rewritten(d.reply, guard);
}

void DeriveXtrim(Derivation& d) {
  int64_t deleted = 0;
  if (!ReadIntegerFrame(d.reply, deleted)) return d.Sync();
  if (deleted == 0) return d.Nothing();
  if (ReadStreamOptions(d.args).approximate) return d.Sync();
  d.Replay(false);
}

void DeriveXgroupSet(Derivation& d) {
  if (!d.Has(5)) return d.Sync();
  if (d.reply != kOkFrame || d.args[4] == "$") return d.Sync();
  bool creates = false;
  for (size_t i = 5; i < d.args.size(); ++i) creates |= IsToken(d.args[i], "MKSTREAM");
  d.Replay(creates);
}

void DeriveXreadgroup(Derivation& d) {
  if (!IsNilFrame(d.reply)) return d.Sync();
  // Nothing was read, but a store of 7.2 or later has created the consumer: so
  // does the follower if it is one. It must not block, however.
  size_t block = 0;
  for (size_t i = 1; i < d.args.size() && !IsToken(d.args[i], "STREAMS");) {
    if (IsToken(d.args[i], "BLOCK")) block = i;
    const bool has_value = IsToken(d.args[i], "BLOCK") || IsToken(d.args[i], "COUNT");
    i += IsToken(d.args[i], "GROUP") ? 3 : has_value ? 2 : 1;
  }
  if (block == 0) return d.Replay(false);
  if (!d.Has(block + 2)) return d.Sync();
  routing::AppendHead(d.effect.bytes, '*', static_cast<int64_t>(d.args.size()) - 2);
  for (size_t i = 0; i < d.args.size(); ++i) {
    if (i != block && i != block + 1) routing::AppendBulk(d.effect.bytes, d.args[i]);
  }
  d.Rewritten(d.reply, false);
}

}  // namespace crossfade::replication::effects
