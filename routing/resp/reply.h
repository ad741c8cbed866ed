// Replies: finding where a frame ends without copying or allocating, and
// reading a complete frame. RESP2 and RESP3. Views show the caller's bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "routing/resp/number.h"

namespace crossfade::routing {

// Finds the end of one reply in a growing buffer. Holds how far it has looked,
// so that a reply that arrives in many pieces is looked at once.
class ReplyScanner {
 public:
  static constexpr int64_t kIncomplete = 0;
  static constexpr int64_t kMalformed = -1;

  // `begin` is the first byte of the frame, in every call until the frame is
  // complete, `end` is past the last byte received. Returns the frame's length
  // and is ready for the next frame, or one of the constants above.
  int64_t Scan(const char* begin, const char* end) {
    if (offset_ == 0) [[likely]] {
      const int64_t length = ScanCommon(begin, end);
      if (length > 0) [[likely]]
        return length;
    }
    return ScanSlow(begin, end);
  }
  void Reset() {
    offset_ = 0;
    left_ = 1;
  }

 private:
  static constexpr int64_t kShortLine = 32;

  // The length of a common value when it is all there, else 0: a bulk string, a
  // short status, error or integer.
  static int64_t ScanCommon(const char* begin, const char* end) {
    if (end - begin < 4) return 0;
    const char* p = begin + 1;
    if (*begin == '$') {
      uint64_t length = 0;
      if (end - p < 5 || !ReadCommonLength(p, end, length)) return 0;
      const int64_t frame = p - begin + static_cast<int64_t>(length) + 2;
      return end - begin >= frame ? frame : 0;
    }
    if (std::memcmp(begin, "+OK\r", 4) == 0 && end - begin >= 5) return begin[4] == '\n' ? 5 : 0;
    if (*begin != '+' && *begin != ':' && *begin != '-') return 0;
    const char* last = end - begin > kShortLine ? begin + kShortLine : end - 1;
    while (p < last && *p != '\r') ++p;
    return p < last && p[1] == '\n' ? p + 2 - begin : 0;
  }
  int64_t ScanSlow(const char* begin, const char* end);

  uint64_t offset_ = 0;  // all before it has been looked at
  uint64_t left_ = 1;    // values still to come before the frame is complete
};

enum class ReplyType : char {
  kSimple = '+',
  kError = '-',
  kInteger = ':',
  kBulk = '$',
  kArray = '*',
  kNull = '_',
  kDouble = ',',
  kBoolean = '#',
  kBigNumber = '(',
  kBulkError = '!',
  kVerbatim = '=',
  kMap = '%',
  kSet = '~',
  kPush = '>',
  kAttribute = '|',
};

// One value of a frame. Of an aggregate only the head: its `number` of elements
// follow (twice as many for maps and attributes: `elements` has it right).
struct ReplyHead {
  ReplyType type = ReplyType::kNull;
  bool nil = false;       // $-1, *-1 or _
  int64_t number = 0;     // value of an integer or boolean
  int64_t elements = 0;   // of an aggregate: values that follow
  std::string_view text;  // of everything that is text, without type byte and CRLF

  bool IsError() const { return type == ReplyType::kError || type == ReplyType::kBulkError; }
  bool IsAggregate() const {
    return type == ReplyType::kArray || type == ReplyType::kMap || type == ReplyType::kSet ||
           type == ReplyType::kPush || type == ReplyType::kAttribute;
  }
};

// Reads the value at `p` and moves `p` past it (past the head of an aggregate).
// The frame must be complete (ReplyScanner has found its end).
ReplyHead ReadHead(const char*& p, const char* end);

// The whole value at the beginning of `frame`, elements included.
std::string_view FirstValue(std::string_view frame);

// Nil, an empty string, zero or a negative integer, an aggregate of nothing else: what
// a read of a key that is not there replies.
bool IsEmptyReply(std::string_view frame);

}  // namespace crossfade::routing
