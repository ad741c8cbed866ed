// compare_stores PORT PORT: whether the two redis-servers hold the same data.
// Prints the count and the first differences. Exit code: 0 equal, 1 different, 2 usage.
#include <charconv>
#include <cstdio>
#include <cstring>

#include "tests/support/store_compare.h"

namespace {

uint16_t PortOf(const char* text) {
  uint16_t port = 0;
  const char* end = text + std::strlen(text);
  const auto [last, error] = std::from_chars(text, end, port);
  return error == std::errc() && last == end ? port : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const uint16_t a = argc == 3 ? PortOf(argv[1]) : 0;
  const uint16_t b = argc == 3 ? PortOf(argv[2]) : 0;
  if (a == 0 || b == 0) {
    std::fprintf(stderr, "usage: compare_stores PORT PORT\n");
    return 2;
  }
  const crossfade::test::StoreComparison comparison = crossfade::test::CompareStores(a, b);
  std::printf("%s\n", crossfade::test::Describe(comparison).c_str());
  return comparison.differences.empty() ? 0 : 1;
}
