// What a command is, which keys it has, and the hashes of a key.
#include <benchmark/benchmark.h>

#include <array>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "routing/commands/command_table.h"
#include "routing/commands/keys.h"
#include "routing/slot.h"

namespace crossfade::routing {
namespace {

constexpr std::string_view kKey = "key:000000012345";

void FindCommand(benchmark::State& state, std::vector<std::string_view> args) {
  const CommandTable& table = CommandTable::Redis70();
  for (auto _ : state) {
    benchmark::DoNotOptimize(args.data());
    const CommandSpec* spec = table.Find(args);
    CROSSFADE_CHECK(spec != nullptr);
    benchmark::DoNotOptimize(spec);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(FindCommand, Get, {"GET", kKey});
BENCHMARK_CAPTURE(FindCommand, LowerCaseSet, {"set", kKey, "value"});
BENCHMARK_CAPTURE(FindCommand, LongName, {"ZREVRANGEBYSCORE", kKey, "1", "0"});
BENCHMARK_CAPTURE(FindCommand, Subcommand, {"XGROUP", "CREATE", kKey, "group", "0"});

void FindUnknownCommand(benchmark::State& state) {
  const CommandTable& table = CommandTable::Redis70();
  const std::array<std::string_view, 2> args{"NOSUCHCOMMAND", kKey};
  for (auto _ : state) {
    const CommandSpec* spec = table.Find(args);
    CROSSFADE_CHECK(spec == nullptr);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(FindUnknownCommand);

void KeysOf(benchmark::State& state, std::vector<std::string_view> args) {
  const CommandSpec* spec = CommandTable::Redis70().Find(args);
  CROSSFADE_CHECK(spec != nullptr);
  std::vector<KeyPosition> keys;
  for (auto _ : state) {
    const Keys outcome = ExtractKeys(*spec, args, keys);
    CROSSFADE_CHECK(outcome == Keys::kKnown && !keys.empty());
    benchmark::DoNotOptimize(keys.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(KeysOf, Get, {"GET", kKey});
BENCHMARK_CAPTURE(KeysOf, Mset, {"MSET", "a", "1", "b", "2", "c", "3", "d", "4"});
BENCHMARK_CAPTURE(KeysOf, Eval, {"EVAL", "return 1", "2", "a", "b", "argument"});

void KeyHashSlot(benchmark::State& state) {
  std::string_view key = kKey;
  for (auto _ : state) {
    benchmark::DoNotOptimize(key);
    benchmark::DoNotOptimize(HashSlot(key));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(KeyHashSlot);

void KeyIdentity(benchmark::State& state) {
  std::string_view key = kKey;
  for (auto _ : state) {
    benchmark::DoNotOptimize(key);
    benchmark::DoNotOptimize(KeyHash(0, key));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(KeyIdentity);

void KeyBucket(benchmark::State& state) {
  std::string_view key = kKey;
  for (auto _ : state) {
    benchmark::DoNotOptimize(key);
    benchmark::DoNotOptimize(Bucket(key));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(KeyBucket);

}  // namespace
}  // namespace crossfade::routing
