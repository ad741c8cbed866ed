#include "replication/quarantine.h"

#include <gtest/gtest.h>

namespace crossfade::replication {
namespace {

constexpr const char* kError = "-ERR Bad data format\r\n";

bool RefuseThrice(Quarantine& quarantine, const std::string& name, int64_t unix_ms = 5) {
  EXPECT_FALSE(quarantine.Refused(0, name, "-ERR at first\r\n", unix_ms));
  EXPECT_FALSE(quarantine.Contains(0, name));
  EXPECT_FALSE(quarantine.Refused(0, name, kError, unix_ms + 1));
  return quarantine.Refused(0, name, kError, unix_ms + 2);
}

TEST(Quarantine, AKeyEntersOnceItIsRefusedThriceAndLeavesWhenItIsTaken) {
  Quarantine quarantine;
  EXPECT_TRUE(RefuseThrice(quarantine, "k"));
  EXPECT_FALSE(quarantine.Refused(0, "k", kError, 9));
  EXPECT_TRUE(quarantine.Contains(0, "k"));
  EXPECT_FALSE(quarantine.Contains(1, "k"));
  const std::vector<QuarantinedKey> keys = quarantine.List(10);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].name, "k");
  EXPECT_EQ(keys[0].reason, "ERR Bad data format");
  EXPECT_EQ(keys[0].first_seen_ms, 5);
  EXPECT_EQ(keys[0].attempts, 4u);
  const uint64_t changes = quarantine.changes();
  quarantine.Taken(0, "other");
  quarantine.Taken(0, "k");
  EXPECT_EQ(quarantine.size(), 0u);
  EXPECT_GT(quarantine.changes(), changes);
  EXPECT_FALSE(quarantine.Refused(0, "k", kError, 20)) << "it begins anew";
}

TEST(Quarantine, AnAcceptedOneStaysSoWhateverIsForgotten) {
  Quarantine quarantine;
  EXPECT_FALSE(quarantine.Accept(0, "k"));
  RefuseThrice(quarantine, "k");
  RefuseThrice(quarantine, "l");
  EXPECT_TRUE(quarantine.Accept(0, "k"));
  EXPECT_TRUE(quarantine.Accept(0, "k"));
  EXPECT_EQ(quarantine.size(), 2u);
  EXPECT_EQ(quarantine.accepted(), 1u);
  quarantine.Clear();
  EXPECT_EQ(quarantine.size(), 0u);
  EXPECT_EQ(quarantine.accepted(), 0u);
  EXPECT_EQ(quarantine.Lasting(10).size(), 1u);
  RefuseThrice(quarantine, "k", 100);
  RefuseThrice(quarantine, "l", 100);
  EXPECT_EQ(quarantine.size(), 2u);
  EXPECT_EQ(quarantine.accepted(), 1u);
  EXPECT_EQ(quarantine.List(10)[0].first_seen_ms, 5);
  EXPECT_EQ(quarantine.List(10)[1].first_seen_ms, 100);
  quarantine.Taken(0, "k");
  EXPECT_EQ(quarantine.accepted(), 0u);
}

TEST(Quarantine, RemembersWhatAFormerProcessTold) {
  Quarantine quarantine;
  quarantine.Remember({0, "k", "", 77, 9, true});
  EXPECT_EQ(quarantine.size(), 0u) << "it may be taken now";
  RefuseThrice(quarantine, "k", 100);
  const std::vector<QuarantinedKey> keys = quarantine.List(1);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].first_seen_ms, 77);
  EXPECT_TRUE(keys[0].accepted);
}

TEST(Quarantine, ReasonsAreCutShortAndTheListToo) {
  Quarantine quarantine;
  for (int i = 0; i < 5; ++i) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      quarantine.Refused(2, "k" + std::to_string(i), "-" + std::string(5'000, 'x'), 1);
    }
  }
  EXPECT_EQ(quarantine.size(), 5u);
  EXPECT_EQ(quarantine.List(3).size(), 3u);
  EXPECT_LE(quarantine.List(1)[0].reason.size(), 300u);
}

}  // namespace
}  // namespace crossfade::replication
