// What the fuzz targets and the tests of routing/resp share: bytes that arrive
// in pieces must be understood as those that arrive at once. Every buffer is
// a heap block of its exact size, so that sanitizers see a byte read too many.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "routing/resp/reply.h"
#include "routing/resp/request.h"

namespace crossfade::test {

struct Requests {
  std::vector<std::vector<std::string>> requests;
  std::string error;         // empty: it ended well, or in the middle of a request
  uint64_t passed_over = 0;  // bytes of requests and of empty ones

  bool operator==(const Requests&) const = default;
};

// Decodes `input` as it grows to each of `ends`, and to its full size at last.
inline Requests DecodeInPieces(std::string_view input, std::span<const size_t> ends,
                               int64_t max_bytes) {
  using Outcome = routing::RequestDecoder::Outcome;
  Requests result;
  routing::RequestDecoder decoder;
  size_t needed = 0;
  for (size_t piece = 0; piece <= ends.size(); ++piece) {
    const size_t size = piece < ends.size() ? ends[piece] : input.size();
    while (true) {
      const std::string_view rest = input.substr(result.passed_over, size - result.passed_over);
      const std::unique_ptr<char[]> copy(new char[rest.size()]);
      rest.copy(copy.get(), rest.size());
      const Outcome outcome = decoder.Decode(copy.get(), copy.get() + rest.size(), max_bytes);
      if (outcome == Outcome::kIncomplete) {
        CROSSFADE_CHECK(decoder.needed() > rest.size());
        needed = decoder.needed();
        break;
      }
      CROSSFADE_CHECK(!decoder.in_progress());
      if (outcome == Outcome::kMalformed) {
        result.error = decoder.error();
        CROSSFADE_CHECK(!result.error.empty());
        CROSSFADE_CHECK(result.error.find_first_of("\r\n") == std::string::npos);
        return result;
      }
      CROSSFADE_CHECK(decoder.length() > 0 && decoder.length() <= rest.size());
      CROSSFADE_CHECK(decoder.length() >= needed);
      needed = 0;
      result.passed_over += decoder.length();
      if (outcome == Outcome::kEmpty) continue;
      CROSSFADE_CHECK(!decoder.args().empty());
      result.requests.emplace_back(decoder.args().begin(), decoder.args().end());
    }
  }
  return result;
}

struct Frames {
  std::vector<int64_t> lengths;
  bool malformed = false;
  bool operator==(const Frames&) const = default;
};

inline Frames ScanInPieces(std::string_view input, std::span<const size_t> ends) {
  using Scanner = routing::ReplyScanner;
  Frames result;
  Scanner scanner;
  size_t passed_over = 0;
  for (size_t piece = 0; piece <= ends.size(); ++piece) {
    const size_t size = piece < ends.size() ? ends[piece] : input.size();
    while (true) {
      const std::string_view rest = input.substr(passed_over, size - passed_over);
      const std::unique_ptr<char[]> copy(new char[rest.size()]);
      rest.copy(copy.get(), rest.size());
      const int64_t length = scanner.Scan(copy.get(), copy.get() + rest.size());
      if (length == Scanner::kIncomplete) break;
      if (length == Scanner::kMalformed) {
        result.malformed = true;
        return result;
      }
      CROSSFADE_CHECK(length > 0 && static_cast<size_t>(length) <= rest.size());
      result.lengths.push_back(length);
      passed_over += static_cast<size_t>(length);
    }
  }
  return result;
}

// Reads a whole frame value by value: heads and their elements fill it exactly.
inline void WalkFrame(std::string_view frame) {
  const char* p = frame.data();
  const char* end = p + frame.size();
  uint64_t left = 1;
  while (left > 0) {
    CROSSFADE_CHECK(p < end);
    const routing::ReplyHead head = routing::ReadHead(p, end);
    CROSSFADE_CHECK(head.elements >= 0 && (head.elements == 0 || head.IsAggregate()));
    left += static_cast<uint64_t>(head.elements);
    if (head.type == routing::ReplyType::kAttribute) ++left;
    --left;
  }
  CROSSFADE_CHECK(p == end);
}

// At every point, byte by byte, and in threes.
template <class Result, class Decode>
void CheckEverySplit(size_t size, const Result& whole, Decode decode) {
  for (size_t at = 0; at <= size; ++at) {
    const size_t ends[] = {at};
    CROSSFADE_CHECK(decode(std::span<const size_t>(ends)) == whole);
  }
  for (const size_t step : {size_t{1}, size_t{3}}) {
    std::vector<size_t> ends;
    for (size_t at = step; at < size; at += step) ends.push_back(at);
    CROSSFADE_CHECK(decode(std::span<const size_t>(ends)) == whole);
  }
}

}  // namespace crossfade::test
