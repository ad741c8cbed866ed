// The keys of commands, compared with what a real server's COMMAND
// GETKEYSANDFLAGS says of the same arguments.
#include <gtest/gtest.h>

#include <strings.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "routing/commands/keys.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

using namespace std::string_view_literals;
using Words = std::vector<std::string>;
using test::Value;

struct Found {
  Keys keys;
  std::vector<std::pair<std::string, Access>> positions;
};

Words Split(const std::string& text) {
  Words words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word == "''" ? "" : word);
  return words;
}

const std::vector<std::pair<std::string, Access>> kMigrateOfNothing = {{"", Access::kReadWrite}};

class KeysServerTest : public testing::Test {
 protected:
  KeysServerTest() : client_(server_.port()) {}

  void SetUp() override {
    const std::string info = client_.Call({"INFO", "server"}).text;
    if (info.find("redis_version:7.0.") == std::string::npos) {
      GTEST_SKIP() << "the redis-server here is not 7.0";
    }
  }

  // What we say, as COMMAND GETKEYS would list it: MOVE's key once.
  const CommandSpec* Ours(const Words& words, Found& found) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    const CommandSpec* spec = CommandTable::Redis70().Find(args);
    if (spec == nullptr) return nullptr;
    std::vector<KeyPosition> positions;
    found = {ExtractKeys(*spec, args, positions), {}};
    for (const KeyPosition& position : positions) {
      EXPECT_LT(position.arg, words.size());
      if (spec->id == CommandId::kMove && position.db != kSameDb) continue;
      found.positions.push_back({words[position.arg], position.access});
    }
    return spec;
  }

  // Whether the server refuses to run it. In a transaction nothing blocks.
  bool Refused(const Words& words) {
    if (client_.Call({"MULTI"}).kind == Value::Kind::kLost) return false;
    const Value queued = client_.Call(words);
    const Value ran = client_.Call({"EXEC"});
    if (queued.kind == Value::Kind::kError) return true;
    return ran.elements.size() == 1 && ran.elements[0].kind == Value::Kind::kError;
  }

  static bool AccessFits(const CommandSpec& spec, const Value& flags, Access access) {
    const auto has = [&](const char* name) {
      return std::any_of(flags.elements.begin(), flags.elements.end(),
                         [&](const Value& flag) { return flag.text == name; });
    };
    // The server says RO, but the group in the stream changes.
    if (spec.id == CommandId::kXreadgroup) return access == Access::kReadWrite;
    if (has("RO")) return access == Access::kRead;
    if (has("RW")) return access == Access::kReadWrite;
    if (has("OW") || has("RM")) return access == Access::kWrite;
    return true;  // the server does not say (GEORADIUS … STORE)
  }

  static bool Same(const CommandSpec& spec, const Found& ours, const Value& theirs) {
    if (theirs.kind == Value::Kind::kArray) {
      if (ours.keys != Keys::kKnown || ours.positions.size() != theirs.elements.size()) {
        return false;
      }
      for (size_t i = 0; i < theirs.elements.size(); ++i) {
        const Value& key = theirs.elements[i].elements.at(0);
        const auto& [name, access] = ours.positions[i];
        if (key.text != name) return false;
        if (!AccessFits(spec, theirs.elements[i].elements.at(1), access)) return false;
      }
      return true;
    }
    const bool no_such_subcommand = (spec.flags & kContainer) != 0;
    // GETKEYS takes a command of one word for none at all.
    const bool one_word = theirs.text.find("for 'command|getkeysandflags'") != std::string::npos;
    if (theirs.text == "ERR The command has no key arguments" || one_word ||
        (theirs.text == "ERR Invalid command specified" && no_such_subcommand)) {
      return (ours.keys == Keys::kKnown || ours.keys == Keys::kAll) && ours.positions.empty();
    }
    // MIGRATE "" … KEYS without a key moves nothing; GETKEYS is of two minds about it.
    if (spec.id == CommandId::kMigrate && ours.positions == kMigrateOfNothing) return true;
    // A PFMERGE of nothing is fine, but GETKEYS misses its sources.
    if (spec.id == CommandId::kPfmerge && ours.positions.size() == 1) return true;
    if (theirs.text == "ERR Invalid arguments specified for command" ||
        theirs.text == "ERR Invalid number of arguments specified for command") {
      return ours.keys == Keys::kMalformed;
    }
    return false;
  }

  // These are read as the server's own execution does, which GETKEYS does not
  // in some cases that the server then refuses.
  static bool ReadAsExecuted(const CommandSpec& spec) {
    switch (spec.id) {
      case CommandId::kSort:
      case CommandId::kSortRo:
      case CommandId::kGeoradius:
      case CommandId::kGeoradiusbymember:
      case CommandId::kXread:
      case CommandId::kXreadgroup:
        return true;
      default:
        return false;
    }
  }

  // GETKEYS may name another destination than the last, which counts (below).
  static bool StoresTwice(const CommandSpec& spec, const Words& words) {
    const auto stores = std::count_if(words.begin() + 1, words.end(), [](const std::string& word) {
      return strcasecmp(word.c_str(), "store") == 0 || strcasecmp(word.c_str(), "storedist") == 0;
    });
    return stores > 1 && spec.id != CommandId::kXread && ReadAsExecuted(spec);
  }

  // Compares a batch in one round trip. Returns how many had keys.
  size_t Compare(const std::vector<Words>& commands) {
    std::vector<Words> questions;
    for (const Words& words : commands) {
      Words question = {"COMMAND", "GETKEYSANDFLAGS"};
      question.insert(question.end(), words.begin(), words.end());
      questions.push_back(std::move(question));
    }
    const std::vector<Value> replies = client_.Pipeline(questions);
    size_t with_keys = 0;
    for (size_t i = 0; i < commands.size(); ++i) {
      Found ours{};
      const CommandSpec* spec = Ours(commands[i], ours);
      if (spec == nullptr) {
        EXPECT_EQ(replies[i].kind, Value::Kind::kError) << test::Render(commands[i]);
        continue;
      }
      with_keys += ours.positions.empty() ? 0 : 1;
      if (Same(*spec, ours, replies[i])) continue;
      if (StoresTwice(*spec, commands[i])) continue;
      const bool may_differ = ours.keys == Keys::kMalformed || ReadAsExecuted(*spec);
      if (may_differ && Refused(commands[i])) {
        ++differed_but_refused_;
        continue;
      }
      std::string said = std::to_string(static_cast<int>(ours.keys));
      for (const auto& [name, access] : ours.positions) {
        said += " " + name + "/" + std::to_string(static_cast<int>(access));
      }
      ADD_FAILURE() << test::Render(commands[i]) << "\n  ours: " << said
                    << "\n  server: " << test::Render(replies[i]);
    }
    return with_keys;
  }

  test::RedisServer server_;
  test::RedisClient client_;
  size_t differed_but_refused_ = 0;
};

// clang-format off
constexpr const char* kShapes[] = {
    "GET k", "get k", "SET k v", "SET k v GET", "SET k v EX 10 NX gEt", "set k get", "SET get GET",
    "SETEX k 1 v", "GETEX k PERSIST", "GETDEL k", "GETSET k v", "MGET a b c", "MSET a 1 b 2",
    "MSETNX a 1 b 2", "MSET a 1 b", "DEL a b c", "UNLINK a", "EXISTS a b", "TOUCH a b",
    "RENAME a b", "RENAMENX a b", "COPY a b", "COPY a b DB 3 REPLACE", "MOVE a 3", "SMOVE a b m",
    "LMOVE a b LEFT RIGHT", "RPOPLPUSH a b", "BLMOVE a b LEFT RIGHT 0", "BRPOPLPUSH a b 0",
    "LMPOP 2 a b LEFT", "BLMPOP 0 2 a b LEFT COUNT 3", "LMPOP 3 a b LEFT", "LMPOP 9 a b LEFT",
    "LMPOP x a LEFT", "LMPOP -1 a LEFT", "LMPOP 0 a LEFT", "LMPOP 01 a LEFT", "LMPOP +1 a LEFT",
    "LMPOP 18446744073709551617 a LEFT", "ZMPOP 1 a MIN", "BZMPOP 0 2 a b MAX", "BLPOP a b c 0",
    "BRPOP a 0", "BZPOPMIN a b 0", "BZPOPMAX a 0", "LPUSH k a b", "SINTERSTORE d a b",
    "SUNIONSTORE d a", "SDIFFSTORE d a b", "SINTER a b", "SDIFF a", "SUNION a",
    "SINTERCARD 2 a b LIMIT 1", "ZINTERCARD 2 a b", "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
    "ZINTERSTORE d 1 a AGGREGATE MAX", "ZDIFFSTORE d 2 a b", "ZUNIONSTORE d 3 a b",
    "ZUNION 2 a b WITHSCORES", "ZINTER 1 a", "ZDIFF 1 a", "ZRANGESTORE d s 0 -1",
    "GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 1 m", "SORT k", "SORT k STORE d",
    "SORT k BY w_* LIMIT 0 5 GET # GET o_* ASC ALPHA STORE d", "sort k store a store b",
    "SORT k BY store GET store", "SORT k LIMIT store store store d", "SORT k STORE",
    "SORT_RO k BY w_* GET #", "GEORADIUS k 1 2 3 m", "GEORADIUS k 1 2 3 m STORE d",
    "GEORADIUS k 1 2 3 m COUNT 2 STOREDIST d ASC", "georadius k 1 2 3 m count 1 any store d",
    "GEORADIUSBYMEMBER k m 3 m STORE d", "GEORADIUSBYMEMBER k m 3 m WITHDIST",
    "GEORADIUS_RO k 1 2 3 m", "GEORADIUSBYMEMBER_RO k m 3 m", "GEORADIUS k 1 2 3 m STORE",
    "EVAL s 2 a b x", "EVAL s 0", "EVAL s 0 x", "EVAL s 3 a b", "EVAL s -1 a", "EVAL s x a",
    "EVALSHA h 1 a", "EVAL_RO s 1 a", "EVALSHA_RO h 2 a b", "FCALL f 2 a b c", "FCALL_RO f 1 a",
    "FCALL f 0", "XREAD STREAMS a 0", "XREAD COUNT 2 BLOCK 5 STREAMS a b 0 0",
    "xread block 0 streams a b c 0 0 $", "XREAD STREAMS a b 0", "XREAD STREAMS a",
    "XREAD COUNT 2 a", "XREADGROUP GROUP g c STREAMS a >",
    "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a b > >",
    "XREADGROUP GROUP streams streams STREAMS a >", "XADD k * f v", "XADD k MAXLEN ~ 3 * f v",
    "XGROUP CREATE k g $ MKSTREAM", "xgroup destroy k g", "XGROUP HELP", "XINFO STREAM k FULL",
    "XINFO GROUPS k", "XACK k g 1-1", "XCLAIM k g c 0 1-1", "XAUTOCLAIM k g c 0 0", "XDEL k 1-1",
    "XTRIM k MAXLEN 3", "XSETID k 1-1", "XRANGE k - +", "OBJECT ENCODING k", "object freq k",
    "OBJECT HELP", "MEMORY USAGE k SAMPLES 5", "MEMORY DOCTOR", "DEBUG OBJECT k", "DUMP k",
    "RESTORE k 0 v REPLACE", "RESTORE-ASKING k 0 v", "MIGRATE h 1 k 0 5", "MIGRATE h 1 '' 0 5",
    "MIGRATE h 1 '' 0 5 KEYS a b c", "MIGRATE h 1 '' 0 5 COPY REPLACE KEYS a",
    "MIGRATE h 1 '' 0 5 AUTH keys KEYS a b", "MIGRATE h 1 '' 0 5 AUTH2 keys keys KEYS a b",
    "MIGRATE h 1 k 0 5 KEYS a", "BITOP AND d a b", "BITFIELD k GET u8 0",
    "BITFIELD k GET u8 0 SET u8 0 1", "BITFIELD k OVERFLOW SAT GET u8 0",
    "BITFIELD k OVERFLOW SAT INCRBY u8 0 1", "BITFIELD k", "BITFIELD k GET u8",
    "BITFIELD_RO k GET u8 0", "PFCOUNT a b", "PFMERGE d a b", "PFMERGE d", "PFADD k a",
    "PFDEBUG ENCODING k", "LCS a b LEN", "PUBLISH c m", "SPUBLISH c m", "SUBSCRIBE c",
    "SSUBSCRIBE c d", "SUNSUBSCRIBE c", "PSUBSCRIBE p", "WATCH a b", "UNWATCH", "MULTI", "EXEC",
    "FLUSHALL", "FLUSHDB ASYNC", "SWAPDB 0 1", "PING", "ECHO k", "KEYS *", "SCAN 0 MATCH k",
    "RANDOMKEY", "DBSIZE", "INFO", "COMMAND GETKEYS GET k", "CLIENT KILL x", "CONFIG GET maxmemory",
    "FUNCTION LIST", "SCRIPT EXISTS x", "WAIT 0 0", "ZADD k 1 m", "ZPOPMIN k", "ZRANGE k 0 -1",
    "SPOP k", "SRANDMEMBER k", "HSET k f v", "HRANDFIELD k 1", "SETRANGE k 0 v", "SUBSTR k 0 1",
    "GETBIT k 0", "STRLEN k", "EXPIRE k 1 NX", "PEXPIREAT k 1", "PERSIST k", "TYPE k", "nosuch k",
};
// clang-format on

TEST_F(KeysServerTest, ShapesOfEveryKind) {
  std::vector<Words> commands;
  for (const char* shape : kShapes) commands.push_back(Split(shape));
  EXPECT_GT(Compare(commands), 120u);
}

TEST_F(KeysServerTest, EveryCommandWithRandomArguments) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Words pool = Split(
      "k1 k2 k3 k4 k5 k6 1 2 3 4 0 -1 01 -0 1.0 99999999999999999999 STORE store StoreDist STREAMS "
      "streams KEYS keys COUNT BLOCK GROUP NOACK DB GET get SET LIMIT BY AUTH AUTH2 REPLACE "
      "OVERFLOW INCRBY '' * >");
  for (const std::string_view word : {"STREAMS\0x"sv, "store\0"sv, "1\0"sv, "x y"sv}) {
    pool.emplace_back(word);
  }
  size_t with_keys = 0;
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    const size_t bar = spec->name.find('|');
    Words head = {spec->name.substr(0, bar)};
    if (bar != std::string::npos) head.push_back(spec->name.substr(bar + 1));
    const bool movable = (spec->flags & kMovableKeys) != 0 || spec->key_specs.size() > 1 ||
                         spec->id == CommandId::kSet || spec->id == CommandId::kBitfield;
    std::vector<Words> commands;
    for (int i = 0; i < (movable ? 400 : 20); ++i) {
      Words words = head;
      for (std::string& word : words) {
        if (random() % 2 == 0) word[0] = static_cast<char>(std::toupper(word[0]));
      }
      const size_t least = static_cast<size_t>(std::abs(spec->arity));
      const size_t size = spec->arity > 0 && random() % 8 != 0 ? least : least + random() % 8;
      while (words.size() < size) words.push_back(pool[random() % pool.size()]);
      commands.push_back(std::move(words));
    }
    with_keys += Compare(commands);
    if (HasFailure()) return;
  }
  EXPECT_GT(with_keys, 3000u);
}

TEST_F(KeysServerTest, ShapesWithWordsChangedMovedAndDropped) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<Words> shapes;
  for (const char* shape : kShapes) shapes.push_back(Split(shape));
  std::vector<Words> commands;
  for (int i = 0; i < 20'000; ++i) {
    Words words = shapes[random() % shapes.size()];
    const Words& other = shapes[random() % shapes.size()];
    for (unsigned changes = 1 + random() % 2; changes > 0; --changes) {
      const size_t at = 1 + random() % words.size();
      const std::string& word = other[random() % other.size()];
      switch (random() % 4) {
        case 0:
          words.insert(words.begin() + static_cast<std::ptrdiff_t>(at), word);
          break;
        case 1:
          if (at < words.size()) words[at] = word;
          break;
        case 2:
          if (at < words.size()) std::swap(words[at], words[1 + random() % (words.size() - 1)]);
          break;
        default:
          if (at < words.size()) words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    commands.push_back(std::move(words));
  }
  EXPECT_GT(Compare(commands), 5000u);
}

// Where GETKEYS itself is wrong, the execution decides.
TEST_F(KeysServerTest, WhatTheServerExecutesIsWhatCounts) {
  ASSERT_TRUE(client_.Call({"XGROUP", "CREATE", "k", "g", "0", "MKSTREAM"}).ok());
  ASSERT_TRUE(client_.Call({"XADD", "k", "*", "f", "v"}).ok());
  const Words read = Split("XREADGROUP COUNT 1 GROUP g streams STREAMS k >");
  const Value got = client_.Call(read);
  ASSERT_EQ(got.elements.size(), 1u) << test::Render(got);
  EXPECT_EQ(got.elements[0].elements[0].text, "k");
  Found ours{};
  Ours(read, ours);
  ASSERT_EQ(ours.positions.size(), 1u);
  EXPECT_EQ(ours.positions[0].first, "k");

  ASSERT_TRUE(client_.Call({"RPUSH", "list", "1"}).ok());
  const Words sort = Split("SORT list STORE limit STORE d");
  ASSERT_TRUE(client_.Call(sort).ok());
  EXPECT_EQ(client_.Call({"EXISTS", "d"}).integer, 1);
  EXPECT_EQ(client_.Call({"EXISTS", "limit"}).integer, 0);
  Ours(sort, ours);
  ASSERT_EQ(ours.positions.size(), 2u);
  EXPECT_EQ(ours.positions[1].first, "d");

  ASSERT_TRUE(client_.Call({"GEOADD", "geo", "1", "2", "m"}).ok());
  ASSERT_TRUE(client_.Call({"SET", "last", "x"}).ok());
  ASSERT_TRUE(client_.Call(Split("SORT empty STORE GET store last")).ok());
  EXPECT_EQ(client_.Call({"EXISTS", "last"}).integer, 0) << "GETKEYS would have it that GET is";

  const Words radius = Split("GEORADIUS geo 1 2 3 m STOREDIST a STORE store");
  ASSERT_TRUE(client_.Call(radius).ok());
  EXPECT_EQ(client_.Call({"EXISTS", "a"}).integer, 0);
  EXPECT_EQ(client_.Call({"EXISTS", "store"}).integer, 1);
  Ours(radius, ours);
  ASSERT_EQ(ours.positions.size(), 2u);
  EXPECT_EQ(ours.positions[1].first, "store");
}

}  // namespace
}  // namespace crossfade::routing
