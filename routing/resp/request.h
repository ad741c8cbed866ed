// Requests: incremental decoding of what clients send (multibulk and inline),
// with Redis's own limits and error texts. Allocates nothing per request once
// the argument vector has grown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::routing {

class RequestDecoder {
 public:
  enum class Outcome : uint8_t {
    kRequest,     // a whole request: Args(), and length() bytes of it
    kEmpty,       // an empty line or *0: length() bytes to pass over, no reply
    kIncomplete,  // more bytes are needed; call again with the same begin's bytes
    kMalformed,   // error() is the reply; the connection must be closed
  };

  // Decodes one request at `begin`. After kIncomplete the next call must present
  // the same bytes (they may have moved) with more behind them. `max_bytes`
  // bounds a bulk string, as proto-max-bulk-len does.
  Outcome Decode(const char* begin, const char* end, int64_t max_bytes);

  // After kRequest: views into the bytes given, or (inline requests) into this.
  const std::vector<std::string_view>& args() const { return args_; }
  size_t length() const { return length_; }
  bool was_inline() const { return inline_; }
  // After kMalformed: without the leading '-' and CRLF.
  const std::string& error() const { return error_; }
  // After kIncomplete: how many bytes the request will have at least.
  size_t needed() const { return needed_; }
  bool in_progress() const { return offset_ != 0; }
  void Reset();

 private:
  struct Span {
    size_t offset;
    size_t length;
  };
  Outcome DecodeMultibulk(const char* begin, const char* end, int64_t max_bytes);
  Outcome DecodeCount(const char* begin, const char* end);
  Outcome DecodeInline(const char* begin, const char* end);
  Outcome UnexpectedByte(char byte);
  Outcome Malformed(std::string text);
  Outcome Finish(const char* begin);

  size_t offset_ = 0;        // all before it is decoded (0: nothing yet)
  int64_t left_ = 0;         // arguments still to come
  std::vector<Span> spans_;  // of a request that came in pieces
  std::vector<std::string_view> args_;
  size_t length_ = 0;
  size_t needed_ = 0;
  bool inline_ = false;
  std::string inline_text_;
  std::string error_;
};

// Splits an inline command as Redis does (quotes and escapes). False when the
// quotes are unbalanced. Arguments are appended to `storage`, their views to `args`.
bool SplitInline(std::string_view line, std::string& storage, std::vector<std::string_view>& args);

}  // namespace crossfade::routing
