#include "replication/sync_pacer.h"

#include <gtest/gtest.h>

namespace crossfade::replication {
namespace {

TEST(SyncPacer, AllAtOnceUntilOneIsRefused) {
  SyncPacer pacer;
  EXPECT_TRUE(pacer.MayBegin(0, 500));
  pacer.Refused(1'000);
  EXPECT_FALSE(pacer.MayBegin(1'001, 0));
  EXPECT_FALSE(pacer.MayBegin(101'000, 1)) << "one at a time";
  EXPECT_TRUE(pacer.MayBegin(101'000, 0));
  pacer.Taken();
  EXPECT_TRUE(pacer.MayBegin(101'001, 500));
}

TEST(SyncPacer, WaitsLongerWithEachTrialButNotWithWhatWasSentBefore) {
  SyncPacer pacer;
  int64_t now = 0;
  for (int i = 0; i < 500; ++i) pacer.Refused(now);
  for (const int64_t wait : {100'000, 200'000, 400'000, 800'000, 1'600'000, 2'000'000, 2'000'000}) {
    EXPECT_FALSE(pacer.MayBegin(now + wait - 1, 0)) << wait;
    now += wait;
    EXPECT_TRUE(pacer.MayBegin(now, 0)) << wait;
    pacer.Refused(now);
  }
}

}  // namespace
}  // namespace crossfade::replication
