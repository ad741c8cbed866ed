#include "routing/resp/request.h"

#include <cstring>

#include "config/limits.h"
#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

// A decimal at p that must end in CRLF. Returns nullptr for malformed; leaves
// `complete` false when bytes are missing.
const char* ReadCount(const char* p, const char* end, int64_t& value, bool& complete) {
  const char* start = p;
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  uint64_t magnitude = 0;
  const char* digits = p;
  while (p < end && static_cast<unsigned char>(*p - '0') <= 9) {
    if (p - digits >= 18) return nullptr;
    magnitude = magnitude * 10 + static_cast<unsigned char>(*p++ - '0');
  }
  if (end - p < 2) {
    complete = false;
    if (p < end && *p != '\r') return nullptr;
    return start;
  }
  complete = true;
  if (p == digits || p[0] != '\r' || p[1] != '\n') return nullptr;
  value = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return p + 2;
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
  inline_ = *begin != '*';
  return inline_ ? DecodeInline(begin, end) : DecodeMultibulk(begin, end, max_bytes);
}

RequestDecoder::Outcome RequestDecoder::DecodeMultibulk(const char* begin, const char* end,
                                                        int64_t max_bytes) {
  const char* p = begin + offset_;
  const bool resumed = offset_ != 0;
  bool complete = true;
  if (!resumed) {
    int64_t count = 0;
    p = ReadCount(begin + 1, end, count, complete);
    if (p == nullptr || count > limits::kArgumentsMax) {
      return Malformed("ERR Protocol error: invalid multibulk length");
    }
    if (!complete) {
      needed_ = static_cast<size_t>(end - begin) + 1;
      if (end - begin > 32) return Malformed("ERR Protocol error: invalid multibulk length");
      return Outcome::kIncomplete;
    }
    if (count <= 0) {
      length_ = static_cast<size_t>(p - begin);
      return Outcome::kEmpty;
    }
    left_ = count;
    args_.clear();
    spans_.clear();
    offset_ = static_cast<size_t>(p - begin);
  }
  while (left_ > 0) {
    const char* item = p;
    if (p == end) {
      needed_ = static_cast<size_t>(end - begin) + 4;
      break;
    }
    if (*p != '$') {
      std::string text = "ERR Protocol error: expected '$', got '";
      text += *p;
      return Malformed(text + "'");
    }
    int64_t size = 0;
    p = ReadCount(p + 1, end, size, complete);
    if (p == nullptr || (complete && (size < 0 || size > max_bytes))) {
      return Malformed("ERR Protocol error: invalid bulk length");
    }
    if (!complete || end - p < size + 2) {
      needed_ = complete ? static_cast<size_t>(p - begin) + static_cast<size_t>(size) + 2
                         : static_cast<size_t>(end - begin) + 1;
      p = item;
      break;
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
  if (newline == nullptr) {
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
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'b': out += '\b'; break;
      case 'a': out += '\a'; break;
      default: out += line[i];
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
    while (i < line.size() && (IsSpace(line[i]) || line[i] == '\0')) ++i;
    if (i == line.size()) return true;
    const size_t start = storage.size();
    while (i < line.size() && !IsSpace(line[i]) && line[i] != '\0') {
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
