#include "routing/resp/reply.h"

#include <cstring>

#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

constexpr std::string_view kTypes = "+-:$*_,#(!=%~>|";  // as in ReplyType
// Of a head line; status and error lines and big numbers may be longer.
constexpr int64_t kHeadMax = 64;
// Past these a reply is not taken for one: elements and bytes of one value, and
// values that one frame still lacks.
constexpr int64_t kValueMax = int64_t{1} << 40;
constexpr uint64_t kLeftMax = uint64_t{1} << 60;

const char* FindLineEnd(const char* p, const char* end) {
  while (p < end) {
    const char* cr = static_cast<const char*>(std::memchr(p, '\r', static_cast<size_t>(end - p)));
    if (cr == nullptr || cr + 1 >= end) return nullptr;
    if (cr[1] == '\n') return cr;
    p = cr + 1;
  }
  return nullptr;
}

}  // namespace

int64_t ReplyScanner::ScanSlow(const char* begin, const char* end) {
  const char* p = begin + offset_;
  while (left_ > 0) {
    uint64_t left = left_;
    for (int64_t length = 0; left > 0 && (length = ScanCommon(p, end)) > 0; --left) p += length;
    left_ = left;
    offset_ = static_cast<uint64_t>(p - begin);
    if (left == 0) break;
    if (p >= end) return kIncomplete;
    if (kTypes.find(*p) == std::string_view::npos) return kMalformed;
    const char* line_end = FindLineEnd(p + 1, end);
    const bool may_be_long = *p == '+' || *p == '-' || *p == '(';
    // The same whether or not the end of the line has come by now.
    if (!may_be_long && (line_end == nullptr ? end : line_end + 1) - p > kHeadMax) {
      return kMalformed;
    }
    if (line_end == nullptr) return kIncomplete;
    const std::string_view line(p + 1, static_cast<size_t>(line_end - p - 1));
    int64_t number = 0;
    switch (static_cast<ReplyType>(*p)) {
      case ReplyType::kSimple:
      case ReplyType::kError:
      case ReplyType::kInteger:
      case ReplyType::kNull:
      case ReplyType::kDouble:
      case ReplyType::kBoolean:
      case ReplyType::kBigNumber:
        p = line_end + 2;
        break;
      case ReplyType::kBulk:
      case ReplyType::kBulkError:
      case ReplyType::kVerbatim:
        if (!ParseInteger(line, number) || number < -1 || number > kValueMax) return kMalformed;
        if (number >= 0) {
          if (end - (line_end + 2) < number + 2) return kIncomplete;
          p = line_end + 2 + number + 2;
        } else {
          p = line_end + 2;
        }
        break;
      case ReplyType::kArray:
      case ReplyType::kSet:
      case ReplyType::kPush:
      case ReplyType::kMap:
      case ReplyType::kAttribute:
        if (!ParseInteger(line, number) || number < -1 || number > kValueMax || left_ > kLeftMax) {
          return kMalformed;
        }
        if (number > 0) {
          const bool pairs = *p == '%' || *p == '|';
          left_ += static_cast<uint64_t>(pairs ? 2 * number : number);
        }
        if (*p == '|') ++left_;  // the value that the attribute is about
        p = line_end + 2;
        break;
      default:
        return kMalformed;
    }
    --left_;
    offset_ = static_cast<uint64_t>(p - begin);
  }
  Reset();
  return p - begin;
}

ReplyHead ReadHead(const char*& p, const char* end) {
  ReplyHead head;
  head.type = static_cast<ReplyType>(*p);
  const char* line_end = FindLineEnd(p + 1, end);
  if (line_end == nullptr) {
    p = end;
    return head;
  }
  const std::string_view line(p + 1, static_cast<size_t>(line_end - p - 1));
  p = line_end + 2;
  switch (head.type) {
    case ReplyType::kBulk:
    case ReplyType::kBulkError:
    case ReplyType::kVerbatim: {
      int64_t length = -1;
      if (!ParseInteger(line, length) || length < 0 || end - p < length + 2) {
        head.nil = true;
        return head;
      }
      head.text = std::string_view(p, static_cast<size_t>(length));
      p += length + 2;
      return head;
    }
    case ReplyType::kArray:
    case ReplyType::kSet:
    case ReplyType::kPush:
    case ReplyType::kMap:
    case ReplyType::kAttribute:
      if (!ParseInteger(line, head.elements) || head.elements < 0) {
        head.nil = true;
        head.elements = 0;
      }
      if (head.type == ReplyType::kMap || head.type == ReplyType::kAttribute) head.elements *= 2;
      return head;
    case ReplyType::kInteger:
      ParseInteger(line, head.number);
      head.text = line;
      return head;
    case ReplyType::kBoolean:
      head.number = line == "t" ? 1 : 0;
      head.text = line;
      return head;
    case ReplyType::kNull:
      head.nil = true;
      return head;
    default:
      head.text = line;
      return head;
  }
}

std::string_view FirstValue(std::string_view frame) {
  ReplyScanner scanner;
  const int64_t length = scanner.Scan(frame.data(), frame.data() + frame.size());
  return length > 0 ? frame.substr(0, static_cast<size_t>(length)) : std::string_view();
}

namespace {

// Of an aggregate the elements tell.
bool IsEmptyValue(const ReplyHead& head) {
  if (head.nil || head.IsAggregate()) return true;
  switch (head.type) {
    case ReplyType::kInteger:
      return head.number <= 0;
    case ReplyType::kBulk:
      return head.text.empty();
    case ReplyType::kSimple:
      return head.text == "none";  // TYPE
    default:
      return false;
  }
}

}  // namespace

bool IsEmptyReply(std::string_view frame) {
  const char* p = frame.data();
  const char* const end = p + frame.size();
  while (p < end) {
    if (!IsEmptyValue(ReadHead(p, end))) return false;
  }
  return true;
}

}  // namespace crossfade::routing
