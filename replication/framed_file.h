// A file of frames: a header that names the kind of file and its version, then frames
// (replication/frame.h). What snapshots and delta logs have in common. A reader holds
// one frame; a message says what is wrong and at which byte, the caller knows of which
// file. Not thread-safe.
//
// The header: magic 8, version 4, bytes of what follows 4, those bytes (which mean
// something to that kind of file alone), 32 bits of the checksum of all before 4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/frame.h"

namespace crossfade::replication {

inline constexpr size_t kFilePrefixBytes = 8 + 4 + 4;
inline constexpr size_t kFileChecksumBytes = 4;
inline constexpr size_t kFileTextsMax = 64 * 1024;

struct FileKind {
  std::string_view magic;  // eight bytes
  uint32_t version = 1;
  const char* name;  // with its article: "a snapshot"
};

std::string EncodeFileHeader(const FileKind& kind, std::string_view texts);

class FramedReader {
 public:
  explicit FramedReader(ByteSource& source) : source_(source) {}

  // What the header holds, until the next call.
  Result<std::string_view> ReadHeader(const FileKind& kind);
  // Tells files of a kind apart.
  uint64_t id() const { return id_; }

  struct Frame {
    uint32_t magic = 0;
    std::string_view content;  // until the next call
  };
  // The next frame, whole; it is behind `offset` once it was taken.
  Result<Frame> Next(std::span<uint64_t> fields);
  void Taken() { offset_ = behind_; }
  // Nothing follows.
  Status ExpectEnd();

  // What failed is the source, not what it holds.
  bool unreadable() const { return unreadable_; }
  // Behind what was taken.
  uint64_t offset() const { return offset_; }

  tl::unexpected<Error> Cut() const;
  tl::unexpected<Error> Damaged(const std::string& what) const;

 private:
  // So many bytes to the end of `to`; fewer when the source ends.
  Status Fill(std::string& to, size_t size);

  ByteSource& source_;
  uint64_t id_ = 0;
  uint64_t offset_ = 0;
  uint64_t behind_ = 0;
  bool unreadable_ = false;
  std::string stored_, content_;
};

}  // namespace crossfade::replication
