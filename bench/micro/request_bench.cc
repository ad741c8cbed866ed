// Decoding of requests: single ones, pipelines, and one that arrives in two pieces.
#include <benchmark/benchmark.h>

#include <string>

#include "config/check.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"

namespace crossfade::routing {
namespace {

constexpr int64_t kMaxBytes = 512ll << 20;

std::string GetRequest() {
  std::string text;
  AppendCommand(text, {"GET", "key:000000012345"});
  return text;
}

std::string SetRequest(size_t value_bytes) {
  std::string text;
  AppendCommand(text, {"SET", "key:000000012345", std::string(value_bytes, 'x')});
  return text;
}

// Decodes all of `text` over and over; items are requests.
void DecodeAll(benchmark::State& state, const std::string& text, int64_t requests) {
  RequestDecoder decoder;
  const char* const end = text.data() + text.size();
  for (auto _ : state) {
    for (const char* p = text.data(); p != end; p += decoder.length()) {
      const auto outcome = decoder.Decode(p, end, kMaxBytes);
      CROSSFADE_CHECK(outcome == RequestDecoder::Outcome::kRequest);
      benchmark::DoNotOptimize(decoder.args().data());
    }
  }
  state.SetItemsProcessed(state.iterations() * requests);
}

void DecodeGet(benchmark::State& state) { DecodeAll(state, GetRequest(), 1); }
BENCHMARK(DecodeGet);

void DecodeSet(benchmark::State& state) {
  DecodeAll(state, SetRequest(static_cast<size_t>(state.range(0))), 1);
}
BENCHMARK(DecodeSet)->Arg(100)->Arg(10'240);

void DecodePipeline(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) text += i % 2 == 0 ? GetRequest() : SetRequest(100);
  DecodeAll(state, text, state.range(0));
}
BENCHMARK(DecodePipeline)->Arg(16)->Arg(64);

void DecodeSetInTwoPieces(benchmark::State& state) {
  const std::string text = SetRequest(100);
  RequestDecoder decoder;
  for (auto _ : state) {
    const auto first = decoder.Decode(text.data(), text.data() + text.size() / 2, kMaxBytes);
    CROSSFADE_CHECK(first == RequestDecoder::Outcome::kIncomplete);
    const auto second = decoder.Decode(text.data(), text.data() + text.size(), kMaxBytes);
    CROSSFADE_CHECK(second == RequestDecoder::Outcome::kRequest);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DecodeSetInTwoPieces);

}  // namespace
}  // namespace crossfade::routing
