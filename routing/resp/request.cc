#include "routing/resp/request.h"

#include <cstring>

#include "config/limits.h"
#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

enum class Length { kFine, kIncomplete, kInvalid, kTooLong };

// What is not a plain number that is all there. `p` is behind the type byte.
[[gnu::noinline]] Length ReadLengthSlowly(const char*& p, const char* end, int64_t& value) {
  const auto* cr = static_cast<const char*>(std::memchr(p, '\r', static_cast<size_t>(end - p)));
  const size_t line = static_cast<size_t>((cr == nullptr ? end : cr) - p) + 1;
  if (line > limits::kInlineMax) return Length::kTooLong;
  if (cr == nullptr || cr + 1 == end) return Length::kIncomplete;
  const std::string_view text(p, static_cast<size_t>(cr - p));
  if (cr[1] != '\n' || !ParseRedisInteger(text, value)) return Length::kInvalid;
  p = cr + 2;
  return Length::kFine;
}

// Reads a number and its CRLF and moves `p` past them. Accepts exactly what
// Redis does: whoever took more would pass bytes on that make a store hang up.
inline Length ReadLength(const char*& p, const char* end, int64_t& value) {
  const char* q = p;
  uint64_t magnitude = 0;
  while (q < end && static_cast<unsigned char>(*q - '0') <= 9) {
    magnitude = magnitude * 10 + static_cast<unsigned char>(*q++ - '0');
  }
  const auto digits = q - p;
  if (end - q < 2 || q[0] != '\r' || q[1] != '\n' || digits > 18 ||
      (*p == '0' ? digits != 1 : digits == 0)) [[unlikely]] {
    return ReadLengthSlowly(p, end, value);
  }
  value = static_cast<int64_t>(magnitude);
  p = q + 2;
  return Length::kFine;
}

// A request of up to nine arguments that is all there, as nearly all are. False
// for whatever is different, right or wrong; then `args` means nothing.
bool DecodeCommon(const char*& begin, const char* end, int64_t max_bytes,
                  std::vector<std::string_view>& args) {
  constexpr int64_t kShortest = 7;  // $1 CRLF x CRLF
  const char* p = begin;
  if (end - p < 4 || static_cast<unsigned char>(p[1] - '1') > 8 || !IsCrlf(p + 2)) return false;
  args.resize(static_cast<size_t>(p[1] - '0'));
  p += 4;
  for (std::string_view& arg : args) {
    if (end - p < kShortest || *p != '$') return false;
    uint64_t size = 0;
    if (!ReadCommonLength(++p, end, size) || static_cast<int64_t>(size) > max_bytes) return false;
    if (end - p < static_cast<int64_t>(size) + 2 || !IsCrlf(p + size)) return false;
    arg = std::string_view(p, size);
    p += size + 2;
  }
  begin = p;
  return true;
}

}  // namespace

void RequestDecoder::Reset() {
  offset_ = 0;
  left_ = 0;
  spans_.clear();
}

RequestDecoder::Outcome RequestDecoder::Malformed(std::string text) {
  error_ = std::move(text);
  Reset();
  return Outcome::kMalformed;
}

RequestDecoder::Outcome RequestDecoder::Decode(const char* begin, const char* end,
                                               int64_t max_bytes) {
  if (begin == end) {
    needed_ = 1;
    return Outcome::kIncomplete;
  }
  if (*begin == '*' && offset_ == 0) [[likely]] {
    const char* p = begin;
    if (DecodeCommon(p, end, max_bytes, args_)) [[likely]] {
      length_ = static_cast<size_t>(p - begin);
      inline_ = false;
      return Outcome::kRequest;
    }
  }
  inline_ = *begin != '*';
  return inline_ ? DecodeInline(begin, end) : DecodeMultibulk(begin, end, max_bytes);
}

RequestDecoder::Outcome RequestDecoder::DecodeCount(const char* begin, const char* end) {
  const char* p = begin + 1;
  int64_t count = 0;
  switch (ReadLength(p, end, count)) {
    case Length::kIncomplete:
      needed_ = static_cast<size_t>(end - begin) + 1;
      return Outcome::kIncomplete;
    case Length::kTooLong:
      return Malformed("ERR Protocol error: too big mbulk count string");
    case Length::kFine:
      if (count <= limits::kArgumentsMax) break;
      [[fallthrough]];
    case Length::kInvalid:
      return Malformed("ERR Protocol error: invalid multibulk length");
  }
  if (count <= 0) {
    length_ = static_cast<size_t>(p - begin);
    return Outcome::kEmpty;
  }
  left_ = count;
  args_.clear();
  spans_.clear();
  offset_ = static_cast<size_t>(p - begin);
  return Outcome::kRequest;
}

RequestDecoder::Outcome RequestDecoder::DecodeMultibulk(const char* begin, const char* end,
                                                        int64_t max_bytes) {
  const bool resumed = offset_ != 0;
  if (!resumed) {
    const Outcome outcome = DecodeCount(begin, end);
    if (outcome != Outcome::kRequest) return outcome;
  }
  const char* p = begin + offset_;
  while (left_ > 0) {
    const char* item = p;
    if (p == end) {
      needed_ = static_cast<size_t>(end - begin) + 4;
      break;
    }
    if (*p != '$') return UnexpectedByte(*p);
    int64_t size = 0;
    const Length length = ReadLength(++p, end, size);
    if (length == Length::kIncomplete) {
      needed_ = static_cast<size_t>(end - begin) + 1;
      p = item;
      break;
    }
    if (length == Length::kTooLong) {
      return Malformed("ERR Protocol error: too big bulk count string");
    }
    if (length == Length::kInvalid || size < 0 || size > max_bytes) {
      return Malformed("ERR Protocol error: invalid bulk length");
    }
    if (end - p - 2 < size) {
      needed_ = static_cast<size_t>(p - begin) + static_cast<size_t>(size) + 2;
      p = item;
      break;
    }
    // Redis passes over any two bytes here, other stores don't: theirs is a
    // connection that many clients share.
    if (p[size] != '\r' || p[size + 1] != '\n') {
      return Malformed("ERR Protocol error: expected CRLF after a bulk string");
    }
    if (resumed) {
      spans_.push_back({static_cast<size_t>(p - begin), static_cast<size_t>(size)});
    } else {
      args_.emplace_back(p, static_cast<size_t>(size));
    }
    p += size + 2;
    --left_;
  }
  offset_ = static_cast<size_t>(p - begin);
  if (left_ > 0) {
    if (!resumed) {
      for (const std::string_view arg : args_) {
        spans_.push_back({static_cast<size_t>(arg.data() - begin), arg.size()});
      }
    }
    return Outcome::kIncomplete;
  }
  return Finish(begin);
}

RequestDecoder::Outcome RequestDecoder::UnexpectedByte(char byte) {
  std::string text = "ERR Protocol error: expected '$', got '";
  text += byte == '\r' || byte == '\n' ? ' ' : byte;  // as Redis keeps its error on one line
  return Malformed(text + "'");
}

RequestDecoder::Outcome RequestDecoder::Finish(const char* begin) {
  if (!spans_.empty()) {
    args_.clear();
    for (const Span& span : spans_) args_.emplace_back(begin + span.offset, span.length);
  }
  length_ = offset_;
  Reset();
  return Outcome::kRequest;
}

RequestDecoder::Outcome RequestDecoder::DecodeInline(const char* begin, const char* end) {
  const size_t size = static_cast<size_t>(end - begin);
  const char* newline = static_cast<const char*>(std::memchr(begin, '\n', size));
  // Redis finds no line end behind a NUL byte, so that what is no text (a TLS
  // handshake, say) is never taken for a command.
  if (newline == nullptr || std::memchr(begin, '\0', static_cast<size_t>(newline - begin))) {
    if (size > limits::kInlineMax) return Malformed("ERR Protocol error: too big inline request");
    needed_ = size + 1;
    return Outcome::kIncomplete;
  }
  length_ = static_cast<size_t>(newline - begin) + 1;
  size_t line = static_cast<size_t>(newline - begin);
  if (line > limits::kInlineMax) return Malformed("ERR Protocol error: too big inline request");
  if (line > 0 && begin[line - 1] == '\r') --line;
  if (!SplitInline(std::string_view(begin, line), inline_text_, args_)) {
    return Malformed("ERR Protocol error: unbalanced quotes in request");
  }
  return args_.empty() ? Outcome::kEmpty : Outcome::kRequest;
}

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Narrower than what may lie between arguments: \v and \f are part of them.
bool EndsPlainArgument(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

// Reads a double-quoted argument whose opening quote is at line[i].
bool ReadDoubleQuoted(std::string_view line, size_t& i, std::string& out) {
  for (++i; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      ++i;
      return i == line.size() || IsSpace(line[i]);
    }
    if (c != '\\' || i + 1 >= line.size()) {
      out += c;
      continue;
    }
    if (line[i + 1] == 'x' && i + 3 < line.size() && HexDigit(line[i + 2]) >= 0 &&
        HexDigit(line[i + 3]) >= 0) {
      out += static_cast<char>(HexDigit(line[i + 2]) * 16 + HexDigit(line[i + 3]));
      i += 3;
      continue;
    }
    ++i;
    switch (line[i]) {
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'b':
        out += '\b';
        break;
      case 'a':
        out += '\a';
        break;
      default:
        out += line[i];
    }
  }
  return false;
}

bool ReadSingleQuoted(std::string_view line, size_t& i, std::string& out) {
  for (++i; i < line.size(); ++i) {
    if (line[i] == '\'') {
      ++i;
      return i == line.size() || IsSpace(line[i]);
    }
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '\'') ++i;
    out += line[i];
  }
  return false;
}

}  // namespace

bool SplitInline(std::string_view line, std::string& storage, std::vector<std::string_view>& args) {
  storage.clear();
  args.clear();
  storage.reserve(line.size());  // an argument is never longer than its source
  size_t i = 0;
  while (true) {
    while (i < line.size() && IsSpace(line[i])) ++i;
    if (i == line.size() || line[i] == '\0') return true;
    const size_t start = storage.size();
    while (i < line.size() && !EndsPlainArgument(line[i])) {
      if (line[i] == '"') {
        if (!ReadDoubleQuoted(line, i, storage)) return false;
        break;
      }
      if (line[i] == '\'') {
        if (!ReadSingleQuoted(line, i, storage)) return false;
        break;
      }
      storage += line[i++];
    }
    args.emplace_back(storage.data() + start, storage.size() - start);
  }
}

}  // namespace crossfade::routing
