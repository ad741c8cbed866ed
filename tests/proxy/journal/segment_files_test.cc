#include "proxy/journal/segment_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/proxy/control/scratch.h"

namespace crossfade::proxy {
namespace {

TEST(SegmentFiles, AMarkStaysUntilItIsTakenBack) {
  const test::Scratch folder;
  for (const bool suspect : {true, false}) {
    auto files = SegmentFiles::Open((folder / "journal").string());
    ASSERT_TRUE(files.has_value()) << files.error().message;
    EXPECT_EQ((*files)->MarkedSuspect(), !suspect && (*files)->used_before());
    EXPECT_TRUE((*files)->MarkSuspect(suspect));
    EXPECT_EQ((*files)->MarkedSuspect(), suspect);
  }
  EXPECT_FALSE((*SegmentFiles::Open((folder / "journal").string()))->MarkedSuspect());
}

// A pipe can't be read at a place: it stands for a disk that fails.
TEST(SegmentFiles, AMarkThatCantBeReadCountsAsSet) {
  const test::Scratch folder;
  ASSERT_EQ(mkfifo((folder / "lock").c_str(), 0600), 0);
  const auto files = SegmentFiles::Open((folder / "").string());
  ASSERT_TRUE(files.has_value()) << files.error().message;
  EXPECT_TRUE((*files)->MarkedSuspect());
  EXPECT_FALSE((*files)->MarkSuspect(true));
}

}  // namespace
}  // namespace crossfade::proxy
