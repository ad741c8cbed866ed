// Replies: finding where a frame ends without copying or allocating, and
// reading a complete frame. RESP2 and RESP3. Views show the caller's bytes.
#pragma once

#include <cstdint>
#include <string_view>

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
    // The common frames: a status, an integer, a bulk string that is all there.
    if (offset_ == 0 && end - begin >= 4) {
      const char kind = *begin;
      if (kind == '$') {
        const char* p = begin + 1;
        uint64_t length = 0;
        while (p < end && static_cast<unsigned char>(*p - '0') <= 9 && p - begin < 12) {
          length = length * 10 + static_cast<unsigned char>(*p++ - '0');
        }
        if (p + 2 <= end && p > begin + 1 && p[0] == '\r' && p[1] == '\n') {
          const uint64_t frame = static_cast<uint64_t>(p - begin) + 2 + length + 2;
          if (static_cast<uint64_t>(end - begin) >= frame) return static_cast<int64_t>(frame);
        }
      }
    }
    return ScanSlow(begin, end);
  }
  void Reset() {
    offset_ = 0;
    left_ = 1;
  }

 private:
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
  bool nil = false;          // $-1, *-1 or _
  int64_t number = 0;        // value of an integer or boolean
  int64_t elements = 0;      // of an aggregate: values that follow
  std::string_view text;     // of everything that is text, without type byte and CRLF

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

// Nil, an empty string or aggregate, zero or a negative integer: what a read of
// a key that is not there replies.
bool IsEmptyReply(std::string_view frame);

}  // namespace crossfade::routing
