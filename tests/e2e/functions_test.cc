// Function libraries between real stores, and scripts and functions at random.
#include <random>
#include <thread>

#include "tests/e2e/scripts.h"

namespace crossfade::test {
namespace {

class FunctionsTest : public ScriptsTest {};

INSTANTIATE_TEST_SUITE_P(Workers, FunctionsTest, ::testing::Values(1, 2), WorkersName);

std::string LibraryThatAdds(int n) {
  return "#!lua name=lib\nredis.register_function('add', function(keys, args) return "
         "redis.call('INCRBY', keys[1], " +
         std::to_string(n) + ") end)";
}

TEST_P(FunctionsTest, LibrariesAreCopiedAndTheirChangesMirrored) {
  ASSERT_EQ(OnLegacy({"FUNCTION", "LOAD", LibraryThatAdds(1)}).text, "lib");
  Start();
  EXPECT_EQ(Client().Call({"FCALL", "add", "1", "n"}).integer, 1);
  EXPECT_EQ(Client().Call({"FUNCTION", "LOAD", "REPLACE", LibraryThatAdds(10)}).text, "lib");
  EXPECT_EQ(Client(1).Call({"FCALL", "ADD", "1", "n"}).integer, 11);
  nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "replay"), 2u);
  EXPECT_EQ(Sum(status.at("drift")), 0u) << status.at("drift");
  EXPECT_EQ(OnNew({"FUNCTION", "LIST", "WITHCODE"}), OnLegacy({"FUNCTION", "LIST", "WITHCODE"}));

  const std::string dump = Client().Call({"FUNCTION", "DUMP"}).text;
  EXPECT_EQ(Client().Call({"FUNCTION", "DELETE", "lib"}), kOk);
  EXPECT_EQ(Client(1).Call({"FCALL", "add", "1", "n"}).kind, Value::Kind::kError);
  EXPECT_EQ(Client().Call({"FUNCTION", "RESTORE", dump}), kOk);
  EXPECT_EQ(Client(1).Call({"FCALL", "add", "1", "n"}).integer, 21);
  ExpectEqual();
  // Its text is read from the authority, since the dump does not tell it.
  ASSERT_TRUE(Await([this] {
    const uint64_t before = Calls(migration_.Status(), "replay");
    Client().Call({"FCALL", "add", "1", "n"});
    return Calls(Drained(), "replay") > before;
  }));
  EXPECT_EQ(Client().Call({"FUNCTION", "FLUSH"}), kOk);
  ExpectEqual();
  EXPECT_EQ(OnNew({"FUNCTION", "LIST"}).elements.size(), 0u);
}

// As one that was deleted while the proxy was away, and its function taken by another.
TEST_P(FunctionsTest, LibrariesThatTheFollowerAloneHasAreRemoved) {
  std::string former = LibraryThatAdds(5);
  former.replace(former.find("lib"), 3, "former");
  ASSERT_EQ(OnNew({"FUNCTION", "LOAD", former}).text, "former");
  ASSERT_EQ(OnLegacy({"FUNCTION", "LOAD", LibraryThatAdds(1)}).text, "lib");
  Start();
  EXPECT_EQ(Client().Call({"FCALL", "add", "1", "n"}).integer, 1);
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Sum(status.at("drift")), 0u) << status.at("drift");
  EXPECT_EQ(OnNew({"FUNCTION", "LIST", "WITHCODE"}), OnLegacy({"FUNCTION", "LIST", "WITHCODE"}));
}

// A call must run on the follower with the very library that the authority had.
TEST_P(FunctionsTest, CallsAmongChangesOfTheirLibrary) {
  Start();
  ASSERT_EQ(Client().Call({"FUNCTION", "LOAD", LibraryThatAdds(1)}).text, "lib");
  std::vector<std::thread> callers;
  const auto calls = static_cast<int>(LoadSize(0.02));
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([this, c, calls] {
      RedisClient client(migration_.proxy->port());
      for (int i = 0; i < calls; ++i) {
        if (c == 0 && i % 7 == 0) {
          EXPECT_TRUE(client.Call({"FUNCTION", "LOAD", "REPLACE", LibraryThatAdds(i)}).ok());
        }
        EXPECT_TRUE(client.Call({"FCALL", "add", "1", "n" + std::to_string(i % 3)}).ok());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(status.at("drift").at("reply"), 0u) << status.at("drift");
  EXPECT_EQ(Calls(status, "replay"), 4u * static_cast<uint64_t>(calls));
}

std::string LibraryThatRuns(const std::string& body) {
  return "#!lua name=lib\nredis.register_function('f', function(keys, args) " + body + " end)";
}

// What was known of a function when its call was sent is of no use once the call
// runs behind a change of the library.
TEST_P(FunctionsTest, ACallIsJudgedByTheLibraryThatItRanWith) {
  Start();
  const std::string fixed = LibraryThatRuns("return redis.call('SET', keys[1], 'fixed')");
  const std::string reads = LibraryThatRuns("return redis.call('GET', keys[1])");
  const std::string by_clock =
      LibraryThatRuns("return redis.call('SET', keys[1], redis.call('TIME')[2])");
  const std::string expires = LibraryThatRuns("return redis.call('SET', keys[1], 'v', 'EX', 100)");
  RedisServer scratch;
  RedisClient maker(scratch.port());
  int number = 0;
  for (const std::string& before : {fixed, reads}) {
    for (const std::string& after : {by_clock, expires, fixed}) {
      maker.Call({"FUNCTION", "LOAD", "REPLACE", after});
      const std::string dump = maker.Call({"FUNCTION", "DUMP"}).text;
      const Args load = {"FUNCTION", "LOAD", "REPLACE", after};
      const std::vector<std::vector<Args>> changes = {
          {load}, {{"FUNCTION", "RESTORE", dump, "REPLACE"}}, {{"MULTI"}, load, {"EXEC"}}};
      for (std::vector<Args> batch : changes) {
        ASSERT_TRUE(Client().Call({"FUNCTION", "LOAD", "REPLACE", before}).ok());
        Drained();
        const std::string name = "k" + std::to_string(++number);
        batch.push_back({"FCALL", "f", "1", name});
        batch.push_back({"MULTI"});
        batch.push_back({"FCALL", "f", "1", name + "m"});
        batch.push_back({"EXEC"});
        for (const Value& reply : Client().Pipeline(batch)) ASSERT_TRUE(reply.ok());
        ASSERT_TRUE(OnLegacy({"EXISTS", name}).integer == 1);
        ExpectEqual();
        ASSERT_FALSE(HasFailure()) << before << "\n" << Render(batch.front());
      }
    }
  }
}

// Everything at once on few keys: whatever is replayed must leave the stores equal
// without a single difference in the replies.
TEST_P(FunctionsTest, RandomScriptsOnHotKeysLeaveTheStoresEqual) {
  ASSERT_TRUE(OnLegacy({"FUNCTION", "LOAD", LibraryThatAdds(3)}).ok());
  Start();
  const uint64_t seed = TestSeed();
  const std::vector<std::string> texts = {
      "return redis.call('INCR', KEYS[1])",
      "local n = redis.call('INCR', KEYS[1]) if n % 3 == 1 then redis.call('PEXPIRE', KEYS[1], "
      "700) "
      "end return n",
      "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return "
      "0",
      "redis.call('SET', KEYS[1], ARGV[1], 'PX', 900) return redis.call('STRLEN', KEYS[1])",
      "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('LPUSH', KEYS[1], 'x')",
      "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], ARGV[1], KEYS[2]) return 'list'",
      "redis.call('SET', KEYS[1], redis.call('TIME')[2]) return 'time'",
      "if redis.call('EXISTS', KEYS[2]) == 1 then return redis.call('RENAME', KEYS[2], KEYS[1]) "
      "end",
      "for i, key in ipairs(KEYS) do redis.call('APPEND', key, i) end return #KEYS",
      "return redis.pcall('HSET', KEYS[1], ARGV[1], 'v')",
      "return redis.call('SET', 'k' .. ARGV[1], 'undeclared')",
  };
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 8; ++t) {
    threads.emplace_back([this, &texts, seed, t] {
      std::mt19937_64 random(seed * 100 + t);
      RedisClient client(migration_.proxy->port());
      const auto key = [&random] { return "k" + std::to_string(random() % 6); };
      for (uint64_t i = LoadSize(0.01); i > 0; --i) {
        std::vector<Args> batch;
        for (uint64_t n = random() % 8 + 1; n > 0; --n) {
          const std::string& text = texts[random() % texts.size()];
          const std::string value = std::to_string(random() % 6);
          switch (random() % 8) {
            case 0:
              batch.push_back({"SET", key(), value});
              break;
            case 1:
              batch.push_back({"FCALL", "add", "1", key()});
              break;
            case 2:
              batch.push_back({"PERSIST", key()});
              break;
            case 3:
              batch.push_back({"MULTI"});
              batch.push_back({"EVAL", text, "2", key(), key(), value});
              batch.push_back({"GET", key()});
              batch.push_back({"EXEC"});
              break;
            default:
              batch.push_back({"EVAL", text, "2", key(), key(), value});
          }
        }
        for (const Value& reply : client.Pipeline(batch)) {
          if (reply.kind == Value::Kind::kLost) ADD_FAILURE() << reply.text;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const nlohmann::json status = ExpectEqual();
  EXPECT_GT(Calls(status, "replay"), 0u);
  EXPECT_GT(Calls(status, "failed"), 0u);
  EXPECT_GT(Calls(status, "undeclared"), 0u);
}

}  // namespace
}  // namespace crossfade::test
