// A file in memory, which may be full or unreadable from some byte on.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "replication/byte_stream.h"

namespace crossfade::replication {

class MemoryFile final : public ByteSink, public ByteSource {
 public:
  MemoryFile() = default;
  explicit MemoryFile(std::string held) : bytes(std::move(held)) {}

  Status Append(std::string_view more) override {
    if (bytes.size() + more.size() > room) {
      bytes.append(more.substr(0, room - bytes.size()));
      return Fail("no space left");
    }
    bytes.append(more);
    return {};
  }
  Status Sync() override {
    synced = bytes.size();
    return {};
  }
  Result<size_t> Read(char* to, size_t wanted) override {
    if (at >= unreadable_from) return Fail("the disk is broken");
    const size_t n = std::min({wanted, bytes.size() - at, step, unreadable_from - at});
    std::memcpy(to, bytes.data() + at, n);
    at += n;
    return n;
  }

  std::string bytes;
  size_t room = SIZE_MAX;
  size_t synced = 0;
  size_t at = 0;
  size_t step = SIZE_MAX;  // no Read gives more
  size_t unreadable_from = SIZE_MAX;
};

}  // namespace crossfade::replication
