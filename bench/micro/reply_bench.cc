// Finding the end of replies: the common kinds, a buffer full of them, an array.
#include <benchmark/benchmark.h>

#include <string>

#include "config/check.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"

namespace crossfade::routing {
namespace {

std::string BulkReply(size_t bytes) {
  std::string text;
  AppendBulk(text, std::string(bytes, 'x'));
  return text;
}

// Scans all of `text` over and over; items are replies.
void ScanAll(benchmark::State& state, const std::string& text, int64_t replies) {
  ReplyScanner scanner;
  const char* const end = text.data() + text.size();
  for (auto _ : state) {
    for (const char* p = text.data(); p != end;) {
      const int64_t length = scanner.Scan(p, end);
      CROSSFADE_CHECK(length > 0);
      p += length;
    }
  }
  state.SetItemsProcessed(state.iterations() * replies);
}

void ScanStatus(benchmark::State& state) { ScanAll(state, "+OK\r\n", 1); }
BENCHMARK(ScanStatus);

void ScanInteger(benchmark::State& state) { ScanAll(state, ":1234\r\n", 1); }
BENCHMARK(ScanInteger);

void ScanBulk(benchmark::State& state) {
  ScanAll(state, BulkReply(static_cast<size_t>(state.range(0))), 1);
}
BENCHMARK(ScanBulk)->Arg(100)->Arg(10'240);

void ScanPipelineOfBulks(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) text += BulkReply(100);
  ScanAll(state, text, state.range(0));
}
BENCHMARK(ScanPipelineOfBulks)->Arg(16)->Arg(64);

void ScanArray(benchmark::State& state) {
  std::string text;
  AppendHead(text, '*', state.range(0));
  for (int64_t i = 0; i < state.range(0); ++i) AppendBulk(text, "0123456789");
  ScanAll(state, text, 1);
}
BENCHMARK(ScanArray)->Arg(2)->Arg(100);

}  // namespace
}  // namespace crossfade::routing
