#include "proxy/session/ordered_replies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace crossfade::proxy {
namespace {

constexpr uint64_t Key(uint64_t place) { return place << 20; }

class OrderedRepliesTest : public testing::Test {
 protected:
  uint64_t Push(Source source, std::vector<uint64_t> keys = {}) {
    return replies_.Push(source, keys);
  }
  void Complete(uint64_t number, std::string_view frame) {
    replies_.Complete(number, frame,
                      [this](std::string_view reply) { delivered_.emplace_back(reply); });
  }
  OrderedReplies replies_;
  std::vector<std::string> delivered_;
};

TEST_F(OrderedRepliesTest, ReplyThatIsNextIsDeliveredAtOnce) {
  const uint64_t a = Push(Source::kAuthority), b = Push(Source::kFollower);
  Complete(a, "a");
  EXPECT_EQ(delivered_, std::vector<std::string>{"a"});
  Complete(b, "b");
  EXPECT_EQ(delivered_, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(replies_.empty());
}

TEST_F(OrderedRepliesTest, EarlyRepliesWaitForThoseBeforeThem) {
  const uint64_t a = Push(Source::kAuthority), b = Push(Source::kFollower),
                 c = Push(Source::kFollower), d = Push(Source::kAuthority);
  Complete(c, "c");
  Complete(b, "b");
  EXPECT_TRUE(delivered_.empty());
  Complete(a, "a");
  EXPECT_EQ(delivered_, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_FALSE(replies_.empty());
  Complete(d, "d");
  EXPECT_TRUE(replies_.empty());
}

TEST_F(OrderedRepliesTest, BusyCountsPerSourceAndPlace) {
  const uint64_t a = Push(Source::kAuthority, {Key(1), Key(2)});
  const uint64_t b = Push(Source::kFollower, {Key(2)});
  const uint64_t c = Push(Source::kFollower, {Key(2)});
  EXPECT_TRUE(replies_.Busy(Source::kAuthority, Key(1)));
  EXPECT_FALSE(replies_.Busy(Source::kFollower, Key(1)));
  EXPECT_TRUE(replies_.Busy(Source::kFollower, Key(2)));
  EXPECT_FALSE(replies_.Busy(Source::kFollower, Key(3)));
  EXPECT_TRUE(replies_.Busy(Source::kFollower, Key(2 + 256))) << "they share a place";
  EXPECT_EQ(replies_.unanswered(Source::kFollower), 2u);
  Complete(b, "b");
  EXPECT_TRUE(replies_.Busy(Source::kFollower, Key(2)));
  Complete(c, "c");
  EXPECT_FALSE(replies_.Busy(Source::kFollower, Key(2))) << "answered, though not delivered";
  EXPECT_EQ(replies_.unanswered(Source::kFollower), 0u);
  EXPECT_EQ(replies_.unanswered(Source::kAuthority), 1u);
  Complete(a, "a");
  EXPECT_FALSE(replies_.Busy(Source::kAuthority, Key(1)));
}

TEST_F(OrderedRepliesTest, ARetryTakesLaterReadsOfTheKeyAlong) {
  const uint64_t before = Push(Source::kFollower, {Key(1)});
  const uint64_t retried = Push(Source::kFollower, {Key(1), Key(2)});
  const uint64_t same = Push(Source::kFollower, {Key(3), Key(2)});
  const uint64_t other = Push(Source::kFollower, {Key(3)});
  const uint64_t keyless = Push(Source::kFollower);
  const uint64_t authority = Push(Source::kAuthority, {Key(1)});
  const uint64_t done = Push(Source::kFollower, {Key(1)});
  Complete(done, "done");
  replies_.Retry(retried);
  EXPECT_FALSE(replies_.must_retry(before));
  EXPECT_TRUE(replies_.must_retry(same));
  EXPECT_FALSE(replies_.must_retry(other));
  EXPECT_FALSE(replies_.must_retry(keyless));
  EXPECT_FALSE(replies_.must_retry(authority));
  EXPECT_FALSE(replies_.must_retry(done));
  EXPECT_TRUE(replies_.Busy(Source::kAuthority, Key(2))) << "it is there now";
  EXPECT_EQ(replies_.unanswered(Source::kAuthority), 2u);
  EXPECT_EQ(replies_.unanswered(Source::kFollower), 4u);
  replies_.Retry(same);
  EXPECT_TRUE(replies_.must_retry(other)) << "from one to the next";
}

TEST_F(OrderedRepliesTest, APlaceUsedAgainBringsNothingWithIt) {
  for (int i = 0; i < 100; ++i) {
    const uint64_t a = Push(Source::kFollower, {Key(1)});
    const uint64_t b = Push(Source::kFollower, {Key(1)});
    ASSERT_FALSE(replies_.must_retry(b));
    replies_.Retry(a);
    ASSERT_TRUE(replies_.must_retry(b));
    Complete(b, "b");
    Complete(a, "a");
  }
  EXPECT_EQ(delivered_.size(), 200u);
}

TEST_F(OrderedRepliesTest, AHeldReplyIsDeliveredWhenItIsCompleted) {
  const uint64_t a = Push(Source::kAuthority), b = Push(Source::kAuthority);
  replies_.Hold(a, "a");
  Complete(b, "b");
  EXPECT_TRUE(delivered_.empty());
  Complete(a, replies_.TakeHeld(a));
  EXPECT_EQ(delivered_, (std::vector<std::string>{"a", "b"}));
}

TEST_F(OrderedRepliesTest, ClearForgetsAll) {
  Push(Source::kFollower, {Key(1)});
  replies_.Clear();
  EXPECT_TRUE(replies_.empty());
  EXPECT_FALSE(replies_.Busy(Source::kFollower, Key(1)));
  EXPECT_EQ(replies_.unanswered(Source::kFollower), 0u);
  Complete(Push(Source::kAuthority), "a");
  EXPECT_EQ(delivered_, std::vector<std::string>{"a"});
}

class OrderedRepliesRandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(OrderedRepliesRandomTest, AnyOrderOfCompletionGivesProgramOrder) {
  std::cout << "seed " << GetParam() << "\n";
  std::mt19937_64 random(GetParam());
  struct Sent {
    Source source;
    std::vector<uint64_t> keys;
  };
  OrderedReplies replies;
  std::map<uint64_t, Sent> unanswered;
  std::vector<std::string> delivered;
  uint64_t pushed = 0;
  for (int i = 0; i < 6'000; ++i) {
    const uint64_t dice = random() % 100;
    const uint64_t pushes = i / 500 % 2 == 0 ? 55 : 40;  // longer than the ring's first size
    if (dice < pushes || unanswered.empty()) {
      Sent sent{random() % 2 == 0 ? Source::kAuthority : Source::kFollower, {}};
      for (uint64_t n = random() % 4; n > 0; --n) sent.keys.push_back(Key(random() % 20));
      const uint64_t number = replies.Push(sent.source, sent.keys);
      ASSERT_TRUE(std::ranges::equal(replies.keys(number), sent.keys));
      unanswered[number] = sent;
      ++pushed;
    } else {
      auto it = unanswered.begin();
      std::advance(it, static_cast<long>(random() % std::min<size_t>(unanswered.size(), 40)));
      if (dice > 95 && it->second.source == Source::kFollower) {
        replies.Retry(it->first);
        it->second.source = Source::kAuthority;
        continue;
      }
      const uint64_t number = it->first;
      unanswered.erase(it);
      const std::string frame = "reply " + std::to_string(number);
      replies.Complete(number, frame,
                       [&](std::string_view reply) { delivered.emplace_back(reply); });
    }
    for (const Source source : {Source::kAuthority, Source::kFollower}) {
      std::set<uint64_t> busy;
      uint32_t count = 0;
      for (const auto& [number, sent] : unanswered) {
        if (sent.source != source) continue;
        ++count;
        busy.insert(sent.keys.begin(), sent.keys.end());
      }
      ASSERT_EQ(replies.unanswered(source), count);
      for (uint64_t place = 0; place < 20; ++place) {
        ASSERT_EQ(replies.Busy(source, Key(place)), busy.contains(Key(place)));
      }
    }
  }
  for (; !unanswered.empty(); unanswered.erase(unanswered.begin())) {
    const uint64_t number = unanswered.begin()->first;
    replies.Complete(number, "reply " + std::to_string(number),
                     [&](std::string_view reply) { delivered.emplace_back(reply); });
  }
  ASSERT_EQ(delivered.size(), pushed);
  for (uint64_t i = 0; i < pushed; ++i) ASSERT_EQ(delivered[i], "reply " + std::to_string(i));
  EXPECT_TRUE(replies.empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, OrderedRepliesRandomTest, testing::Range<uint64_t>(1, 6));

}  // namespace
}  // namespace crossfade::proxy
