// ByteSink and ByteSource: what a file format needs of a file, so that it is tested
// on memory.
#pragma once

#include <cstddef>
#include <string_view>

#include "config/result.h"

namespace crossfade::replication {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // All of it or, as far as the sink can help it, nothing.
  virtual Status Append(std::string_view bytes) = 0;
  // What was appended survives a crash of the machine.
  virtual Status Sync() = 0;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // So many bytes at most; 0 at the end.
  virtual Result<size_t> Read(char* to, size_t room) = 0;
};

}  // namespace crossfade::replication
