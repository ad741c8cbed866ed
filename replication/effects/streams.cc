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
  size_t trim = 0;           // where MAXLEN or MINID stands; 0 without
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
      options.trim = i++;
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

bool TrimsApproximately(const routing::CommandSpec& spec, routing::Args args) {
  if (spec.id != CommandId::kXadd && spec.id != CommandId::kXtrim) return false;
  const StreamOptions options = ReadStreamOptions(args);
  return options.approximate && options.trim != 0;
}

// The oldest entries go: to trim to a length is exact, whatever the client named.
void DeriveXadd(Derivation& d) {
  std::string_view id;
  if (IsNilFrame(d.reply)) return d.Nothing();  // NOMKSTREAM
  if (!ReadBulkFrame(d.reply, id)) return d.Sync();
  const StreamOptions options = ReadStreamOptions(d.args);
  if (options.end >= d.args.size()) return d.Sync();
  if (options.approximate && !d.length && !d.in_exec) return d.Sync();
  // With NOMKSTREAM the reply tells whether the key was there, if it is passed on.
  const bool guard = !options.no_create || options.approximate;
  if (!options.approximate && !ServerChooses(d.args[options.end])) return d.Replay(guard);
  const size_t options_end = options.approximate ? 2 : options.end;
  std::string& bytes = d.effect.bytes;
  const size_t trimming = options.approximate && d.length ? 3 : 0;
  routing::AppendHead(bytes, '*',
                      static_cast<int64_t>(options_end + trimming + d.args.size() - options.end));
  for (const std::string_view arg : d.args.first(options_end)) routing::AppendBulk(bytes, arg);
  if (trimming != 0) {
    routing::AppendBulk(bytes, "MAXLEN");
    routing::AppendBulk(bytes, "=");
    routing::AppendBulk(bytes, d.length->entries);
  }
  routing::AppendBulk(bytes, id);
  for (const std::string_view arg : d.args.subspan(options.end + 1)) {
    routing::AppendBulk(bytes, arg);
  }
  d.Rewritten(d.reply, guard);
}

void DeriveXtrim(Derivation& d) {
  int64_t deleted = 0;
  if (!ReadIntegerFrame(d.reply, deleted)) return d.Sync();
  if (deleted == 0) return d.Nothing();
  if (!ReadStreamOptions(d.args).approximate) return d.Replay(false);
  if (!d.length) return d.in_exec ? d.Nothing() : d.Sync();
  routing::AppendHead(d.effect.bytes, '*', 5);
  for (const std::string_view word :
       {std::string_view("XTRIM"), d.args[1], std::string_view("MAXLEN"), std::string_view("=")}) {
    routing::AppendBulk(d.effect.bytes, word);
  }
  routing::AppendBulk(d.effect.bytes, d.length->entries);
  d.Rewritten(d.reply, false);
}

void DeriveXgroupSet(Derivation& d) {
  if (!d.Has(5)) return d.Sync();
  // $ names the same entry on the follower: the entries before are applied there.
  if (d.reply != kOkFrame) return d.Sync();
  bool creates = false;
  for (size_t i = 5; i < d.args.size(); ++i) creates |= IsToken(d.args[i], "MKSTREAM");
  d.Replay(creates);
}

}  // namespace crossfade::replication::effects
