#include "replication/compare/stream_state.h"

namespace crossfade::replication {

using effects::ArrayReader;
using effects::ReadBulkFrame;
using effects::ReadIntegerFrame;

namespace {

// f(name, value) for a map that RESP2 writes as a flat array; false when it is none,
// or f says so.
template <class F>
bool ForEachField(std::string_view frame, F f) {
  ArrayReader map(frame);
  if (!map.IsArray() || map.size() % 2 != 0) return false;
  for (int64_t i = 0; i < map.size(); i += 2) {
    std::string_view name;
    if (!map.NextBulk(name)) return false;
    const std::string_view value = map.NextValue();
    if (value.empty() || !f(name, value)) return false;
  }
  return map.AtEnd();
}

template <class F>
bool ForEachElement(std::string_view frame, F f) {
  ArrayReader list(frame);
  if (!list.IsArray()) return false;
  for (int64_t i = 0; i < list.size(); ++i) {
    const std::string_view value = list.NextValue();
    if (value.empty() || !f(value)) return false;
  }
  return list.AtEnd();
}

bool ReadPending(std::string_view frame, StreamGroup& group) {
  ArrayReader entry(frame);
  StreamPending pending;
  if (!entry.IsArray() || entry.size() != 4 || !entry.NextBulk(pending.id) ||
      !entry.NextBulk(pending.consumer) || !entry.NextInteger(pending.delivered_ms) ||
      !entry.NextInteger(pending.deliveries)) {
    return false;
  }
  group.pending.push_back(pending);
  return true;
}

bool ReadConsumer(std::string_view frame, StreamGroup& group) {
  std::string_view name;
  bool named = false;
  const bool whole = ForEachField(frame, [&](std::string_view field, std::string_view value) {
    if (field != "name") return true;
    named = ReadBulkFrame(value, name);
    return named;
  });
  if (named) group.consumers.push_back(name);
  return whole && named;
}

bool ReadGroup(std::string_view frame, StreamState& stream) {
  StreamGroup& group = stream.groups.emplace_back();
  int64_t pending = -1;
  unsigned found = 0;
  const bool whole = ForEachField(frame, [&](std::string_view field, std::string_view value) {
    if (field == "name") return ++found, ReadBulkFrame(value, group.name);
    if (field == "last-delivered-id") return ++found, ReadBulkFrame(value, group.last_delivered);
    if (field == "pel-count") return ++found, ReadIntegerFrame(value, pending);
    if (field == "entries-read") {
      int64_t read = 0;
      if (ReadIntegerFrame(value, read)) group.entries_read = read;
      return true;
    }
    if (field == "pending" || field == "pel") {
      ++found;
      return ForEachElement(value,
                            [&](std::string_view entry) { return ReadPending(entry, group); });
    }
    if (field != "consumers") return true;
    ++found;
    return ForEachElement(value,
                          [&](std::string_view consumer) { return ReadConsumer(consumer, group); });
  });
  return whole && found == 5 && pending == static_cast<int64_t>(group.pending.size());
}

}  // namespace

bool ReadStream(std::string_view frame, StreamState& stream) {
  int64_t length = -1;
  bool grouped = false;
  const bool whole = ForEachField(frame, [&](std::string_view field, std::string_view value) {
    if (field == "length") return ReadIntegerFrame(value, length);
    if (field == "last-generated-id") return ReadBulkFrame(value, stream.last_id);
    if (field == "max-deleted-entry-id") return ReadBulkFrame(value, stream.max_deleted_id);
    if (field == "entries-added") {
      int64_t added = 0;
      if (!ReadIntegerFrame(value, added)) return false;
      stream.entries_added = added;
    } else if (field == "entries") {
      stream.entries = value;
    } else if (field == "groups") {
      grouped = true;
      return ForEachElement(value,
                            [&](std::string_view group) { return ReadGroup(group, stream); });
    }
    return true;
  });
  const ArrayReader entries(stream.entries);
  return whole && grouped && !stream.last_id.empty() && entries.IsArray() &&
         entries.size() == length;
}

bool StreamEntries::Next(StreamEntry& entry) {
  if (list_.AtEnd()) return false;
  ArrayReader pair(list_.NextValue());
  int64_t count = 0;
  whole_ = pair.IsArray() && pair.size() == 2 && pair.NextBulk(entry.id) && pair.NextArray(count);
  entry.fields.clear();
  for (; whole_ && count > 0; --count) whole_ = pair.NextBulk(entry.fields.emplace_back());
  return whole_;
}

}  // namespace crossfade::replication
