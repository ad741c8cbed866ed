// The RESP2 form of a reply against a real server's: the same command on the
// same state, over a connection of each protocol.
#include "replication/resp2.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

#include "routing/commands/token.h"
#include "tests/replication/effects/command_lines.h"
#include "tests/replication/effects/store.h"
#include "tests/support/redis_server.h"

namespace crossfade::replication {
namespace {

using routing::CommandTable;
using test::Store;
using test::Words;

// Replies that the table of effects has no line for.
const std::vector<std::string_view> kMoreLines = {
    "ZRANGE z1 0 -1",
    "ZRANGE z1 1 3 BYSCORE WITHSCORES",
    "ZREVRANGE z1 0 -1 WITHSCORES",
    "ZRANGEBYSCORE z1 -inf +inf WITHSCORES LIMIT 1 2",
    "ZREVRANGEBYSCORE zt 9 0 WITHSCORES",
    "ZDIFF 2 z1 z2 WITHSCORES",
    "ZINTER 2 z1 z2 WITHSCORES",
    "ZUNION 2 z1 z2",
    "ZUNION 1 m1",
    "ZUNION 2 z1 z2 WITHSCORES",
    "ZRANDMEMBER m1",
    "ZRANDMEMBER m1 3 WITHSCORES",
    "ZRANK z1 none",
    "ZRANGE m1 0 -1 WITHSCORES",
    "HRANDFIELD m1",
    "HRANDFIELD m1 2 WITHVALUES",
    "ZSCORE z1 none",
    "ZMSCORE z1 a none b",
    "HMGET h1 f1 none",
    "HGETALL h1",
    "HGETALL m1",
    "SMEMBERS ai",
    "SUNION a1 a2",
    "SMISMEMBER a1 a none",
    "SRANDMEMBER m1",
    "SRANDMEMBER m1 3",
    "GEOPOS m1 x",
    "GEOPOS g1 palermo none catania",
    "GEODIST g1 palermo catania",
    "GEODIST g1 palermo none",
    "GEOHASH g1 palermo none",
    "GEOSEARCH g1 FROMLONLAT 15 37 BYRADIUS 200 km WITHCOORD WITHDIST",
    "XPENDING x1 g",
    "XPENDING x1 g2",
    "XPENDING x1 g - + 10",
    "XINFO STREAM x1 FULL",
    "XINFO GROUPS x1",
    "XINFO CONSUMERS x1 g2",
    "XINFO STREAM xt",
    "XREAD STREAMS x1 xt m1 0 0 0",
    "XREAD STREAMS x1 99-1",
    "XRANGE x1 - + COUNT 0",
    "XREVRANGE x1 + - COUNT 0",
    "LCS s1 s2 IDX",
    "LPOP m1 2",
    "RPOP m1",
    "LPOS l1 none",
    "LPOS l1 none COUNT 0",
    "OBJECT ENCODING m1",
    "COMMAND INFO get nosuch set",
    "CONFIG GET save",
    "COMMAND DOCS get",
    "DUMP m1",
    "RANDOMKEY",
    "EVAL \"return {double=3.5}\" 0",
    "EVAL \"return {big_number='1234567890123456789012'}\" 0",
    "EVAL \"return {verbatim_string={format='txt',string='some text'}}\" 0",
    "EVAL \"return {map={a=1}}\" 0",
    "EVAL \"return {set={a=true}}\" 0",
    "EVAL 'return true' 0",
    "EVAL 'return false' 0",
    "EVAL 'return {1,{false,3.9},{}}' 0",
    "EVAL \"redis.setresp(3) return redis.call('ZSCORE', KEYS[1], 'a')\" 1 z1",
    "EVAL \"redis.setresp(3) return redis.call('HGETALL', KEYS[1])\" 1 h1",
    "EVAL \"redis.setresp(3) return true\" 0",
    "DEBUG PROTOCOL string",
    "DEBUG PROTOCOL integer",
    "DEBUG PROTOCOL double",
    "DEBUG PROTOCOL null",
    "DEBUG PROTOCOL array",
    "DEBUG PROTOCOL set",
    "DEBUG PROTOCOL map",
    "DEBUG PROTOCOL bignum",
    "DEBUG PROTOCOL true",
    "DEBUG PROTOCOL false",
    "DEBUG PROTOCOL verbatim",
    "ZADD z1 INCR inf a",
    "ZINCRBY z1 -inf a",
    "ZADD z1 NX INCR 1 a"};

// By chance, by the clock, or about the connection.
bool DependsOnMore(std::string_view line, bool in_transaction) {
  const Words words(line);
  std::string name(words.args()[0]);
  for (char& c : name) c = routing::LowerCase(c);
  static const std::set<std::string_view> kNames = {
      "spop",   "srandmember", "hrandfield", "zrandmember", "randomkey", "time",
      "client", "info",        "lastsave",   "lolwut",      "flushall",  "wait"};
  static const std::set<std::string_view> kTimes = {"ttl", "pttl", "expiretime", "pexpiretime"};
  if (kTimes.contains(name)) return in_transaction;  // which may set an expiry before
  if (kNames.contains(name)) return line.find("m1") == std::string_view::npos;
  if (line.find('*') != std::string_view::npos && name == "xadd") return true;
  if (line.starts_with("XINFO CONSUMERS") || line.find("FULL") != std::string_view::npos ||
      line.find("XPENDING x1 g - +") == 0) {
    return line.find("g2") == std::string_view::npos;  // idle times
  }
  // Timed out they get a nil of another kind than in a transaction, where the
  // proxy runs them.
  return !in_transaction && (name == "blmove" || name == "brpoplpush");
}

class Resp2 : public ::testing::Test {
 protected:
  Resp2() {
    for (const std::string_view line : test::kFixture) {
      routing::AppendCommand(fixture_, Words(line).args());
    }
    EXPECT_TRUE(resp3_.Call({"HELLO", "3"}).starts_with('%'));
    lines_ = test::ExpandedLines();
    lines_.insert(lines_.end(), kMoreLines.begin(), kMoreLines.end());
  }
  // Both connections are to one server, which hashes the same for both.
  std::vector<std::string> Run(Store& store, const std::string& requests, size_t replies) {
    store.Call({"FLUSHALL"});
    store.Call({"FUNCTION", "FLUSH"});
    store.Exchange(fixture_, test::kFixture.size());
    return store.Exchange(requests, replies);
  }

  test::RedisServer server_{{"--enable-debug-command", "yes"}};
  Store resp2_{server_.port()};
  Store resp3_{server_.port()};
  std::string fixture_;
  std::vector<std::string> lines_;
};

TEST_F(Resp2, OfEveryLineIsWhatTheServerSends) {
  size_t converted = 0;
  size_t compared = 0;
  for (const std::string& line : lines_) {
    if (DependsOnMore(line, false)) continue;
    SCOPED_TRACE(line);
    const Words words(line);
    const routing::CommandSpec* spec = CommandTable::Redis70().Find(words.args());
    std::string request;
    routing::AppendCommand(request, words.args());
    const std::string wanted = Run(resp2_, request, 1).front();
    const std::string given = Run(resp3_, request, 1).front();
    std::string out = "untouched";
    const bool changed = ToResp2(spec, words.args(), given, out);
    EXPECT_EQ(changed ? out : given, wanted) << given;
    EXPECT_EQ(changed, given != wanted);
    EXPECT_TRUE(changed || out == "untouched");
    EXPECT_TRUE(!changed || !IsSameInResp2(given.front()));
    converted += changed;
    ++compared;
  }
  std::printf("%zu replies compared, %zu differ between the protocols\n", compared, converted);
  EXPECT_GT(compared, 700u);
  EXPECT_GT(converted, 100u);
}

TEST_F(Resp2, OfTransactionsIsWhatTheServerSends) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> lines;
  for (const std::string& line : lines_) {
    const Words words(line);
    const routing::CommandSpec* spec = CommandTable::Redis70().Find(words.args());
    if (spec != nullptr && spec->ArityFits(words.args().size()) && !DependsOnMore(line, true) &&
        (spec->flags & routing::kNoMulti) == 0) {
      lines.push_back(line);
    }
  }
  size_t converted = 0;
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    std::vector<std::unique_ptr<Words>> words;
    std::vector<QueuedCommand> queued;
    std::string request = "*1\r\n$5\r\nMULTI\r\n";
    std::string shown;
    for (size_t i = 1 + random() % 6; i > 0; --i) {
      const std::string& line = lines[random() % lines.size()];
      shown += line + "\n";
      words.push_back(std::make_unique<Words>(line));
      routing::AppendCommand(request, words.back()->args());
      queued.push_back({CommandTable::Redis70().Find(words.back()->args()), words.back()->args()});
    }
    request += "*1\r\n$4\r\nEXEC\r\n";
    const std::string wanted = Run(resp2_, request, queued.size() + 2).back();
    const std::string given = Run(resp3_, request, queued.size() + 2).back();
    std::string out = "untouched";
    const bool changed = TransactionToResp2(queued, given, out);
    EXPECT_EQ(changed ? out : given, wanted) << shown << given;
    EXPECT_TRUE(changed || out == "untouched");
    converted += changed;
  }
  EXPECT_GT(converted, 50u);
}

TEST(Resp2Form, OfFramesThatNoLineGives) {
  const auto form = [](std::string_view line, std::string_view frame) {
    const Words words(line);
    std::string out = "untouched";
    return ToResp2(CommandTable::Redis70().Find(words.args()), words.args(), frame, out) ? out : "";
  };
  EXPECT_EQ(form("GET k", "|1\r\n+a\r\n*1\r\n|1\r\n+b\r\n,1\r\n:2\r\n$1\r\nx\r\n"), "$1\r\nx\r\n");
  EXPECT_EQ(form("LRANGE k 0 1", "*2\r\n$1\r\na\r\n|1\r\n+b\r\n%1\r\n+c\r\n+d\r\n_\r\n"),
            "*2\r\n$1\r\na\r\n$-1\r\n");
  EXPECT_EQ(form("NOSUCH k", "~2\r\n#t\r\n#f\r\n"), "*2\r\n:1\r\n:0\r\n");
  EXPECT_EQ(form("NOSUCH k", ">2\r\n(12\r\n=5\r\ntxt:x\r\n"), "*2\r\n$2\r\n12\r\n$1\r\nx\r\n");
  EXPECT_EQ(form("NOSUCH k", "!5\r\nER\r\nx\r\n"), "-ER  x\r\n");
  EXPECT_EQ(form("NOSUCH k", "%1\r\n+a\r\n%2\r\n+b\r\n,inf\r\n+c\r\n_\r\n"),
            "*2\r\n+a\r\n*4\r\n+b\r\n$3\r\ninf\r\n+c\r\n$-1\r\n");
  EXPECT_EQ(form("HRANDFIELD h 2 WITHVALUES",
                 "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
            "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n");
  EXPECT_EQ(form("HRANDFIELD h 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"), "");
  EXPECT_EQ(
      form("XREADGROUP GROUP g c STREAMS s 0", "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n_\r\n"),
      "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n");
  EXPECT_EQ(form("BLMOVE a b LEFT LEFT 0", "_\r\n"), "$-1\r\n");
  EXPECT_EQ(form("BLPOP a 0", "_\r\n"), "*-1\r\n");
  EXPECT_EQ(form("EXEC", "_\r\n"), "*-1\r\n");
  std::string out;
  EXPECT_TRUE(TransactionToResp2({}, "_\r\n", out));
  EXPECT_EQ(out, "*-1\r\n");
  EXPECT_FALSE(TransactionToResp2({}, "-EXECABORT x\r\n", out));
}

TEST(Resp2Form, OfMalformedFramesIsSomeText) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> lines = test::ExpandedLines();
  const std::string frames[] = {"*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,2\r\n",
                                "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n_\r\n",
                                "|1\r\n+a\r\n*1\r\n|1\r\n+b\r\n,1\r\n:2\r\n=5\r\ntxt:x\r\n",
                                "~3\r\n#t\r\n(12\r\n!3\r\nERR\r\n"};
  for (int i = 0; i < 50'000; ++i) {
    std::string frame = frames[random() % std::size(frames)];
    for (size_t changes = random() % 4; changes > 0 && !frame.empty(); --changes) {
      const size_t at = random() % frame.size();
      switch (random() % 3) {
        case 0:
          frame.resize(at);
          break;
        case 1:
          frame[at] = "0123456789-*$:%~|=_,#(!>\r\n"[random() % 26];
          break;
        default:
          frame.insert(at, 1, "0123456789-*$:%~|=_,#(!>\r\n"[random() % 26]);
          break;
      }
    }
    const std::string_view exact = routing::FirstValue(frame);
    const Words words(lines[random() % lines.size()]);
    const routing::CommandSpec* spec = CommandTable::Redis70().Find(words.args());
    // What the scanner takes for a frame has a form that it takes for one too.
    std::string out;
    if (!exact.empty() && ToResp2(spec, words.args(), exact, out)) {
      EXPECT_EQ(routing::FirstValue(out).size() == out.size() || out.empty(), true)
          << frame << " became " << out;
    }
    const QueuedCommand queued[] = {{spec, words.args()}};
    ToResp2(spec, words.args(), frame, out);
    TransactionToResp2(queued, frame, out);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace crossfade::replication
