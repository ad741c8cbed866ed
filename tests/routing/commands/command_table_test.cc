#include "routing/commands/command_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>
#include <random>
#include <set>
#include <sstream>

#include "tests/routing/raw_client.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace {
size_t allocations = 0;
}

// Not inlined: the compiler would take malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace crossfade::routing {
namespace {

using test::Value;

constexpr std::pair<uint32_t, const char*> kFlagNames[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubsub, "pubsub"},
    {kNoscript, "noscript"},
    {kBlocking, "blocking"},
    {kNoMulti, "no_multi"},
    {kNoAuth, "no_auth"},
    {kMovableKeys, "movablekeys"},
    {kMayReplicate, "may_replicate"},
    {kAllowBusy, "allow_busy"},
};
constexpr std::pair<uint16_t, const char*> kSpecFlagNames[] = {
    {kSpecReadOnly, "RO"},
    {kSpecReadWrite, "RW"},
    {kSpecOverwrite, "OW"},
    {kSpecRemove, "RM"},
    {kSpecNotKey, "not_key"},
    {kSpecIncomplete, "incomplete"},
    {kSpecVariable, "variable_flags"},
};

std::string Join(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + ",";
  return text;
}

// Both sides are rendered as the server words them, and compared as text.
std::string Render(const KeySpec& spec) {
  std::ostringstream out;
  std::set<std::string> flags;
  for (const auto& [flag, name] : kSpecFlagNames) {
    if ((spec.flags & flag) != 0) flags.insert(name);
  }
  out << "[" << Join(flags);
  if (spec.begin == KeySpec::Begin::kIndex) out << " index " << spec.begin_index;
  if (spec.begin == KeySpec::Begin::kKeyword) {
    out << " keyword " << spec.keyword << " " << spec.begin_index;
  }
  if (spec.find == KeySpec::Find::kRange) {
    out << " range " << spec.last_key << " " << spec.step << " " << spec.limit;
  }
  if (spec.find == KeySpec::Find::kKeyNum) {
    out << " keynum " << spec.key_num_index << " " << spec.first_key << " " << spec.step;
  }
  out << "]";
  return out.str();
}

std::string Render(const CommandSpec& spec) {
  std::ostringstream out;
  std::set<std::string> flags;
  for (const auto& [flag, name] : kFlagNames) {
    if ((spec.flags & flag) != 0) flags.insert(name);
  }
  out << spec.arity << " " << Join(flags) << " " << spec.first_key << " " << spec.last_key << " "
      << spec.key_step << ((spec.flags & kContainer) != 0 ? " container" : "");
  for (const KeySpec& key_spec : spec.key_specs) out << Render(key_spec);
  return out.str();
}

const Value& Field(const Value& flat, const std::string& name) {
  static const Value kNone;
  for (size_t i = 0; i + 1 < flat.elements.size(); i += 2) {
    if (flat.elements[i].text == name) return flat.elements[i + 1];
  }
  return kNone;
}

template <class Flags, size_t n>
std::set<std::string> Known(const Value& set, const std::pair<Flags, const char*> (&names)[n]) {
  std::set<std::string> known;
  for (const Value& word : set.elements) {
    for (const auto& [flag, name] : names) {
      if (word.text == name) known.insert(name);
    }
  }
  return known;
}

std::string RenderKeySpec(const Value& spec) {
  std::ostringstream out;
  out << "[" << Join(Known(Field(spec, "flags"), kSpecFlagNames));
  const Value& begin = Field(spec, "begin_search");
  const Value& from = Field(begin, "spec");
  const std::string begin_type = Field(begin, "type").text;
  if (begin_type == "index") out << " index " << Field(from, "index").integer;
  if (begin_type == "keyword") {
    out << " keyword " << Field(from, "keyword").text << " " << Field(from, "startfrom").integer;
  }
  const Value& find = Field(spec, "find_keys");
  const Value& by = Field(find, "spec");
  const std::string find_type = Field(find, "type").text;
  if (find_type == "range") {
    out << " range " << Field(by, "lastkey").integer << " " << Field(by, "keystep").integer << " "
        << Field(by, "limit").integer;
  }
  if (find_type == "keynum") {
    out << " keynum " << Field(by, "keynumidx").integer << " " << Field(by, "firstkey").integer
        << " " << Field(by, "keystep").integer;
  }
  out << "]";
  return out.str();
}

void RenderCommands(const Value& commands, std::map<std::string, std::string>& out) {
  for (const Value& command : commands.elements) {
    ASSERT_EQ(command.elements.size(), 10u);
    std::ostringstream text;
    text << command.elements[1].integer << " " << Join(Known(command.elements[2], kFlagNames))
         << " " << command.elements[3].integer << " " << command.elements[4].integer << " "
         << command.elements[5].integer
         << (command.elements[9].elements.empty() ? "" : " container");
    for (const Value& spec : command.elements[8].elements) text << RenderKeySpec(spec);
    out[command.elements[0].text] = text.str();
    RenderCommands(command.elements[9], out);
  }
}

std::map<std::string, std::string> RenderAll(const CommandTable& table) {
  std::map<std::string, std::string> all;
  for (const CommandSpec* spec : table.All()) all[spec->name] = Render(*spec);
  return all;
}

TEST(CommandTableTest, BuiltInTableAndTheOneLaidOverAreWhatRedis70Replies) {
  test::RedisServer server;
  test::RedisClient client(server.port());
  const std::string info = client.Call({"INFO", "server"}).text;
  if (info.find("redis_version:7.0.") == std::string::npos) {
    GTEST_SKIP() << "the redis-server here is not 7.0";
  }
  std::map<std::string, std::string> expected;
  RenderCommands(client.Call({"COMMAND"}), expected);
  ASSERT_GT(expected.size(), 300u);
  EXPECT_EQ(RenderAll(CommandTable::Redis70()), expected);

  test::RawClient raw(server.port());
  raw.Send("COMMAND\r\n");
  const std::string resp2 = raw.ReadFrame();
  auto laid_over = CommandTable::FromCommandReply(resp2);
  ASSERT_TRUE(laid_over) << laid_over.error().message;
  EXPECT_EQ(RenderAll(*laid_over), expected);
  for (const CommandSpec* spec : laid_over->All()) {
    const CommandSpec* builtin = CommandTable::Redis70().FindName(spec->name);
    ASSERT_NE(builtin, nullptr) << spec->name;
    EXPECT_EQ(spec->id, builtin->id) << spec->name;
    EXPECT_EQ(spec->single_key_at_1, builtin->single_key_at_1) << spec->name;
  }

  raw.Send("HELLO 3\r\n");
  raw.ReadFrame();
  raw.Send("COMMAND\r\n");
  const std::string resp3 = raw.ReadFrame();
  ASSERT_NE(resp2, resp3);
  auto from_resp3 = CommandTable::FromCommandReply(resp3);
  ASSERT_TRUE(from_resp3) << from_resp3.error().message;
  EXPECT_EQ(RenderAll(*from_resp3), expected);
}

TEST(CommandTableTest, EveryCommandHasItsOwnId) {
  std::set<CommandId> ids;
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    EXPECT_NE(spec->id, CommandId::kOther) << spec->name;
    EXPECT_TRUE(ids.insert(spec->id).second) << spec->name;
    EXPECT_LT(static_cast<size_t>(spec->id), kCommandIds);
  }
  EXPECT_EQ(ids.size(), kCommandIds - 1);
  EXPECT_EQ(CommandTable::Redis70().FindName("xgroup|create")->id, CommandId::kXgroupCreate);
  EXPECT_EQ(CommandTable::Redis70().FindName("GET")->id, CommandId::kGet);
}

const CommandSpec* Find(std::initializer_list<std::string_view> args) {
  return CommandTable::Redis70().Find(Args(args.begin(), args.size()));
}

std::string FoundName(std::initializer_list<std::string_view> args) {
  const CommandSpec* spec = Find(args);
  return spec == nullptr ? "" : spec->name;
}

TEST(CommandTableTest, FindsInAnyCase) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    for (int i = 0; i < 8; ++i) {
      std::string name = spec->name;
      for (char& c : name) {
        if (c >= 'a' && c <= 'z' && random() % 2 == 0) c = static_cast<char>(c - 32);
      }
      EXPECT_EQ(CommandTable::Redis70().FindName(name), spec) << name;
      const size_t bar = name.find('|');
      if (bar == std::string::npos) {
        EXPECT_EQ(Find({name}), spec) << name;
        EXPECT_EQ(Find({name, "\xff none"}), spec) << name;
      } else {
        EXPECT_EQ(Find({name.substr(0, bar), name.substr(bar + 1)}), spec) << name;
        EXPECT_EQ(Find({name.substr(0, bar), name.substr(bar + 1), "x"}), spec) << name;
        EXPECT_EQ(Find({name}), nullptr) << "a client can't spell a subcommand so";
      }
    }
  }
}

TEST(CommandTableTest, FindsNothingElse) {
  std::map<std::string, const CommandSpec*> known;
  for (const CommandSpec* spec : CommandTable::Redis70().All()) known[spec->name] = spec;
  const auto expected = [&](std::string name) {
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    const auto found = known.find(name);
    return found == known.end() || name.find('|') != std::string::npos ? nullptr : found->second;
  };
  for (const auto& [name, spec] : known) {
    for (size_t i = 0; i < name.size(); ++i) {
      std::string changed = name;
      for (int byte = 0; byte < 256; ++byte) {
        changed[i] = static_cast<char>(byte);
        ASSERT_EQ(Find({changed}), expected(changed)) << testing::PrintToString(changed);
      }
      ASSERT_EQ(Find({name.substr(0, i)}), expected(name.substr(0, i)));
      ASSERT_EQ(Find({name.substr(i)}), expected(name.substr(i)));
    }
    ASSERT_EQ(Find({name + '\0'}), nullptr);
    ASSERT_EQ(Find({name + std::string(300, 'x')}), nullptr);
  }
  EXPECT_EQ(Find({""}), nullptr);
  EXPECT_EQ(Find({}), nullptr);
  EXPECT_EQ(Find({std::string_view("\0\0\0", 3)}), nullptr);
  EXPECT_EQ(Find({std::string_view("get\0", 4)}), nullptr);
  EXPECT_EQ(Find({std::string(1 << 20, 'g')}), nullptr);
  EXPECT_EQ(CommandTable::Redis70().FindName(""), nullptr);
  EXPECT_EQ(CommandTable::Redis70().FindName("|"), nullptr);
  EXPECT_EQ(CommandTable::Redis70().FindName("get|"), nullptr);
  EXPECT_EQ(CommandTable::Redis70().FindName("xgroup|"), nullptr);
}

TEST(CommandTableTest, ContainersAnswerForSubcommandsTheyDontHave) {
  EXPECT_EQ(FoundName({"XGROUP"}), "xgroup");
  EXPECT_EQ(FoundName({"XGROUP", "Create", "k"}), "xgroup|create");
  EXPECT_EQ(FoundName({"XGROUP", "nosuch", "k"}), "xgroup");
  EXPECT_EQ(FoundName({"XGROUP", ""}), "xgroup");
  EXPECT_EQ(FoundName({"CLIENT", "create"}), "client") << "another container's subcommand";
  EXPECT_EQ(FoundName({"GET", "create"}), "get");
}

TEST(CommandTableTest, FindAllocatesNothing) {
  const std::string_view args[] = {"XGROUP", "CREATE", "key"};
  const std::string_view get[] = {"GeT", "key"};
  const std::string_view unknown[] = {"a name longer than any command's is", "key"};
  const CommandTable& table = CommandTable::Redis70();
  const size_t before = allocations;
  const bool found =
      table.Find(args) != nullptr && table.Find(get) != nullptr && table.Find(unknown) == nullptr;
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(found);
}

TEST(CommandTableTest, SaysWhoseOnlyKeyIsTheFirstArgument) {
  const auto single = [](std::string_view name) {
    return CommandTable::Redis70().FindName(name)->single_key_at_1;
  };
  for (const char* name : {"get", "set", "hset", "zadd", "bitfield", "lpush", "georadius_ro",
                           "xadd", "expire", "spop", "incr", "restore"}) {
    EXPECT_TRUE(single(name)) << name;
  }
  for (const char* name : {"mget",
                           "del",
                           "mset",
                           "rename",
                           "copy",
                           "move",
                           "eval",
                           "xread",
                           "ping",
                           "sort",
                           "georadius",
                           "bitop",
                           "object|encoding",
                           "xgroup",
                           "blpop",
                           "spublish",
                           "publish",
                           "lmpop",
                           "touch",
                           "migrate"}) {
    EXPECT_FALSE(single(name)) << name;
  }
}

}  // namespace
}  // namespace crossfade::routing
