// Every kind of write that keeps, creates or reads a key with a deadline, sent
// before the deadline and applied after it: the follower's key had gone by then,
// so what the write made there must not stay (design.md R5).
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

struct Case {
  Args make;   // creates the key named by its second word; it then gets a deadline
  Args write;  // runs while the key lives on the authority
};

// Keys have names of their own, so that all cases run at once.
const std::vector<Case> kCases = {
    {{"SET", "keepttl", "v"}, {"SET", "keepttl", "kept", "KEEPTTL"}},
    {{"SET", "get", "v"}, {"SET", "get", "kept", "GET", "KEEPTTL"}},
    {{"SET", "incr", "1"}, {"INCR", "incr"}},
    {{"SET", "incrby", "1"}, {"DECRBY", "incrby", "3"}},
    {{"SET", "float", "1"}, {"INCRBYFLOAT", "float", "0.5"}},
    {{"SET", "append", "v"}, {"APPEND", "append", "x"}},
    {{"SET", "range", "value"}, {"SETRANGE", "range", "1", "x"}},
    {{"SET", "bit", "a"}, {"SETBIT", "bit", "3", "0"}},
    {{"SET", "field", "a"}, {"BITFIELD", "field", "INCRBY", "u8", "0", "1"}},
    {{"HSET", "hset", "f", "1"}, {"HSET", "hset", "f", "2"}},
    {{"HSET", "hsetnx", "f", "1"}, {"HSETNX", "hsetnx", "g", "2"}},
    {{"HSET", "hincr", "f", "1"}, {"HINCRBY", "hincr", "f", "1"}},
    {{"HSET", "hfloat", "f", "1"}, {"HINCRBYFLOAT", "hfloat", "f", "0.5"}},
    {{"HSET", "hdel", "f", "1", "g", "2"}, {"HDEL", "hdel", "f"}},
    {{"RPUSH", "rpush", "a"}, {"RPUSH", "rpush", "b"}},
    {{"RPUSH", "lpushx", "a"}, {"LPUSHX", "lpushx", "b"}},
    {{"RPUSH", "lset", "a"}, {"LSET", "lset", "0", "b"}},
    {{"RPUSH", "linsert", "a"}, {"LINSERT", "linsert", "AFTER", "a", "b"}},
    {{"RPUSH", "lpop", "a", "b"}, {"LPOP", "lpop"}},
    {{"RPUSH", "lmove", "a", "b"}, {"LMOVE", "lmove", "lmove:to", "LEFT", "RIGHT"}},
    {{"RPUSH", "lmoveto", "a"}, {"RPOPLPUSH", "still", "lmoveto"}},
    {{"SADD", "sadd", "a"}, {"SADD", "sadd", "b"}},
    {{"SADD", "saddsame", "a"}, {"SADD", "saddsame", "a"}},
    {{"SADD", "srem", "a", "b"}, {"SREM", "srem", "a"}},
    {{"SADD", "spop", "a", "b"}, {"SPOP", "spop"}},
    {{"SADD", "smove", "a", "b"}, {"SMOVE", "smove", "smove:to", "a"}},
    {{"SADD", "smoveto", "a"}, {"SMOVE", "still:set", "smoveto", "s1"}},
    {{"SADD", "union", "a"}, {"SUNIONSTORE", "union:to", "union", "still:set"}},
    {{"SADD", "inter", "s1"}, {"SINTERSTORE", "inter:to", "inter", "still:set"}},
    {{"SADD", "diff", "s2"}, {"SDIFFSTORE", "diff:to", "still:set", "diff"}},
    {{"ZADD", "zadd", "1", "a"}, {"ZADD", "zadd", "2", "b"}},
    {{"ZADD", "zaddgt", "1", "a"}, {"ZADD", "zaddgt", "GT", "CH", "2", "a"}},
    {{"ZADD", "zincr", "1", "a"}, {"ZINCRBY", "zincr", "1", "a"}},
    {{"ZADD", "zrem", "1", "a", "2", "b"}, {"ZREM", "zrem", "a"}},
    {{"ZADD", "zpop", "1", "a", "2", "b"}, {"ZPOPMIN", "zpop"}},
    {{"ZADD", "zunion", "1", "a"}, {"ZUNIONSTORE", "zunion:to", "2", "zunion", "still:set"}},
    {{"ZADD", "zrange", "1", "a"}, {"ZRANGESTORE", "zrange:to", "zrange", "0", "-1"}},
    {{"XADD", "xadd", "5-1", "f", "v"}, {"XADD", "xadd", "*", "f", "v"}},
    {{"XADD", "xid", "5-1", "f", "v"}, {"XADD", "xid", "6-1", "f", "v"}},
    {{"XADD", "xmax", "5-1", "f", "v"}, {"XADD", "xmax", "MAXLEN", "~", "10", "7-1", "f", "v"}},
    {{"XADD", "xnomk", "5-1", "f", "v"}, {"XADD", "xnomk", "NOMKSTREAM", "*", "f", "v"}},
    {{"XADD", "xnomkmax", "5-1", "f", "v"},
     {"XADD", "xnomkmax", "NOMKSTREAM", "MAXLEN", "~", "10", "*", "f", "v"}},
    {{"XADD", "xdel", "5-1", "f", "v"}, {"XDEL", "xdel", "5-1"}},
    {{"XADD", "xset", "5-1", "f", "v"}, {"XSETID", "xset", "9-1"}},
    {{"PFADD", "pfadd", "a"}, {"PFADD", "pfadd", "b"}},
    {{"PFADD", "pfmerge", "a"}, {"PFMERGE", "pfmerge:to", "pfmerge"}},
    {{"GEOADD", "geo", "1", "1", "a"}, {"GEOADD", "geo", "2", "2", "b"}},
    {{"GEOADD", "search", "1", "1", "a"},
     {"GEOSEARCHSTORE", "search:to", "search", "FROMLONLAT", "1", "1", "BYRADIUS", "9", "km"}},
    {{"SET", "copy", "v"}, {"COPY", "copy", "copy:to"}},
    {{"SET", "copydb", "v"}, {"COPY", "copydb", "copydb:to", "DB", "3"}},
    {{"SET", "rename", "v"}, {"RENAME", "rename", "rename:to"}},
    {{"SET", "renamenx", "v"}, {"RENAMENX", "renamenx", "renamenx:to"}},
    {{"SET", "move", "v"}, {"MOVE", "move", "2"}},
    {{"SET", "setnx", "v"}, {"SETNX", "setnx", "other"}},
    {{"SET", "setnx2", "v"}, {"SET", "setnx2", "other", "NX"}},
    {{"SET", "setxx", "v"}, {"SET", "setxx", "other", "XX", "KEEPTTL"}},
    {{"SET", "setxxttl", "v"}, {"SET", "setxxttl", "other", "XX"}},
    {{"SET", "getset", "v"}, {"GETSET", "getset", "other"}},
    {{"SET", "getdel", "v"}, {"GETDEL", "getdel"}},
    {{"SET", "getex", "v"}, {"GETEX", "getex", "EX", "5000"}},
    {{"SET", "getexp", "v"}, {"GETEX", "getexp", "PERSIST"}},
    {{"SET", "persist", "v"}, {"PERSIST", "persist"}},
    {{"HSET", "expire", "f", "v"}, {"EXPIRE", "expire", "5000"}},
    {{"HSET", "expiregt", "f", "v"}, {"PEXPIRE", "expiregt", "500000", "GT"}},
    {{"HSET", "expirelt", "f", "v"}, {"PEXPIRE", "expirelt", "100", "LT"}},
    {{"SET", "bitop", "v"}, {"BITOP", "NOT", "bitop:to", "bitop"}},
    {{"RPUSH", "sort", "2", "1"}, {"SORT", "sort", "STORE", "sort:to"}},
    {{"SET", "msetnx", "v"}, {"MSETNX", "msetnx", "1", "msetnx:other", "1"}},
    {{"SET", "mset", "v"}, {"MSET", "mset", "1", "mset:other", "1"}},
    {{"SET", "touch", "v"}, {"TOUCH", "touch"}},
    {{"SET", "del", "v"}, {"UNLINK", "del"}},
};

class LateWrite : public ::testing::TestWithParam<int> {
 protected:
  LateWrite() : migration_({.legacy_args = {}, .relay = true}) {
    migration_.config.workers = GetParam();
  }

  // The cases' writes reach the follower long after the keys' deadline.
  // `keys_first`: the follower has the keys before; `in_multi`: one by one in MULTI.
  void Run(bool keys_first, bool in_multi) {
    RedisClient client(migration_.proxy->port());
    ASSERT_TRUE(client.Call({"FLUSHALL"}).ok());
    ASSERT_TRUE(client.Call({"RPUSH", "still", "l1", "l2"}).ok());
    ASSERT_TRUE(client.Call({"SADD", "still:set", "s1", "s2"}).ok());
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
    if (!keys_first) migration_.relay->SetDelay(std::chrono::milliseconds(900));
    std::vector<Args> made;
    for (const Case& c : kCases) {
      made.push_back(c.make);
      made.push_back({"PEXPIRE", c.make[1], "400"});
    }
    for (const Value& reply : client.Pipeline(made)) EXPECT_TRUE(reply.ok()) << Render(reply);
    if (keys_first) {
      ASSERT_TRUE(migration_.proxy->AwaitDrained());
    }
    migration_.relay->SetDelay(std::chrono::milliseconds(900));
    std::vector<Args> writes;
    for (const Case& c : kCases) {
      if (in_multi) writes.push_back({"MULTI"});
      writes.push_back(c.write);
      if (in_multi) writes.push_back({"EXEC"});
    }
    for (const Value& reply : client.Pipeline(writes)) EXPECT_TRUE(reply.ok()) << Render(reply);
    const StoreComparison comparison = [&] {
      // Shortened only once the first effects have been held for longer than a deadline.
      EXPECT_TRUE(Await([&] {
        return RedisClient(migration_.legacy.port())
                   .Call({"EXISTS", "hset", "incr", "sadd"})
                   .integer == 0;
      }));
      migration_.relay->SetDelay(std::chrono::milliseconds(0));
      return migration_.ExpectEqualWhenDrained();
    }();
    for (const Difference& difference : comparison.differences) {
      for (const Case& c : kCases) {
        if (c.make[1] == difference.key || difference.key == c.make[1] + ":to") {
          ADD_FAILURE() << Render(c.make) << ", PEXPIRE " << c.make[1] << " 400, then "
                        << Render(c.write) << " which arrived late: " << difference.what
                        << ", legacy " << difference.a << ", new " << difference.b;
        }
      }
    }
  }

  Migration migration_;
};

TEST_P(LateWrite, KeysThatTheFollowerHad) {
  ASSERT_TRUE(migration_.StartLive());
  Run(/*keys_first=*/true, /*in_multi=*/false);
}

TEST_P(LateWrite, KeysThatArriveLateToo) {
  ASSERT_TRUE(migration_.StartLive());
  Run(/*keys_first=*/false, /*in_multi=*/false);
}

TEST_P(LateWrite, InsideTransactions) {
  ASSERT_TRUE(migration_.StartLive());
  Run(/*keys_first=*/true, /*in_multi=*/true);
  Run(/*keys_first=*/false, /*in_multi=*/true);
}

INSTANTIATE_TEST_SUITE_P(Workers, LateWrite, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
