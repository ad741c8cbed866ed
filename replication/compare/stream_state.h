// StreamState: what XINFO STREAM … FULL COUNT 0 tells of a stream. Views show the
// reply. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "replication/effects/derivation.h"

namespace crossfade::replication {

struct StreamPending {
  std::string_view id;
  std::string_view consumer;
  int64_t delivered_ms = 0;
  int64_t deliveries = 0;
};

struct StreamGroup {
  std::string_view name;
  std::string_view last_delivered;
  std::optional<int64_t> entries_read;  // before 7.0 it is not told; it may also be unknown
  std::vector<StreamPending> pending;   // by id
  std::vector<std::string_view> consumers;
};

struct StreamState {
  std::string_view last_id;
  // Before 7.0 they are not told.
  std::optional<int64_t> entries_added;
  std::string_view max_deleted_id;
  std::string_view entries;  // the frame: an array of arrays of an id and its fields
  std::vector<StreamGroup> groups;
};

// False when `frame` is not a whole reply of that kind, or leaves something out.
bool ReadStream(std::string_view frame, StreamState& stream);

struct StreamEntry {
  std::string_view id;
  std::vector<std::string_view> fields;  // names and values by turns
};

// The entries of a stream that was read, one after another.
class StreamEntries {
 public:
  explicit StreamEntries(const StreamState& stream) : list_(stream.entries) {}
  // False at the end, and at what is no entry: then whole() does not hold.
  bool Next(StreamEntry& entry);
  bool whole() const { return whole_; }

 private:
  effects::ArrayReader list_;
  bool whole_ = true;
};

}  // namespace crossfade::replication
