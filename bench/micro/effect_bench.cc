// From a write and its reply to what the follower gets.
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "replication/effects.h"
#include "routing/commands/command_table.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kKey = "key:000000012345";
const std::string kValue(100, 'x');

void Derive(benchmark::State& state, const std::vector<std::string_view>& args,
            std::string_view reply, std::optional<Deadline> deadline, Effect::Kind expected) {
  const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(args);
  CROSSFADE_CHECK(spec != nullptr);
  Effect effect;
  for (auto _ : state) {
    effect.Clear();
    DeriveEffect(*spec, args, reply, deadline, effect);
    CROSSFADE_CHECK(effect.kind == expected);
  }
  state.SetItemsProcessed(state.iterations());
}

void DeriveSet(benchmark::State& state) {
  Derive(state, {"SET", kKey, kValue}, "+OK\r\n", std::nullopt, Effect::Kind::kReplay);
}
BENCHMARK(DeriveSet);

void DeriveSetWithExpiry(benchmark::State& state) {
  Derive(state, {"SET", kKey, kValue, "EX", "60"}, "+OK\r\n", Deadline{kKey, 1'900'000'000'000},
         Effect::Kind::kRewritten);
}
BENCHMARK(DeriveSetWithExpiry);

void DeriveRefusedSetNx(benchmark::State& state) {
  Derive(state, {"SET", kKey, kValue, "NX"}, "$-1\r\n", std::nullopt, Effect::Kind::kNothing);
}
BENCHMARK(DeriveRefusedSetNx);

void DeriveIncr(benchmark::State& state) {
  Derive(state, {"INCR", kKey}, ":7\r\n", std::nullopt, Effect::Kind::kReplay);
}
BENCHMARK(DeriveIncr);

}  // namespace
}  // namespace crossfade::replication
