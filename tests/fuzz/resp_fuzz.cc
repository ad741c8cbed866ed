// Requests and replies in pieces are understood as in one piece. The first byte
// of the input chooses where longer inputs are cut.
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "tests/fuzz/split_check.h"

namespace {

constexpr size_t kEverySplitUpTo = 48;
constexpr int64_t kMaxBytes = 1 << 20;

template <class Result, class Decode>
void Check(std::string_view input, const Result& whole, uint32_t seed, Decode decode) {
  if (input.size() <= kEverySplitUpTo) {
    crossfade::test::CheckEverySplit(input.size(), whole, decode);
    return;
  }
  std::minstd_rand random(seed + 1);
  for (int i = 0; i < 4; ++i) {
    std::vector<size_t> ends;
    for (size_t at = random() % 200; at < input.size(); at += 1 + random() % 200) {
      ends.push_back(at);
    }
    CROSSFADE_CHECK(decode(std::span<const size_t>(ends)) == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);

  const auto decode = [&](std::span<const size_t> ends) {
    return crossfade::test::DecodeInPieces(input, ends, kMaxBytes);
  };
  Check(input, decode({}), data[0], decode);

  const auto scan = [&](std::span<const size_t> ends) {
    return crossfade::test::ScanInPieces(input, ends);
  };
  const crossfade::test::Frames frames = scan({});
  Check(input, frames, data[0], scan);
  size_t at = 0;
  for (const int64_t length : frames.lengths) {
    const std::string_view frame = input.substr(at, static_cast<size_t>(length));
    crossfade::test::WalkFrame(frame);
    CROSSFADE_CHECK(crossfade::routing::FirstValue(input.substr(at)) == frame);
    crossfade::routing::IsEmptyReply(frame);
    at += frame.size();
  }
  return 0;
}
