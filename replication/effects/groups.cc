// Effects of the commands on consumer groups: what was delivered to whom.
//
// XREADGROUP is replayed: a follower whose stream and group are the same replies
// the same, and comes to the same pending entries, last id and count of entries
// read. (XCLAIM … LASTID, which replicas get, loses that count.) What a claim
// took was up to idle times, which are not mirrored: there the reply tells.
#include <algorithm>
#include <charconv>
#include <vector>

#include "replication/effects/derivation.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::IsToken;

namespace {

// No entry has been idle for that long.
constexpr std::string_view kNeverIdle = "9223372036854775807";

struct StreamId {
  uint64_t ms = 0;
  uint64_t seq = 0;
  bool operator==(const StreamId&) const = default;
};

bool ReadNumber(std::string_view text, uint64_t& number) {
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

bool ReadStreamId(std::string_view text, StreamId& id) {
  const size_t dash = text.find('-');
  if (!ReadNumber(text.substr(0, dash), id.ms)) return false;
  id.seq = 0;
  return dash == std::string_view::npos || ReadNumber(text.substr(dash + 1), id.seq);
}

// The ids of an array of them, or of entries.
bool ReadIds(std::string_view frame, bool just_ids, std::vector<std::string_view>& ids) {
  ArrayReader reader(frame);
  if (!reader.IsArray()) return false;
  for (int64_t i = 0; i < reader.size(); ++i) {
    int64_t parts = 0;
    std::string_view id;
    if (!just_ids && (!reader.NextArray(parts) || parts != 2)) return false;
    if (!reader.NextBulk(id)) return false;
    if (!just_ids && reader.NextValue().empty()) return false;
    ids.push_back(id);
  }
  return reader.AtEnd();
}

bool HasToken(routing::Args args, std::string_view token) {
  return std::any_of(args.begin(), args.end(),
                     [token](std::string_view arg) { return IsToken(arg, token); });
}

void AppendClaim(Derivation& d, std::string_view min_idle, std::span<const std::string_view> ids,
                 std::span<const std::string_view> options, bool force) {
  std::string& bytes = d.effect.bytes;
  routing::AppendHead(bytes, '*',
                      static_cast<int64_t>(5 + ids.size() + options.size() + (force ? 1 : 0)));
  for (const std::string_view word :
       {std::string_view("XCLAIM"), d.args[1], d.args[2], d.args[3], min_idle}) {
    routing::AppendBulk(bytes, word);
  }
  for (const std::string_view id : ids) routing::AppendBulk(bytes, id);
  for (const std::string_view option : options) routing::AppendBulk(bytes, option);
  if (force) routing::AppendBulk(bytes, "FORCE");
}

// The ids named, in their order, without those replied; false when a reply was
// to none of them.
bool RemoveReplied(routing::Args named, std::span<const std::string_view> replied,
                   std::vector<std::string_view>& left) {
  for (const std::string_view text : named) {
    StreamId id;
    StreamId next;
    ReadStreamId(text, id);
    if (!replied.empty() && ReadStreamId(replied.front(), next) && next == id) {
      replied = replied.subspan(1);
    } else {
      left.push_back(text);
    }
  }
  return replied.empty();
}

}  // namespace

void DeriveXreadgroup(Derivation& d) {
  size_t block = 0;
  for (size_t i = 1; i < d.args.size() && !IsToken(d.args[i], "STREAMS");) {
    if (IsToken(d.args[i], "BLOCK")) block = i;
    const bool has_value = IsToken(d.args[i], "BLOCK") || IsToken(d.args[i], "COUNT");
    i += IsToken(d.args[i], "GROUP") ? 3 : has_value ? 2 : 1;
  }
  if (!IsNilFrame(d.reply) && !IsArrayFrame(d.reply)) return d.Sync();
  // Nothing read is an effect too: a store of 7.2 or later has made the consumer.
  if (block == 0) return d.Replay(false);
  const bool served_by_store = !d.in_exec && !IsNilFrame(d.reply);
  if (served_by_store || !d.Has(block + 2)) return d.Sync();
  routing::AppendHead(d.effect.bytes, '*', static_cast<int64_t>(d.args.size()) - 2);
  for (size_t i = 0; i < d.args.size(); ++i) {
    if (i != block && i != block + 1) routing::AppendBulk(d.effect.bytes, d.args[i]);
  }
  d.Rewritten(d.reply, false);
}

// Those replied were claimed. Of the others, one whose entry is no longer in the
// stream has left the pending list: to claim what was never idle does just that.
void DeriveXclaim(Derivation& d) {
  StreamId id;
  size_t first_option = 5;
  while (first_option < d.args.size() && ReadStreamId(d.args[first_option], id)) ++first_option;
  if (first_option == 5 || !d.Has(6)) return d.Sync();
  const routing::Args options = d.args.subspan(first_option);
  routing::Args last_id;
  for (size_t i = 0; i + 1 < options.size(); ++i) {
    if (IsToken(options[i], "LASTID")) last_id = options.subspan(i, 2);
  }
  std::vector<std::string_view> replied;
  std::vector<std::string_view> left;
  if (!ReadIds(d.reply, HasToken(options, "JUSTID"), replied) ||
      !RemoveReplied(d.args.subspan(5, first_option - 5), replied, left)) {
    return d.Sync();
  }
  if (!left.empty()) AppendClaim(d, kNeverIdle, left, last_id, false);
  if (!replied.empty()) AppendClaim(d, "0", replied, options, true);
  d.Rewritten(replied.empty() ? "*0\r\n" : d.reply, false);
  d.effect.commands = (left.empty() ? 0u : 1u) + (replied.empty() ? 0u : 1u);
}

void DeriveXautoclaim(Derivation& d) {
  if (!d.Has(6)) return d.Sync();
  const bool just_ids = HasToken(d.args.subspan(6), "JUSTID");
  ArrayReader reply(d.reply);
  std::string_view cursor;
  std::vector<std::string_view> claimed;
  std::vector<std::string_view> deleted;
  if (!reply.IsArray() || reply.size() < 2 || !reply.NextBulk(cursor)) return d.Sync();
  const std::string_view entries = reply.NextValue();
  if (!ReadIds(entries, just_ids, claimed)) return d.Sync();
  if (reply.size() > 2 && !ReadIds(reply.NextValue(), true, deleted)) return d.Sync();
  if (!reply.AtEnd()) return d.Sync();
  if (!deleted.empty()) {
    routing::AppendHead(d.effect.bytes, '*', static_cast<int64_t>(3 + deleted.size()));
    for (const std::string_view word : {std::string_view("XACK"), d.args[1], d.args[2]}) {
      routing::AppendBulk(d.effect.bytes, word);
    }
    for (const std::string_view id : deleted) routing::AppendBulk(d.effect.bytes, id);
  }
  // Where a store of 7.2 or later has made a consumer that claimed nothing, this
  // makes it too.
  const std::string_view none[] = {"0-0"};
  const std::string_view options[] = {"JUSTID"};
  const bool nothing = claimed.empty();
  AppendClaim(d, nothing ? kNeverIdle : std::string_view("0"),
              nothing ? std::span<const std::string_view>(none) : claimed,
              std::span(options).first(just_ids ? 1 : 0), !nothing);
  d.Rewritten(entries, false);
  d.effect.commands = deleted.empty() ? 1 : 2;
}

}  // namespace crossfade::replication::effects
