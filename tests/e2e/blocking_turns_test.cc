// Whose turn it is when a write behind which somebody is tried adds nothing, and
// the next one, in the same pipeline, does.
#include "tests/e2e/blocking.h"

namespace crossfade::test {
namespace {

class BlockingTurns : public BlockingTest {
 protected:
  // Two wait in turn, one client sends all of the batch at once; what they got.
  static std::vector<std::string> Served(const std::string& wait, const std::vector<Args>& batch,
                                         uint16_t at,
                                         const std::function<bool(uint64_t)>& await_blocked) {
    RedisClient first(at), second(at), actor(at);
    SendNow(first, wait);
    EXPECT_TRUE(await_blocked(1));
    SendNow(second, wait);
    EXPECT_TRUE(await_blocked(2));
    for (const Value& reply : actor.Pipeline(batch)) EXPECT_TRUE(reply.ok()) << Render(reply);
    std::vector<std::string> served;
    served.push_back(Render(first.Read()));
    served.push_back(Render(second.Read()));
    return served;
  }

  // Many times, since it is a matter of what is under way.
  void ExpectAsOnAPlainServer(const std::string& wait, const std::vector<Args>& batch) {
    RedisServer plain;
    RedisClient info(plain.port());
    const auto want =
        Served(wait, batch, plain.port(), [&](uint64_t n) { return AwaitBlockedThere(info, n); });
    for (int round = 0; round < 20; ++round) {
      const auto have =
          Served(wait, batch, port(), [&](uint64_t n) { return AwaitBlocked(migration_, n); });
      ASSERT_EQ(have, want) << wait << ", then " << Render(batch[0]);
    }
    RedisClient(port()).Call({"SET", "one", "key"});
    migration_.ExpectEqualWhenDrained();
  }
};

INSTANTIATE_TEST_SUITE_P(Each, BlockingTurns, ::testing::Values(1, 2), WorkersName);

TEST_P(BlockingTurns, AScriptThatMightHavePushed) {
  const std::string text =
      "if ARGV[1] == 'push' then redis.call('RPUSH', KEYS[1], 'of the script') end return 0";
  ExpectAsOnAPlainServer("BLPOP q 0",
                         {{"EVAL", text, "1", "q", ""}, {"RPUSH", "q", "a"}, {"RPUSH", "q", "b"}});
  ExpectAsOnAPlainServer("BLPOP q 0", {{"EVAL", text, "1", "q", "push"}, {"RPUSH", "q", "a"}});
}

TEST_P(BlockingTurns, AnAdditionThatAddsNothing) {
  ExpectAsOnAPlainServer(
      "BZPOPMIN z 0",
      {{"ZADD", "z", "XX", "1", "m"}, {"ZADD", "z", "1", "a"}, {"ZADD", "z", "1", "b"}});
  ExpectAsOnAPlainServer("BLPOP q 0",
                         {{"LPUSHX", "q", "x"}, {"RPUSH", "q", "a"}, {"RPUSH", "q", "b"}});
  ExpectAsOnAPlainServer("BLPOP q 0",
                         {{"LMOVE", "nosuch", "q", "LEFT", "LEFT"}, {"RPUSH", "q", "a", "b"}});
}

}  // namespace
}  // namespace crossfade::test
