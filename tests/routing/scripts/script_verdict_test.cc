// The judgement of scripts as a table, and that no text brings it down.
#include "routing/scripts/script_verdict.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

namespace crossfade::routing {
namespace {

enum Says : unsigned {
  kReads = 1,    // writes nothing
  kReplays = 2,  // may run on the follower
  kKeeps = 4,    // keeps to the declared keys
  kTimes = 8,    // may set a deadline
};

struct Case {
  const char* text;
  unsigned says;
  const char* reason = "";  // part of it
};

std::string Show(unsigned says) {
  std::string text;
  if ((says & kReads) != 0) text += " reads";
  if ((says & kReplays) != 0) text += " replays";
  if ((says & kKeeps) != 0) text += " keeps";
  if ((says & kTimes) != 0) text += " times";
  return text;
}

unsigned SaysOf(const ScriptVerdict& verdict) {
  return (verdict.writes ? 0u : kReads) | (verdict.replayable ? kReplays : 0u) |
         (verdict.undeclared ? 0u : kKeeps) | (verdict.sets_expiry ? kTimes : 0u);
}

void Check(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    const ScriptVerdict verdict = JudgeScript(one.text, CommandTable::Redis70());
    EXPECT_TRUE(verdict.seen);
    EXPECT_EQ(Show(SaysOf(verdict)), Show(one.says)) << one.text << "\nreason: " << verdict.reason;
    EXPECT_NE(verdict.reason.find(one.reason), std::string::npos)
        << one.text << "\nreason: " << verdict.reason;
    const bool good = verdict.replayable && !verdict.undeclared;
    EXPECT_EQ(verdict.reason.empty(), good) << one.text << "\nreason: " << verdict.reason;
  }
}

constexpr unsigned kFine = kReplays | kKeeps;

TEST(ScriptVerdictTest, PlainScriptsMayBeReplayed) {
  Check({
      {"", kFine | kReads},
      {"return 1", kFine | kReads},
      {"return redis.call('GET', KEYS[1])", kFine | kReads},
      {"return redis.call('set', KEYS[1], ARGV[1])", kFine},
      {"redis.call(\"INCR\", KEYS[1]) return redis.call('INCRBY', KEYS[2], 5)", kFine},
      {"return redis.pcall('HSET', KEYS[1], 'f', ARGV[1])", kFine},
      {"return redis['call']('DEL', KEYS[1])", kFine},
      {"return redis.call([[DEL]], KEYS[1])", kFine},
      {"return redis.call [==[PING]==]", kFine | kReads},
      {"return redis.call('D\\69L', KEYS[1])", kFine},
      {"-- redis.call('TIME')\n--[[ redis.call('TIME')\n]] return redis.call('DEL', KEYS[1])",
       kFine},
      {"local t = {} t[#t + 1] = redis.call('LPOP', KEYS[1]) return t", kFine},
      {"local x = tonumber(redis.call('GET', KEYS[1]) or '0')\n"
       "if x > 3 then redis.call('SET', KEYS[1], tostring(x - 1)) end return x",
       kFine},
      {"return {redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2]), #KEYS, ARGV[3]}", kFine},
      {"return redis.error_reply('no')", kFine | kReads},
      {"return {err = 'MINE is this'}", kFine | kReads},
      {"local ok = pcall(redis.call, 'INCR', KEYS[1]) return ok and 1 or 0", kFine},
      {"local ok, value = pcall(function() return redis.call('INCR', KEYS[1]) end) return value",
       kFine},
      {"return redis.call('XADD', KEYS[1], '1-1', 'f', ARGV[1])", kFine},
      {"return cjson.decode(ARGV[1]).x", kFine | kReads},
  });
}

TEST(ScriptVerdictTest, DeadlinesAreSeen) {
  Check({
      {"redis.call('SET', KEYS[1], 'v', 'EX', ARGV[1])", kFine | kTimes},
      {"redis.call('SET', KEYS[1], 'v', 'NX', 'PX', 100)", kFine | kTimes},
      {"redis.call('SETEX', KEYS[1], 10, 'v')", kFine | kTimes},
      {"redis.call('EXPIRE', KEYS[1], ARGV[1])", kFine | kTimes},
      {"redis.call('PEXPIRE', KEYS[1], 1, 'NX')", kFine | kTimes},
      {"redis.call('RENAME', KEYS[1], KEYS[2])", kFine | kTimes},
      {"redis.call('SET', KEYS[1], 'v', 'KEEPTTL')", kFine},
      {"redis.call('PERSIST', KEYS[1])", kFine},
      {"redis.call('EXPIRE', KEYS[1], 10, 'GT')", kKeeps, "EXPIRE depends on the moment"},
      {"redis.call('EXPIREAT', KEYS[1], ARGV[1])", kKeeps, "point in time"},
      {"redis.call('SET', KEYS[1], 'v', 'PXAT', ARGV[1])", kKeeps, "point in time"},
      {"redis.call('SET', KEYS[1], 'v', ARGV[2], ARGV[3])", kKeeps, "not literals"},
      {"redis.call('SET', KEYS[1], unpack(ARGV))", kKeeps, "not literals"},
      {"if redis.call('TTL', KEYS[1]) < 0 then redis.call('DEL', KEYS[1]) end", kKeeps,
       "line 1: TTL"},
  });
}

TEST(ScriptVerdictTest, WhatTheServerChoosesIsNotReplayed) {
  Check({
      {"local t = redis.call('TIME')\nredis.call('SET', KEYS[1], t[1])", kKeeps, "line 1: TIME"},
      {"redis.call('SADD', KEYS[1], redis.call('SPOP', KEYS[2]))", kKeeps,
       "SPOP chooses at random"},
      {"for _, m in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('RPUSH', KEYS[2], m) end",
       kKeeps, "SMEMBERS replies in no defined order"},
      {"local h = redis.call('HGETALL', KEYS[1]) redis.call('DEL', KEYS[1])", kKeeps, "HGETALL"},
      {"redis.call('XADD', KEYS[1], '*', 'f', 'v')", kKeeps, "lets the store choose the id"},
      {"redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10, '1-1', 'f', 'v')", kKeeps, "trims"},
      {"redis.call('XADD', KEYS[1], 'MAXLEN', 10, '1-1', 'f', 'v')", kFine},
      {"redis.call('XADD', KEYS[1], ARGV[1], 'f', 'v')", kKeeps, "not literals"},
      {"redis.call('SET', KEYS[1], math.random())", kKeeps, "'math.random' is random"},
      {"redis.call('SET', KEYS[1], 2 ^ 0.5)", kKeeps, "round"},
      {"redis.call('SET', KEYS[1], math.exp(ARGV[1]))", kKeeps, "round"},
      {"redis.call('SET', KEYS[1], tostring({}))", kKeeps, "tostring"},
      {"redis.call('SET', KEYS[1], tostring(redis.pcall('GET', KEYS[1])))", kKeeps, "tostring"},
      {"redis.call('SET', KEYS[1], tostring(redis.call('SET', KEYS[1], 1)))", kKeeps, "tostring"},
      {"redis.call('SET', KEYS[1], tostring(redis.call('GET', KEYS[1])))", kFine},
      {"local t = tostring redis.call('SET', KEYS[1], t({}))", kKeeps, "'tostring' is handed on"},
      {"ARGV[1] = {} redis.call('SET', KEYS[1], tostring(ARGV[1]))", kKeeps, "ARGV is changed"},
      {"for k, v in pairs(cjson.decode(ARGV[1])) do redis.call('RPUSH', KEYS[1], v) end", kKeeps,
       "'pairs' visits"},
      {"redis.call('SET', KEYS[1], cjson.encode(cjson.decode(ARGV[1])))", kKeeps,
       "no defined order"},
      {"redis.call('SET', KEYS[1], collectgarbage('count'))", kKeeps, "memory"},
      {"if next(ARGV) == nil then redis.call('DEL', KEYS[1]) end", kFine},
      {"redis.call('SET', KEYS[1], next(ARGV))", kKeeps, "'next' visits"},
      {"redis.setresp(3) redis.call('DEL', KEYS[1])", kKeeps, "redis.setresp"},
      {"redis.set_repl(redis.REPL_NONE) redis.call('DEL', KEYS[1])", kKeeps, "redis.set_repl"},
      {"redis.replicate_commands() redis.call('DEL', KEYS[1])", kKeeps, "replicate_commands"},
      {"redis.call('PUBLISH', 'c', 'm') redis.call('DEL', KEYS[1])", kKeeps, "PUBLISH"},
      {"redis.call('SORT', KEYS[1]) redis.call('DEL', KEYS[1])", kKeeps, "SORT"},
      {"redis.call('ZRANGE', KEYS[1], '[a', '[b', 'BYLEX') redis.call('DEL', KEYS[1])", kKeeps,
       "ZRANGE"},
      {"redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') redis.call('DEL', KEYS[1])", kFine},
      {"redis.call('SUBSCRIBE', 'c')", kKeeps, "SUBSCRIBE is not allowed in a script"},
      {"return redis.call('TIME')", kKeeps | kReads, "TIME"},
  });
}

TEST(ScriptVerdictTest, DeclaredKeysAreProvenThroughLocalsAndLoops) {
  Check({
      {"local key = KEYS[1] redis.call('DEL', key)", kFine},
      {"local a, b = KEYS[1], KEYS[2] redis.call('RPOPLPUSH', a, b)", kFine},
      {"local key if ARGV[1] then key = KEYS[1] else key = KEYS[2] end redis.call('DEL', key)",
       kFine},
      {"for i, key in ipairs(KEYS) do redis.call('SET', key, i) end", kFine},
      {"for i = 1, #KEYS do redis.call('SET', KEYS[i], i) end", kFine},
      {"for i = 1, #KEYS, 2 do redis.call('MSET', KEYS[i], 1, KEYS[i + 1], 2) end", kFine},
      {"redis.call('DEL', unpack(KEYS))", kFine},
      {"redis.call('DEL', KEYS[1], unpack(KEYS, 2))", kFine},
      {"redis.call('SADD', KEYS[1], unpack(ARGV))", kFine},
      {"redis.call('ZUNIONSTORE', KEYS[1], 2, KEYS[2], KEYS[3], 'WEIGHTS', ARGV[1], ARGV[2])",
       kFine},
      {"redis.call('ZUNIONSTORE', KEYS[1], #KEYS - 1, unpack(KEYS, 2))", kFine},
      {"local keys = KEYS redis.call('DEL', keys[1])", kFine},
      {"local call = redis.call call('DEL', KEYS[1])", kFine},
      {"local r = redis r.call('DEL', KEYS[1])", kFine},
      {"local function del(key) redis.call('DEL', key) end del(KEYS[1]) del(KEYS[2])", kFine},
      {"local function all(keys) for _, k in ipairs(keys) do redis.call('DEL', k) end end "
       "all(KEYS)",
       kFine},
      {"local function f(k, n) if n > 0 then redis.call('INCR', k) f(k, n - 1) end end f(KEYS[1], "
       "3)",
       kFine},
      {"local key = KEYS[2] or KEYS[1] redis.call('DEL', key)", kFine},
      {"redis.call('XREAD', 'COUNT', ARGV[1], 'STREAMS', KEYS[1], '0') redis.call('DEL', KEYS[1])",
       kFine},
      {"local op = 'DEL' redis.call(op, KEYS[1])", kFine},
  });
}

TEST(ScriptVerdictTest, UndeclaredKeysAreSuspected) {
  Check({
      {"redis.call('SET', 'fixed', 1)", kReplays, "a key of SET may not be declared"},
      {"redis.call('SET', ARGV[1], 1)", kReplays, "SET"},
      {"redis.call('SET', KEYS[1] .. ':x', 1)", kReplays, "SET"},
      {"local key = KEYS[1] key = key .. ':x' redis.call('DEL', key)", kReplays, "DEL"},
      {"redis.call('DEL', unpack(ARGV))", kReplays, "DEL"},
      {"redis.call('DEL', KEYS[1], 'other')", kReplays, "DEL"},
      {"redis.call('MSET', KEYS[1], 1, 'other', 2)", kReplays, "MSET"},
      {"redis.call('RENAME', KEYS[1], 'other')", kReplays | kTimes, "RENAME"},
      {"redis.call('ZUNIONSTORE', KEYS[1], 2, KEYS[2], ARGV[1])", kReplays, "ZUNIONSTORE"},
      {"redis.call('ZUNIONSTORE', KEYS[1], ARGV[1], KEYS[2], ARGV[2])", kReplays, "ZUNIONSTORE"},
      {"redis.call('SET', KEYS[1], redis.call('GET', 'other'))", kReplays, "GET"},
      {"KEYS[1] = 'other' redis.call('DEL', KEYS[1])", kReplays, "KEYS is changed"},
      {"table.insert(KEYS, 'other') redis.call('DEL', KEYS[#KEYS])", kReplays, "KEYS is handed on"},
      {"local k = KEYS k[1] = 'other' redis.call('DEL', KEYS[1])", kReplays, "KEYS is changed"},
      {"local t = {KEYS} t[1][1] = 'other' redis.call('DEL', KEYS[1])", kReplays, "handed on"},
      {"local function f(k) k[1] = 'other' end f(KEYS) redis.call('DEL', KEYS[1])", kReplays,
       "KEYS is changed"},
      {"local function f(key) redis.call('DEL', key) end f(KEYS[1]) f('other')", kReplays, "DEL"},
      {"local function f(key) redis.call('DEL', key) end local g = f g(ARGV[1])", kReplays, "DEL"},
      {"local KEYS = {'other'} redis.call('DEL', KEYS[1])", kReplays, "DEL"},
      {"for i, KEYS in ipairs({'a'}) do redis.call('DEL', KEYS) end", kReplays, "DEL"},
      {"redis.call('COPY', KEYS[1], KEYS[2], 'DB', 1)", kReplays | kTimes, "COPY"},
      {"redis.call('SELECT', 1) redis.call('DEL', KEYS[1])", 0, "SELECT"},
      {"redis.call('FLUSHALL')", 0, "FLUSHALL"},
      {"redis.call('DEL', unpack(redis.call('KEYS', ARGV[1])))", 0, "KEYS"},
      {"redis.call('SORT', KEYS[1], 'BY', 'w_*', 'STORE', KEYS[2])", 0, "SORT"},
      {"return redis.call('GET', ARGV[1])", kReplays | kReads, "GET"},
  });
}

TEST(ScriptVerdictTest, WhatMayCallUnderAnotherNameIsTrustedInNothing) {
  Check({
      {"redis.call(ARGV[1], KEYS[1])", 0, "not a literal"},
      {"redis.call('S' .. 'ET', KEYS[1], 1)", 0, "not a literal"},
      {"redis.call('NOSUCH', KEYS[1])", 0, "NOSUCH is not a known command"},
      {"redis.call('XGROUP', ARGV[1], KEYS[1])", 0, "subcommand"},
      {"redis.call()", 0},
      {"redis.call(unpack(ARGV))", 0, "not a literal"},
      {"local r = {redis} r[1].call('SET', 'k', 1)", kTimes, "handed on"},
      {"local c = {redis.call} c[1]('SET', 'k', 1)", kTimes, "handed on"},
      {"local function run(f, ...) return f(...) end run(redis.call, 'SET', 'k', 1)", kTimes},
      {"redis[ARGV[1]]('SET', 'k', 1)", kTimes, "no literal name"},
      {"return redis", kTimes, "handed on"},
      {"return redis.call", kTimes, "handed on"},
      {"loadstring(ARGV[1])()", kTimes, "'loadstring' may do anything"},
      {"_G.redis.call('SET', 'k', 1)", kTimes, "'_G' may do anything"},
      {"local e = getfenv() e.redis.call('SET', 'k', 1)", kTimes, "'getfenv' may do anything"},
      {"setmetatable({}, {__index = function() end})", kTimes, "setmetatable"},
      {"redis = {} ", kTimes, "handed on"},
      {"function redis.call() end", kTimes, "handed on"},
      {"string.format = 1", kTimes, "a global is changed"},
      {"local s = string return s.rep('x', 3)", kTimes, "'string' is handed on"},
      {"x = 1", kTimes, "'x' may do anything"},
      {"coroutine.wrap(function() redis.call('SET', 'k', 1) end)()", kTimes, "coroutine"},
      {"local call = redis.call call = print call('x')", kTimes},
  });
  for (const char* text : {"redis.call('SET', KEYS[1]", "return return", "\x1bLua\x51", "x = ", "'",
                           "--[[", "#!lua", "#!python\nreturn 1", "if", "a.b", "local 1", "~"}) {
    const ScriptVerdict verdict = JudgeScript(text, CommandTable::Redis70());
    EXPECT_EQ(SaysOf(verdict), unsigned{kTimes}) << text;
    EXPECT_FALSE(verdict.reason.empty());
  }
}

TEST(ScriptVerdictTest, ChangesOfAllKeysAreSeen) {
  const CommandTable& table = CommandTable::Redis70();
  EXPECT_TRUE(JudgeScript("if ARGV[1] then redis.call('flushdb') end", table).all_keys);
  EXPECT_TRUE(JudgeScript("redis.pcall('SWAPDB', 0, 1)", table).all_keys);
  EXPECT_FALSE(JudgeScript("redis.call('DEL', KEYS[1], 'FLUSHALL')", table).all_keys);
}

TEST(ScriptVerdictTest, TheFirstLineMayForbidWrites) {
  Check({
      {"#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])", kFine | kReads},
      {"#!lua flags=allow-stale,no-writes\nreturn redis.call('SET', KEYS[1], 1)", kFine | kReads},
      {"#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], 1)", kFine},
      {"#!lua\nreturn redis.call('TIME', KEYS[1])", kKeeps | kReads, "line 2: TIME"},
  });
}

TEST(ScriptVerdictTest, LibrariesAreJudgedFunctionByFunction) {
  const LibraryVerdict library = JudgeLibrary(R"(#!lua name=mylib
local limit = 3
local total = 0
local cache = {}
local find = string.find
local function add(key, n) return redis.call('INCRBY', key, n) end
local function good(keys, args) return add(keys[1], args[1] + limit) end
redis.register_function('good', good)
redis.register_function('clock', function(keys, args) return redis.call('SET', keys[1], redis.call('TIME')[1]) end)
redis.register_function('state', function(keys, args) total = total + 1 return redis.call('SET', keys[1], total) end)
redis.register_function('cached', function(keys, args) cache[1] = args[1] return redis.call('SET', keys[1], 1) end)
redis.register_function{function_name='reads', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}
redis.register_function('astray', function(keys, args) return redis.call('SET', args[1], 1) end)
redis.register_function('finds', function(keys, args) if find(args[1], 'x') then return add(keys[1], 1) end end)
)",
                                              CommandTable::Redis70());
  EXPECT_EQ(library.name, "mylib");
  const std::vector<std::pair<std::string, unsigned>> expected = {
      {"good", kFine},           {"clock", kKeeps},    {"state", kKeeps}, {"cached", kTimes},
      {"reads", kFine | kReads}, {"astray", kReplays}, {"finds", kFine}};
  ASSERT_EQ(library.functions.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(library.functions[i].name, expected[i].first);
    EXPECT_EQ(Show(SaysOf(library.functions[i].verdict)), Show(expected[i].second))
        << expected[i].first << ": " << library.functions[i].verdict.reason;
  }
}

TEST(ScriptVerdictTest, StateKeptByAFunctionThatRanAtTheLoadIsSeen) {
  const LibraryVerdict library = JudgeLibrary(R"(#!lua name=l
(function()
  local n = 0
  redis.register_function('f', function(keys) n = n + 1 return redis.call('SET', keys[1], n) end)
end)()
)",
                                              CommandTable::Redis70());
  ASSERT_EQ(library.functions.size(), 1u);
  EXPECT_EQ(SaysOf(library.functions[0].verdict), unsigned{kKeeps})
      << library.functions[0].verdict.reason;
}

TEST(ScriptVerdictTest, FunctionsThatCantBeNamedLeaveTheLibraryUnjudged) {
  for (const char* text :
       {"#!lua name=l\nfor i = 1, 3 do redis.register_function('f' .. i, function() end) end",
        "#!lua name=l\nlocal t = {f = function() end}\nredis.register_function('f', t.f)",
        "#!lua name=l\nredis.register_function("}) {
    EXPECT_TRUE(JudgeLibrary(text, CommandTable::Redis70()).functions.empty()) << text;
  }
}

TEST(ScriptVerdictTest, DeepAndLongTextsEnd) {
  const CommandTable& table = CommandTable::Redis70();
  const auto repeat = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  JudgeScript("return " + repeat("(", 20'000) + "1" + repeat(")", 20'000), table);
  JudgeScript("return 1" + repeat(" + 1", 20'000), table);
  JudgeScript("return 1" + repeat(" .. 1", 20'000), table);
  JudgeScript("return x" + repeat(".x", 20'000), table);
  JudgeScript("return x" + repeat(" or x", 20'000), table);
  JudgeScript("return f" + repeat("()", 20'000), table);
  JudgeScript(repeat("do ", 20'000), table);
  JudgeScript(repeat("local a = b ", 20'000), table);
  JudgeScript(repeat("--[[", 20'000), table);
  JudgeScript(repeat("{", 20'000), table);
  std::string chain = "local v0 = KEYS[1] ";
  for (int i = 1; i < 199; ++i) {
    chain += "local v" + std::to_string(i) + " = v" + std::to_string(i - 1) + " ";
  }
  EXPECT_FALSE(JudgeScript(chain + "redis.call('DEL', v198)", table).undeclared);
  EXPECT_TRUE(JudgeScript(std::string(kJudgedTextMax + 1, ' '), table).undeclared);
}

TEST(ScriptVerdictTest, RandomTextsEnd) {
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const std::vector<std::string> words = {
      "redis", ".",      "call",   "(",        ")",    "'SET'",  "KEYS",     "[",
      "]",     "1",      ",",      "local",    "x",    "=",      "function", "end",
      "if",    "then",   "for",    "in",       "do",   "ipairs", "{",        "}",
      "..",    "return", "#",      "and",      "or",   "not",    "[[",       "]]",
      "--",    "\n",     "\"",     "\\",       "...",  ":",      "repeat",   "until",
      "~=",    "ARGV",   "unpack", "tostring", "\x00", "\xff",   "'GET'",    ";"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += words[random() % words.size()] + " ";
    JudgeScript(text, CommandTable::Redis70());
    JudgeLibrary("#!lua name=x\n" + text, CommandTable::Redis70());
  }
}

}  // namespace
}  // namespace crossfade::routing
