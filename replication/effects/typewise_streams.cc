// Streams, rebuilt. No command makes an entry pending that is not there: one that was
// deleted is put in its place, claimed, and deleted again.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "replication/compare/stream_state.h"
#include "replication/effects/rebuild.h"

namespace crossfade::replication::effects {
namespace {

constexpr const char* kNotAStream = "the authority's reply to XINFO STREAM FULL is not understood";

struct EntryId {
  uint64_t ms = 0;
  uint64_t seq = 0;
  auto operator<=>(const EntryId&) const = default;
};

bool ReadNumber(std::string_view text, uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

bool ReadId(std::string_view text, EntryId& id) {
  const size_t dash = text.find('-');
  return dash != text.npos && ReadNumber(text.substr(0, dash), id.ms) &&
         ReadNumber(text.substr(dash + 1), id.seq);
}

struct NamedId {
  EntryId id;
  std::string_view text;
};

class StreamRebuild {
 public:
  StreamRebuild(Rebuild& rebuild, StreamState& stream) : rebuild_(rebuild), stream_(stream) {}

  const char* Run() {
    if (!ReadPendingIds() || !AddEntries()) return kNotAStream;
    if (entries_ + deleted_.size() == 0) AddNothing();
    SetId(entries_ + deleted_.size());
    for (StreamGroup& group : stream_.groups) AddGroup(group);
    if (!deleted_.empty()) RemoveDeleted();
    return nullptr;
  }

 private:
  bool ReadPendingIds() {
    for (const StreamGroup& group : stream_.groups) {
      for (const StreamPending& pending : group.pending) {
        NamedId& named = pending_.emplace_back();
        named.text = pending.id;
        if (!ReadId(pending.id, named.id)) return false;
      }
    }
    const auto order = [](const NamedId& a, const NamedId& b) { return a.id < b.id; };
    const auto same = [](const NamedId& a, const NamedId& b) { return a.id == b.id; };
    std::sort(pending_.begin(), pending_.end(), order);
    pending_.erase(std::unique(pending_.begin(), pending_.end(), same), pending_.end());
    return true;
  }

  // An entry that is pending and was deleted: only one that is there can be claimed.
  void AddDeleted(std::string_view id) {
    rebuild_.Append({"XADD", rebuild_.key, id, "deleted", ""});
    deleted_.push_back(id);
    if (entries_ == 0) ++trimmed_;
  }

  // What was trimmed away is so here too: it is no deletion that a stream remembers.
  void RemoveDeleted() {
    const size_t behind = deleted_.size() - trimmed_;
    if (trimmed_ > 0) {
      rebuild_.Append({"XTRIM", rebuild_.key, "MAXLEN", std::to_string(entries_ + behind)});
    }
    Pieces removed(rebuild_, {"XDEL", rebuild_.key});
    for (size_t i = trimmed_; i < deleted_.size(); ++i) removed.Add(deleted_[i]);
    removed.Finish();
    SetId(entries_);  // they have left traces
  }

  bool AddEntries() {
    auto pending = pending_.begin();
    StreamEntries entries(stream_);
    std::vector<std::string_view> command;
    EntryId last;
    StreamEntry entry;
    for (; entries.Next(entry); ++entries_) {
      EntryId id;
      if (!ReadId(entry.id, id) || id <= last) return false;
      last = id;
      for (; pending != pending_.end() && pending->id < id; ++pending) {
        AddDeleted(pending->text);
      }
      if (pending != pending_.end() && pending->id == id) ++pending;
      command.assign({"XADD", rebuild_.key, entry.id});
      command.insert(command.end(), entry.fields.begin(), entry.fields.end());
      rebuild_.Append(command);
    }
    for (; pending != pending_.end(); ++pending) AddDeleted(pending->text);
    return entries.whole();
  }

  // A stream without entries: one that is trimmed away at once.
  void AddNothing() {
    const std::string_view id = stream_.last_id == "0-0" ? "0-1" : stream_.last_id;
    rebuild_.Append({"XADD", rebuild_.key, "MAXLEN", "0", id, "deleted", ""});
  }

  // Of entries ever added no store takes fewer than there are.
  void SetId(size_t length) {
    if (!rebuild_.target.stream_counters || !stream_.entries_added) {
      return rebuild_.Append({"XSETID", rebuild_.key, stream_.last_id});
    }
    const std::string added =
        std::to_string(std::max(*stream_.entries_added, static_cast<int64_t>(length)));
    rebuild_.Append({"XSETID", rebuild_.key, stream_.last_id, "ENTRIESADDED", added, "MAXDELETEDID",
                     stream_.max_deleted_id});
  }

  void AddGroup(StreamGroup& group) {
    std::vector<std::string_view> create = {"XGROUP", "CREATE", rebuild_.key, group.name,
                                            group.last_delivered};
    std::string read;
    if (rebuild_.target.stream_counters && group.entries_read) {
      read = std::to_string(*group.entries_read);
      create.insert(create.end(), {"ENTRIESREAD", read});
    }
    rebuild_.Append(create);
    if (rebuild_.target.idle_consumers) {
      for (const std::string_view consumer : group.consumers) {
        rebuild_.Append({"XGROUP", "CREATECONSUMER", rebuild_.key, group.name, consumer});
      }
    }
    Claim(group);
  }

  // Those that a consumer was given at the same time are claimed together.
  void Claim(StreamGroup& group) {
    const auto delivery = [](const StreamPending& p) {
      return std::tuple(p.consumer, p.delivered_ms, p.deliveries);
    };
    std::stable_sort(
        group.pending.begin(), group.pending.end(),
        [&](const StreamPending& a, const StreamPending& b) { return delivery(a) < delivery(b); });
    for (auto from = group.pending.begin(); from != group.pending.end();) {
      const auto to = std::find_if(from, group.pending.end(), [&](const StreamPending& p) {
        return delivery(p) != delivery(*from);
      });
      const std::string time = std::to_string(from->delivered_ms);
      const std::string deliveries = std::to_string(from->deliveries);
      Pieces claims(rebuild_, {"XCLAIM", rebuild_.key, group.name, from->consumer, "0"},
                    {"TIME", time, "RETRYCOUNT", deliveries, "FORCE", "JUSTID"});
      for (; from != to; ++from) claims.Add(from->id);
      claims.Finish();
    }
  }

  Rebuild& rebuild_;
  StreamState& stream_;
  std::vector<NamedId> pending_;           // of all groups, by id
  std::vector<std::string_view> deleted_;  // that are added, claimed, and removed again
  size_t trimmed_ = 0;                     // of them, those before all entries
  size_t entries_ = 0;
};

}  // namespace

const char* RebuildStream(Rebuild& rebuild, std::string_view frame) {
  StreamState stream;
  if (!ReadStream(frame, stream)) return kNotAStream;
  return StreamRebuild(rebuild, stream).Run();
}

}  // namespace crossfade::replication::effects
