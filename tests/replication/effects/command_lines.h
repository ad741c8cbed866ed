// The table of command lines of the differential test: every row and option of
// the effects, on keys that are there, that have an expiry, that are not there,
// and that are of another type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace crossfade::test {

// What every line finds. Absolute times and explicit ids, so that two servers
// that run it are equal.
inline const std::vector<std::string_view> kFixture = {
    "SET s1 'hello world'",
    "SET s2 foobar",
    "SET st abc PXAT 33000000000000",
    "SET e1 ''",
    "SET n1 10",
    "SET nt 5 PXAT 33000000000001",
    "SET f1 3.5",
    "RPUSH l1 a b c d b",
    "RPUSH l2 3 1 2",
    "RPUSH lt x y z",
    "PEXPIREAT lt 33000000000002",
    "HSET h1 f1 v1 f2 v2 n 5 d 1.5",
    "HSET ht f1 v1 n 7",
    "PEXPIREAT ht 33000000000003",
    "SADD a1 a b c d",
    "SADD a2 c d e",
    "SADD ai 1 2 3",
    "SADD at x y",
    "PEXPIREAT at 33000000000004",
    "ZADD z1 1 a 2 b 3 c 4 d",
    "ZADD z2 2 b 5 e",
    "ZADD zt 1 x 2 y",
    "PEXPIREAT zt 33000000000005",
    "ZADD zl 0 a 0 b 0 c 0 d",
    "XADD x1 1-1 a 1",
    "XADD x1 2-1 a 2",
    "XADD x1 3-1 a 3",
    "XADD x1 4-1 a 4",
    "XADD x1 5-1 b 5",
    "XGROUP CREATE x1 g 0",
    "XREADGROUP GROUP g c1 COUNT 2 STREAMS x1 >",
    "XGROUP CREATECONSUMER x1 g c2",
    "XGROUP CREATE x1 g2 3-0",
    "XADD xt 7-7 k v",
    "XGROUP CREATE xt g 0",
    "PEXPIREAT xt 33000000000006",
    "PFADD p1 a b c",
    "PFADD p2 c d e",
    "PFADD pt z",
    "PEXPIREAT pt 33000000000007",
    "GEOADD g1 13.361389 38.115556 palermo 15.087269 37.502669 catania",
    "GEOADD gt 2.35 48.85 paris",
    "PEXPIREAT gt 33000000000008",
    "SET w_a 3",
    "SET w_b 1",
    "RPUSH wl a b"};

// "@x" stands for keys: each line is run once with each of them.
struct KeyClass {
  char letter;
  std::vector<std::string_view> keys;
};
inline const std::vector<KeyClass> kKeyClasses = {
    {'s', {"s1", "st", "m1", "l1"}}, {'n', {"n1", "nt", "m1", "s1", "h1"}},
    {'l', {"l1", "lt", "m1", "s1"}}, {'h', {"h1", "ht", "m1", "s1"}},
    {'a', {"a1", "at", "m1", "s1"}}, {'z', {"z1", "zt", "m1", "s1"}},
    {'x', {"x1", "xt", "m1", "s1"}}, {'p', {"p1", "pt", "m1", "s1", "l1"}},
    {'g', {"g1", "gt", "m1", "s1"}}, {'k', {"s1", "st", "l1", "zt", "xt", "m1"}}};

inline const std::vector<std::string_view> kLines = {
    // Strings
    "SET @k v", "SET @s v NX", "SET @s v XX", "SET @s v GET", "SET @s v NX GET", "SET @s v XX GET",
    "SET @s v KEEPTTL", "SET @s v XX KEEPTTL", "SET @s v NX KEEPTTL", "SET @s v KEEPTTL GET",
    "SET @s v EX 1000", "SET @s v PX 1000000", "SET @s v EXAT 33000000000",
    "SET @s v PXAT 33000000000999", "set @s v nx ex 1000", "SET @s v XX GET PX 5000000",
    "SET @s v EX 1000 NX GET", "SET @s v PX 1", "SET @s v PXAT 1000", "SET @s v EX 0",
    "SET @s v EX abc", "SET @s v NX XX", "SET @s v BOGUS", "SET @s v EX", "SET @s v EX 10 KEEPTTL",
    "SET @s v PX 9223372036854775807", "SETNX @s v", "SETEX @s 1000 v", "SETEX @s 0 v",
    "PSETEX @s 1000000 v", "PSETEX @s 1 v", "GETSET @s v", "GETDEL @s", "GETEX @s",
    "GETEX @s EX 1000", "GETEX @s PX 1000000", "GETEX @s EXAT 33000000000",
    "GETEX @s PXAT 33000000000999", "GETEX @s PERSIST", "GETEX @s PXAT 1000", "GETEX @s PX 1",
    "GETEX @s EX 0", "GETEX @s BOGUS", "INCR @n", "DECR @n", "INCRBY @n 7", "DECRBY @n 3",
    "INCRBY @n abc", "INCRBY @n 9223372036854775807", "INCRBYFLOAT @n 1.5", "INCRBYFLOAT f1 -0.1",
    "INCRBYFLOAT f1 5.0e3", "INCRBYFLOAT n1 1e400", "INCRBYFLOAT @n abc", "APPEND @s tail",
    "APPEND @s ''", "SETRANGE @s 3 XYZ", "SETRANGE @s 0 ''", "SETRANGE @s 20 z", "SETRANGE @s -1 z",
    "SETBIT @s 7 1", "SETBIT @s 1000 0", "SETBIT @s 3 2", "MSET m1 a s1 b l1 c", "MSET m1 a s1",
    "MSET s1 1 s1 2", "MSETNX m1 a m2 b", "MSETNX m1 a s1 b", "STRLEN @s", "GET @s",
    "BITFIELD @s GET u8 0", "BITFIELD @s SET u8 0 65", "BITFIELD @s INCRBY u4 4 3 GET u4 4",
    "BITFIELD @s OVERFLOW FAIL INCRBY u2 100 5",
    "BITFIELD @s OVERFLOW FAIL INCRBY u2 100 5 SET i5 3 -2",
    "BITFIELD @s OVERFLOW SAT INCRBY u2 100 3", "BITFIELD @s", "BITFIELD @s SET u99 0 1",
    "BITFIELD @s OVERFLOW WRAP GET u4 0", "BITFIELD_RO @s GET u8 0", "BITOP AND m2 s1 s2",
    "BITOP OR s2 @s s2", "BITOP XOR st s1 m1", "BITOP NOT m2 @s", "BITOP AND s1 m1 m2",
    "BITOP NOT m2 s1 s2", "BITCOUNT @s", "LCS s1 s2", "MGET s1 m1 l1",
    // Keys
    "DEL @k", "DEL m1 m2", "DEL s1 m1 l1 zt", "UNLINK @k", "UNLINK s1 s1", "EXISTS @k", "TOUCH @k",
    "EXPIRE @k 1000", "EXPIRE @k 1000 NX", "EXPIRE @k 1000 XX", "EXPIRE @k 1000 GT",
    "EXPIRE @k 1000 LT", "EXPIRE @k 0", "EXPIRE @k -5", "EXPIRE @k abc", "EXPIRE @k 1000 BOGUS",
    "EXPIRE @k 9223372036854775807", "PEXPIRE @k 1000000", "PEXPIRE @k 1", "PEXPIRE @k -1 NX",
    "EXPIREAT @k 33000000009", "EXPIREAT @k 1000", "EXPIREAT @k 34000000000 GT",
    "PEXPIREAT @k 33000000000999", "PEXPIREAT @k 1", "PEXPIREAT @k 34000000000000 XX",
    "PEXPIREAT @k 34000000000000 LT", "PERSIST @k", "TTL @k", "PEXPIRETIME @k", "TYPE @k",
    "RENAME @k m2", "RENAME @k s2", "RENAME s1 st", "RENAME st s1", "RENAME s1 s1", "RENAME @k @k",
    "RENAMENX @k m2", "RENAMENX @k s2", "RENAMENX s1 s1", "COPY @k m2", "COPY @k s2",
    "COPY @k s2 REPLACE", "COPY @k m2 DB 1", "COPY @k s2 DB 1 REPLACE", "COPY s1 s1",
    "COPY s1 m2 DB 99", "MOVE @k 1", "MOVE s1 0", "MOVE s1 99", "OBJECT ENCODING @k",
    "RESTORE m1 0 '\\x00\\xc0\\x0c\\n\\x00garbage'", "DUMP @k", "SWAPDB 0 1", "SWAPDB 0 99",
    "SWAPDB 1 1", "FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "FLUSHDB SYNC", "FLUSHALL BOGUS",
    "RANDOMKEY", "DBSIZE", "SCAN 0", "KEYS *", "SORT l2", "SORT l2 STORE m2",
    "SORT l2 DESC STORE l2", "SORT l1 ALPHA STORE s1", "SORT @l STORE m2", "SORT @a ALPHA STORE m2",
    "SORT ai BY nosort STORE m2", "SORT l2 LIMIT 1 1 STORE m2", "SORT l2 LIMIT 9 1 STORE s1",
    "SORT wl BY w_* STORE m2", "SORT wl BY nosort GET w_* STORE m2",
    "SORT wl BY w_* GET # GET w_* STORE lt", "SORT wl BY w_*", "SORT l2 GET # STORE m2",
    "SORT m1 STORE s1", "SORT @z BY nosort STORE m2", "SORT l1 STORE m2", "SORT_RO l2",
    "SORT l2 STORE m2 STORE s2", "SORT z1 ALPHA DESC STORE zt", "SORT l2 STORE",
    // Hashes
    "HSET @h f1 x", "HSET @h g1 x g2 y", "HSET @h f1 v1", "HSET @h f1", "HMSET @h f1 x g1 y",
    "HSETNX @h f1 x", "HSETNX @h new x", "HDEL @h f1", "HDEL @h none", "HDEL @h f1 f2 n d",
    "HINCRBY @h n 4", "HINCRBY @h new 4", "HINCRBY @h f1 1", "HINCRBYFLOAT @h n 0.5",
    "HINCRBYFLOAT @h new 1e3", "HINCRBYFLOAT @h d -1.1", "HINCRBYFLOAT @h f1 1",
    "HINCRBYFLOAT @h n nan", "HGETALL @h", "HGET @h f1", "HRANDFIELD @h", "HSCAN @h 0",
    // Sets
    "SADD @a a new", "SADD @a a", "SADD @a n1 n2", "SREM @a a x", "SREM @a none", "SREM @a a b c d",
    "SPOP @a", "SPOP @a 2", "SPOP @a 100", "SPOP @a 0", "SPOP @a -1", "SMOVE @a a2 a",
    "SMOVE a1 @a b", "SMOVE a1 m2 a", "SMOVE a1 a2 none", "SMOVE a1 a1 a", "SMOVE at a1 x",
    "SINTERSTORE m2 a1 @a", "SINTERSTORE @a a1 a2", "SINTERSTORE s1 a1 m1", "SUNIONSTORE @a a1 a2",
    "SUNIONSTORE a1 @a a2", "SDIFFSTORE @a a1 a2", "SDIFFSTORE at a1 a1", "SUNIONSTORE st m1 m2",
    "SMEMBERS @a", "SRANDMEMBER @a", "SINTER a1 a2", "SINTERCARD 2 a1 a2",
    // Sorted sets
    "ZADD @z 9 a", "ZADD @z 1 a", "ZADD @z NX 9 a 9 new", "ZADD @z NX 9 a", "ZADD @z XX 9 a 9 new",
    "ZADD @z XX CH 9 a", "ZADD @z CH 1 a", "ZADD @z GT 0 a 9 b", "ZADD @z LT 0 a 9 b",
    "ZADD @z GT CH 0 a", "ZADD @z INCR 2 a", "ZADD @z NX INCR 2 a", "ZADD @z XX INCR 2 new",
    "ZADD @z GT INCR -2 a", "ZADD @z NX GT 1 a", "ZADD @z abc a", "ZADD @z 1.5e300 a +inf b -inf c",
    "ZADD @z XX 9 x", "ZADD @z 1", "ZADD @z INCR 1 a 2 b", "ZINCRBY @z 2.5 a", "ZINCRBY @z 1 new",
    "ZINCRBY @z 0.1 x", "ZINCRBY @z abc a", "ZREM @z a x", "ZREM @z none", "ZREM @z a b c d",
    "ZREMRANGEBYSCORE @z 2 3", "ZREMRANGEBYSCORE @z 50 60", "ZREMRANGEBYRANK @z 0 1",
    "ZREMRANGEBYRANK @z 9 10", "ZREMRANGEBYLEX zl [a (c", "ZREMRANGEBYLEX @z - +", "ZPOPMIN @z",
    "ZPOPMAX @z", "ZPOPMIN @z 2", "ZPOPMAX @z 100", "ZPOPMIN @z 0", "ZPOPMIN @z -1",
    "ZMPOP 1 @z MIN", "ZMPOP 2 m1 @z MAX COUNT 2", "ZMPOP 3 m1 m2 z1 MIN COUNT 100",
    "ZMPOP 0 z1 MIN", "ZMPOP 1 z1 BOTH", "ZRANGESTORE @z z1 0 1", "ZRANGESTORE m2 @z 0 -1",
    "ZRANGESTORE m2 z1 2 3 BYSCORE", "ZRANGESTORE m2 z1 (4 1 BYSCORE REV LIMIT 0 2",
    "ZRANGESTORE z1 z1 5 9", "ZRANGESTORE m2 zl [b + BYLEX", "ZUNIONSTORE m2 2 z1 @z",
    "ZUNIONSTORE @z 2 z1 z2 WEIGHTS 2 0.1 AGGREGATE MAX", "ZINTERSTORE m2 2 z1 z2 AGGREGATE MIN",
    "ZINTERSTORE @z 2 z1 m1", "ZDIFFSTORE m2 2 z1 z2", "ZDIFFSTORE zt 2 z1 z1",
    "ZUNIONSTORE m2 2 z1 a1", "ZUNIONSTORE m2 9 z1 z2", "ZRANGE @z 0 -1 WITHSCORES",
    "ZRANDMEMBER @z", "ZSCORE @z a",
    // Geo
    "GEOADD @g 13 38 new", "GEOADD @g NX 13 38 palermo", "GEOADD @g XX CH 13 38 palermo",
    "GEOADD @g CH 13.361389 38.115556 palermo", "GEOADD @g 13 38 palermo", "GEOADD @g 999 38 x",
    "GEORADIUS @g 15 37 200 km", "GEORADIUS @g 15 37 200 km STORE m2",
    "GEORADIUS @g 15 37 200 km COUNT 1 ASC STOREDIST m2", "GEORADIUS g1 15 37 1 m STORE s1",
    "GEORADIUSBYMEMBER g1 palermo 200 km STORE gt", "GEORADIUSBYMEMBER @g palermo 200 km",
    "GEORADIUSBYMEMBER @g none 200 km STORE m2", "GEORADIUS @g 15 37 200 km WITHDIST STORE m2",
    "GEOSEARCHSTORE m2 @g FROMLONLAT 15 37 BYRADIUS 200 km",
    "GEOSEARCHSTORE gt g1 FROMMEMBER palermo BYBOX 400 400 km ASC STOREDIST",
    "GEOSEARCHSTORE m2 g1 FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY", "GEOPOS @g palermo",
    // HyperLogLog
    "PFADD @p a", "PFADD @p new1 new2", "PFADD @p", "PFMERGE @p p2", "PFMERGE p1 @p", "PFMERGE m2",
    "PFMERGE p1 p1", "PFCOUNT @p", "PFCOUNT p1 p2", "PFDEBUG TODENSE p1",
    // Lists
    "LPUSH @l x y", "RPUSH @l x y", "LPUSHX @l x", "RPUSHX @l x y", "LINSERT @l BEFORE b x",
    "LINSERT @l AFTER y new", "LINSERT @l BEFORE none x", "LINSERT @l AROUND b x", "LSET @l 1 new",
    "LSET @l -1 new", "LSET @l 99 new", "LREM @l 0 b", "LREM @l -1 b", "LREM @l 1 none",
    "LREM @l 2 y", "LTRIM @l 1 2", "LTRIM @l 0 -1", "LTRIM @l 9 10", "LPOP @l", "RPOP @l",
    "LPOP @l 2", "RPOP @l 100", "LPOP @l 0", "LPOP @l -1", "RPOPLPUSH @l l2", "RPOPLPUSH l1 @l",
    "RPOPLPUSH l1 l1", "LMOVE @l l2 LEFT RIGHT", "LMOVE l1 @l RIGHT LEFT", "LMOVE lt lt LEFT RIGHT",
    "LMOVE l1 m2 LEFT LEFT", "LMOVE l1 l2 UP DOWN", "LMPOP 1 @l LEFT",
    "LMPOP 2 m1 @l RIGHT COUNT 2", "LMPOP 1 @l LEFT COUNT 100", "lmpop 2 m1 l1 left",
    "LMPOP 1 l1 UP", "LMPOP 5 l1 LEFT", "LRANGE @l 0 -1", "LPOS @l b",
    // Blocking commands that a store served itself
    "BLPOP @l 0.01", "BRPOP m1 @l 0.01", "BLMOVE @l l2 LEFT RIGHT 0.01", "BRPOPLPUSH @l m2 0.01",
    "BLMPOP 0.01 2 m1 @l LEFT COUNT 2", "BZPOPMIN @z 0.01", "BZPOPMAX m1 @z 0.01",
    "BZMPOP 0.01 1 @z MIN", "BRPOP @l l2 0.01", "BLPOP m1 l1 l2 0.01",
    "BLMOVE @l @l LEFT RIGHT 0.01", "BLMOVE l2 @l RIGHT LEFT 0.01",
    "BLMPOP 0.01 1 @l RIGHT COUNT 100", "BZMPOP 0.01 3 m1 m2 z1 MAX COUNT 2", "BZPOPMIN @z z2 0.01",
    "BLPOP l1 -1", "BLPOP l1 abc", "BRPOPLPUSH l1 l1 0.01", "blmpop 0.01 2 m1 @l left count 3",
    // Streams
    "XADD @x 9-9 f v", "XADD @x * f v", "XADD @x 9-* f v", "XADD @x 5-* f v", "XADD @x 9 f v",
    "XADD @x 1-0 f v", "XADD @x NOMKSTREAM * f v", "XADD @x NOMKSTREAM 99-1 f v",
    "XADD @x MAXLEN 2 * f v", "XADD @x MAXLEN = 3 9-9 f v", "XADD @x MINID 4-0 * f v",
    "XADD @x MINID = 99-0 9-9 f v", "XADD @x MAXLEN ~ 2 * f v",
    "XADD @x MAXLEN ~ 1 LIMIT 1 9-9 f v", "XADD @x MINID ~ 4-0 * f v",
    "XADD @x NOMKSTREAM MAXLEN = 1 * MAXLEN ~", "XADD @x * f", "XADD @x MAXLEN abc * f v",
    "XADD @x MAXLEN 0 * f v", "xadd @x maxlen = 2 nomkstream * LIMIT 5", "XDEL @x 1-1 7-7",
    "XDEL @x 99-99", "XDEL @x 5-1", "XDEL @x abc", "XTRIM @x MAXLEN 2", "XTRIM @x MAXLEN = 0",
    "XTRIM @x MAXLEN ~ 0", "XTRIM @x MAXLEN ~ 2 LIMIT 1", "XTRIM @x MINID 3", "XTRIM @x MINID = 99",
    "XTRIM @x MINID ~ 3-0", "XTRIM @x MAXLEN 100", "XSETID @x 99-1",
    "XSETID @x 99-1 ENTRIESADDED 500 MAXDELETEDID 50-0", "XSETID @x 0-1", "XSETID @x abc",
    "XGROUP CREATE @x new 0", "XGROUP CREATE @x new $", "XGROUP CREATE @x new 2-0 ENTRIESREAD 2",
    "XGROUP CREATE @x new $ MKSTREAM", "XGROUP CREATE @x new 0 MKSTREAM", "XGROUP CREATE @x g 0",
    "XGROUP CREATE @x new abc MKSTREAM", "XGROUP SETID @x g 3-1", "XGROUP SETID @x g $",
    "XGROUP SETID @x none 0", "XGROUP SETID @x g 0 ENTRIESREAD 1", "XGROUP DESTROY @x g",
    "XGROUP DESTROY @x none", "XGROUP CREATECONSUMER @x g new", "XGROUP CREATECONSUMER @x g c1",
    "XGROUP DELCONSUMER @x g c1", "XGROUP DELCONSUMER @x g c2", "XGROUP DELCONSUMER @x g none",
    "XGROUP HELP", "XGROUP BOGUS x1 g", "XACK @x g 1-1", "XACK @x g 1-1 2-1 9-9", "XACK @x g 9-9",
    "XACK @x none 1-1", "XREADGROUP GROUP g c1 STREAMS @x >",
    "XREADGROUP GROUP g c3 COUNT 1 STREAMS @x >", "XREADGROUP GROUP g c1 STREAMS @x 0",
    "XREADGROUP GROUP g c1 NOACK STREAMS @x >", "XREADGROUP GROUP g c1 STREAMS x1 xt > >",
    "XREADGROUP GROUP none c1 STREAMS @x >", "XREADGROUP GROUP g2 new BLOCK 1 STREAMS x1 99-1",
    "XREADGROUP GROUP g new STREAMS @x 0", "XREADGROUP GROUP g2 c9 NOACK COUNT 1 STREAMS x1 >",
    "XREADGROUP GROUP g c2 COUNT 2 BLOCK 1 STREAMS @x >",
    "xreadgroup group g c1 block 1 noack streams x1 xt > 0-0",
    "XREADGROUP GROUP g c1 STREAMS x1 1-1", "XREADGROUP GROUP g c1 STREAMS @x $",
    "XREADGROUP GROUP g2 c1 STREAMS x1 >", "XREAD COUNT 2 STREAMS @x 0", "XCLAIM @x g c2 0 1-1 2-1",
    "XCLAIM @x g c2 0 99-1", "XCLAIM @x g c2 0 4-1 FORCE JUSTID", "XCLAIM @x g new 99999999 1-1",
    "XCLAIM @x g c2 0 1 2-1 99-1", "XCLAIM @x g c2 99999999 1-1 2-1 LASTID 5-1",
    "XCLAIM @x g c2 0 2-1 1-1 IDLE 1000 RETRYCOUNT 7",
    "XCLAIM @x g new 0 1-1 1-1 3-1 TIME 1000 FORCE LASTID 3-1", "XCLAIM @x none c 0 1-1",
    "XCLAIM @x g c2 0 abc", "XCLAIM @x g c2 0 1-1 BOGUS", "xclaim @x g c2 0 1-1 justid",
    "XAUTOCLAIM @x g new 0 0", "XAUTOCLAIM @x g new 99999999 0", "XAUTOCLAIM @x g c2 0 2-0 COUNT 1",
    "XAUTOCLAIM @x none c2 0 0", "XAUTOCLAIM @x g c2 0 0", "XAUTOCLAIM @x g c2 0 0 COUNT 1 JUSTID",
    "XPENDING @x g", "XINFO STREAM @x", "XRANGE @x - +",
    // Scripts, functions, the connection and the server
    "EVAL \"redis.call('SET', KEYS[1], ARGV[1]) return 1\" 1 @s v",
    "EVAL \"redis.call('SET', KEYS[1], 'x') redis.call('LPUSH', KEYS[1], 'y')\" 1 @s",
    "EVAL \"return redis.call('HINCRBYFLOAT', KEYS[1], 'n', 0.5)\" 1 @h", "EVAL 'bad syntax(' 1 s1",
    "EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 s1",
    "EVAL_RO \"return redis.call('GET', KEYS[1])\" 1 s1", "SCRIPT LOAD 'return 1'",
    "SCRIPT EXISTS a", "SCRIPT FLUSH", "PUBLISH c m", "SPUBLISH c m", "PING", "ECHO x", "TIME",
    "INFO server", "LASTSAVE", "CONFIG GET maxmemory", "CLIENT GETNAME", "OBJECT HELP",
    "COMMAND COUNT", "MEMORY USAGE s1", "BOGUS x", "GET", "SET s1", "HSET h1 a", "LPUSH l1",
    "DEBUG SLEEP 0", "LOLWUT", "WAIT 0 1"};

// Every line with every key that it stands for.
inline std::vector<std::string> ExpandedLines() {
  std::vector<std::string> out;
  for (const std::string_view line : kLines) {
    const size_t at = line.find('@');
    if (at == std::string_view::npos) {
      out.emplace_back(line);
      continue;
    }
    for (const KeyClass& keys : kKeyClasses) {
      if (keys.letter != line[at + 1]) continue;
      for (const std::string_view key : keys.keys) {
        std::string expanded(line);
        for (size_t p = 0; (p = expanded.find('@')) != std::string::npos;) {
          expanded.replace(p, 2, key);
        }
        out.push_back(expanded);
      }
    }
  }
  return out;
}

}  // namespace crossfade::test
