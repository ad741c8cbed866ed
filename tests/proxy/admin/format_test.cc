#include "proxy/admin/format.h"

#include <gtest/gtest.h>

namespace crossfade::proxy {
namespace {

TEST(Format, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
}

TEST(Format, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(256ull << 20), "256 MiB");
  EXPECT_EQ(FormatBytes(~0ull), "16 EiB");
}

TEST(Format, Times) {
  EXPECT_EQ(FormatSeconds(0), "0");
  EXPECT_EQ(FormatSeconds(0.000128), "128 us");
  EXPECT_EQ(FormatSeconds(0.0125), "12 ms");
  EXPECT_EQ(FormatSeconds(0.0015), "1.5 ms");
  EXPECT_EQ(FormatSeconds(2.5), "2.5 s");
  EXPECT_EQ(FormatSeconds(3600), "1h 0m");
  EXPECT_EQ(FormatUptime(59'999), "59s");
  EXPECT_EQ(FormatUptime(61'000), "1m 1s");
  EXPECT_EQ(FormatUptime(90'061'000), "1d 1h");
}

TEST(Format, RatesAndShares) {
  EXPECT_EQ(FormatRate(0), "0/s");
  EXPECT_EQ(FormatRate(0.5), "0.5/s");
  EXPECT_EQ(FormatRate(12'345.6), "12,346/s");
  EXPECT_EQ(FormatRate(-3), "0/s");
  EXPECT_EQ(FormatShare(0.25), "25%");
  EXPECT_EQ(FormatShare(0.0001), "0.01%");
}

TEST(Format, ABarIsFullOnlyWhenDone) {
  EXPECT_EQ(FormatBar(0, 4), "[----]");
  EXPECT_EQ(FormatBar(0.5, 4), "[##--]");
  EXPECT_EQ(FormatBar(0.999, 4), "[###-]");
  EXPECT_EQ(FormatBar(1, 4), "[####]");
  EXPECT_EQ(FormatBar(7, 4), "[####]");
}

TEST(Format, QuantilesAreBucketEnds) {
  EXPECT_EQ(FormatQuantile({}, 0.5), "-");
  EXPECT_EQ(FormatQuantile({0, 0, 0}, 0.99), "-");
  std::vector<uint64_t> counts(28);
  counts[7] = 98;
  counts[10] = 2;
  EXPECT_EQ(FormatQuantile(counts, 0.5), "<128 us");
  EXPECT_EQ(FormatQuantile(counts, 0.98), "<128 us");
  EXPECT_EQ(FormatQuantile(counts, 0.99), "<1.0 ms");
  counts[27] = 1000;
  EXPECT_EQ(FormatQuantile(counts, 0.99), ">67 s");
}

TEST(Format, MomentsAreInUtc) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatTime(1'769'860'800'042), "2026-01-31T12:00:00.042Z");
}

TEST(Format, TerminalsGetNoControlBytes) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\x7f"), "a [31mb c ");
  EXPECT_EQ(Printable("größe"), "größe");
}

}  // namespace
}  // namespace crossfade::proxy
