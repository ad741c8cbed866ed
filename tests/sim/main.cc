// crossfade_sim: simulations of the whole mirror, one per seed.
#include <malloc.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "tests/sim/world.h"

namespace {

using crossfade::sim::Counts;
using crossfade::sim::World;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: crossfade_sim [--seed N] [--seeds COUNT] [--trace] [--quiet] [--keep-going]\n"
    "Simulates COUNT seeds from N on. The first that fails is replayed with its trace,\n"
    "unless --quiet; --trace prints that of every seed. Exit code 1 when one failed.\n";

volatile uint64_t current_seed = 0;

// A CHECK that does not hold.
void OnAbort(int) {
  char text[80];
  const int size = std::snprintf(text, sizeof text, "seed %llu failed: it was aborted\n",
                                 static_cast<unsigned long long>(current_seed));
  std::fwrite(text, 1, static_cast<size_t>(size), stderr);
  std::_Exit(1);
}

struct Options {
  uint64_t seed = 1, seeds = 1;
  bool trace = false, quiet = false, keep_going = false;
};

bool Parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--trace") {
      options.trace = true;
    } else if (arg == "--quiet") {
      options.quiet = true;
    } else if (arg == "--keep-going") {
      options.keep_going = true;
    } else if ((arg == "--seed" || arg == "--seeds") && i + 1 < argc) {
      (arg == "--seed" ? options.seed : options.seeds) = std::strtoull(argv[++i], nullptr, 10);
    } else {
      return false;
    }
  }
  return true;
}

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

void Report(const World& world, uint64_t seed) {
  for (const std::string& violation : world.env.violations) {
    std::printf("seed %llu failed %s\n", static_cast<unsigned long long>(seed), violation.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  // Each seed's tables are large and short-lived: kept, not given back.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  std::signal(SIGABRT, OnAbort);
  const Clock::time_point start = Clock::now();
  Clock::time_point told = start;
  Counts counts;
  uint64_t failures = 0, done = 0;
  for (uint64_t seed = options.seed; seed < options.seed + options.seeds; ++seed) {
    current_seed = seed;
    World world(seed, options.trace);
    world.Run();
    counts.Add(world.counts);
    ++done;
    if (world.failed()) {
      ++failures;
      Report(world, seed);
      if (!options.quiet && !options.trace) {
        World again(seed, true);
        again.Run();
      }
      if (!options.keep_going) break;
    }
    if (Seconds(told) < 10) continue;
    told = Clock::now();
    std::fprintf(stderr, "%llu seeds, %llu failed, %.0f per minute\n",
                 static_cast<unsigned long long>(done), static_cast<unsigned long long>(failures),
                 static_cast<double>(done) * 60 / Seconds(start));
  }
  const auto n = [](uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf(
      "%llu seeds, %llu failed, %.1f s (%.0f per minute): %llu commands, %llu follower "
      "reads (%llu retried), %llu replies judged, %llu shadows, %llu syncs (%llu in chunks), %llu "
      "collapses, %llu times too many dirty, %llu connections lost, %llu crashes (%llu resumed), "
      "%llu copies (%llu resumed), %llu keys verified, %llu kept\n",
      n(done), n(failures), Seconds(start), static_cast<double>(done) * 60 / Seconds(start),
      n(counts.commands), n(counts.follower_reads), n(counts.follower_retries), n(counts.checked),
      n(counts.shadows), n(counts.syncs), n(counts.chunked), n(counts.collapses),
      n(counts.overflows), n(counts.lanes_lost), n(counts.crashes), n(counts.resumed),
      n(counts.copies), n(counts.backfills_resumed), n(counts.verified), n(counts.kept));
  return failures == 0 ? 0 : 1;
}
