// MemorySpool: the spool's file in memory; may be told to fail, and what of it a
// disk would have.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "replication/backfill/spool.h"

namespace crossfade::test {

class MemorySpool final : public replication::SpoolFile {
 public:
  Status Write(uint64_t offset, std::string_view written) override {
    const size_t room = std::min(written.size(), room_left);
    room_left -= room;
    if (bytes.size() < offset + room) bytes.resize(offset + room);
    bytes.replace(offset, room, written.substr(0, room));
    if (room < written.size()) return Fail("the disk is full");
    return {};
  }
  Status Sync() override {
    synced = bytes.size();
    return {};
  }
  Result<std::string> Read(uint64_t offset, size_t size) override {
    if (offset + size > bytes.size()) return Fail("it ends too early");
    return bytes.substr(offset, size);
  }
  uint64_t Size() override { return bytes.size(); }
  Status Truncate(uint64_t size) override {
    bytes.resize(size);
    synced = std::min(synced, bytes.size());
    return {};
  }

  Status BeginOther() override {
    other.clear();
    return {};
  }
  Status AppendOther(std::string_view appended) override {
    if (appended.size() > room_left) return Fail("the disk is full");
    other += appended;
    return {};
  }
  Status TakeOther() override {
    bytes = std::exchange(other, {});
    synced = bytes.size();
    return {};
  }

  std::string bytes, other;
  size_t synced = 0;
  size_t room_left = SIZE_MAX;
};

}  // namespace crossfade::test
