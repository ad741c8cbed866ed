// Scripts and functions.
#include <openssl/evp.h>

#include <array>

#include "tests/support/random_commands.h"

namespace crossfade::test {
namespace {

std::string Sha1Of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

// Functions with these bodies, whose details differ from version to version.
std::string LibraryText(const std::string& version) {
  const auto function = [](const std::string& name, const std::string& body) {
    return "redis.register_function('" + name + "', function(keys, args) " + body + " end) ";
  };
  return "#!lua name=hot\n" +
         function("count", "return redis.call('HINCRBY', keys[1], args[1], " + version + ")") +
         function("stamp", "return redis.call('HSET', keys[1], args[1], redis.call('TIME')[2])") +
         function("limit",
                  "local n = redis.call('HINCRBY', keys[1], 'n', 1) if n % 4 == 1 then "
                  "redis.call('PEXPIRE', keys[1], 40 * args[1] + " +
                      version + ") end return n") +
         function("half",
                  "redis.call('HSET', keys[1], args[1], 'before') if args[1] % 2 == 0 then "
                  "return redis.call('INCR', keys[1]) end return redis.error_reply('ERR mine')") +
         function("order",
                  "redis.call('HSET', keys[1], 'all', table.concat(redis.call('HKEYS', keys[2]), "
                  "',')) return 'done'") +
         "redis.register_function{function_name='look', flags={'no-writes'}, "
         "callback=function(keys, args) return redis.call('HLEN', keys[1]) end}";
}

}  // namespace

// Declared keys alone; each does as its comment says.
const RandomCommands::Text RandomCommands::kTexts[] = {
    // The same on every store.
    {{kNumber}, "return redis.call('INCRBY', KEYS[1], ARGV[1])"},
    {{kHash, kHash},
     "redis.call('HSET', KEYS[1], 'f1', ARGV[1]) return redis.call('HSET', KEYS[2], 'f2', "
     "ARGV[1])"},
    {{kList},
     "if redis.call('LLEN', KEYS[1]) < 20 then return redis.call('RPUSH', KEYS[1], ARGV[1]) end "
     "return redis.call('LPOP', KEYS[1])"},
    {{kZset}, "return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1])"},
    {{kText, kText, kNumber},
     "for i, key in ipairs(KEYS) do redis.call('APPEND', key, i) end return #KEYS"},
    {{kSet, kSet, kSet}, "return redis.call('SUNIONSTORE', KEYS[1], KEYS[2], KEYS[3])"},
    {{kText, kText}, "return redis.call('MSET', KEYS[1], ARGV[1], KEYS[2], ARGV[1])"},
    // What one key holds decides what becomes of another.
    {{kText, kHash},
     "if redis.call('EXISTS', KEYS[2]) == 1 then return redis.call('SET', KEYS[1], ARGV[1]) end "
     "return redis.call('DEL', KEYS[1])"},
    {{kText, kText},
     "if redis.call('EXISTS', KEYS[2]) == 1 then return redis.call('RENAME', KEYS[2], KEYS[1]) "
     "end"},
    // Serves who waits, behind all of it.
    {{kList, kList},
     "redis.call('RPUSH', KEYS[1], ARGV[1], 'x') redis.call('LPUSH', KEYS[2], ARGV[1]) return "
     "redis.call('LPOP', KEYS[1])"},
    {{kList, kList}, "return redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')"},
    {{kZset, kZset},
     "redis.call('ZADD', KEYS[1], ARGV[1], 'w') return redis.call('ZPOPMIN', KEYS[2])"},
    // By the clock, by chance, in no order, with ids that the store gives.
    {{kText}, "local t = redis.call('TIME') return redis.call('SET', KEYS[1], t[1] .. t[2])"},
    {{kSet}, "return redis.call('SADD', KEYS[1], math.random(1000), ARGV[1])"},
    {{kSet, kSet},
     "local m = redis.call('SPOP', KEYS[1]) if m then return redis.call('SADD', KEYS[2], m) end "
     "return 0"},
    {{kList, kSet},
     "redis.call('DEL', KEYS[1]) for _, m in ipairs(redis.call('SMEMBERS', KEYS[2])) do "
     "redis.call('RPUSH', KEYS[1], m) end return redis.call('LLEN', KEYS[1])"},
    {{kText, kHash},
     "redis.call('SET', KEYS[1], table.concat(redis.call('HGETALL', KEYS[2]), ',')) return 1"},
    {{kText, kSet}, "return redis.call('SET', KEYS[1], redis.call('SRANDMEMBER', KEYS[2]) or '')"},
    {{kStream}, "redis.call('XADD', KEYS[1], '*', 'f', ARGV[1]) return 'added'"},
    // Deadlines: relative, handed on, read, taken away, passed.
    {{kText}, "return redis.call('SET', KEYS[1], 'v', 'PX', 40 * ARGV[1] + 1)"},
    {{kNumber},
     "local n = redis.call('INCR', KEYS[1]) if n % 3 == 1 then redis.call('PEXPIRE', KEYS[1], 100 "
     "* ARGV[1] + 1) end return n"},
    {{kText, kText},
     "redis.call('SET', KEYS[1], ARGV[1], 'EX', 5) redis.call('RENAME', KEYS[1], KEYS[2]) return "
     "1"},
    {{kHash, kText}, "redis.call('SET', KEYS[2], redis.call('PTTL', KEYS[1])) return 'read'"},
    {{kSet}, "redis.call('EXPIRE', KEYS[1], 3) return redis.call('PERSIST', KEYS[1])"},
    {{kZset}, "redis.call('ZADD', KEYS[1], 1, 'm') return redis.call('EXPIRE', KEYS[1], -1)"},
    {{kText}, "return redis.call('GETEX', KEYS[1], 'PX', 30 * ARGV[1] + 1)"},
    // They fail, and have written before.
    {{kText}, "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('LPUSH', KEYS[1], 'fails')"},
    {{kList, kList}, "redis.call('LPUSH', KEYS[1], ARGV[1]) error('on purpose ' .. KEYS[2])"},
    {{kHash}, "redis.call('HSET', KEYS[1], 'f3', ARGV[1]) return redis.error_reply('ERR mine')"},
    {{kNumber, kList},
     "redis.pcall('INCR', KEYS[2]) redis.call('DEL', KEYS[2]) return redis.call('INCR', KEYS[1])"},
    // They write nothing.
    {{kText}, "return redis.call('STRLEN', KEYS[1])"},
    {{kText}, "return redis.call('EXISTS', 'text:0', 'hash:1', KEYS[1])"},
};

// Keys that only these write, and that they do not declare; nothing else decides it.
const char* const RandomCommands::kUndeclaredTexts[] = {
    "return redis.call('INCR', 'private:' .. ARGV[1] % 4)",
    "return redis.call('SET', 'private:' .. ARGV[1] % 4, ARGV[1])",
    "redis.call('RPUSH', 'private:list', ARGV[1]) return redis.call('EXISTS', KEYS[1])",
};

RandomCommand RandomCommands::Script() {
  if (!options_.scripts) return StringRead();
  if (Chance(20)) return Function();
  const Text& text = kTexts[Int(0, std::ssize(kTexts) - 1)];
  if (Chance(1)) return {{"SCRIPT", "LOAD", text.text}, kStringReply};
  Args args = {"EVAL", text.text, std::to_string(text.keys.size())};
  if (Chance(30)) {
    args[0] = "EVALSHA";
    args[1] = Sha1Of(text.text);
  }
  for (const Kind kind : text.keys) args.push_back(Key(kind));
  args.push_back(Num(0, 40));
  return {std::move(args), kAnyReply};
}

RandomCommand RandomCommands::Function() {
  if (Chance(5)) return {{"FCALL_RO", "look", "1", Key(kHash)}, kIntegerReply};
  const std::string name = Pick("count", "stamp", "limit", "half", "order", "look");
  return {{"FCALL", name, "2", Key(kHash), Key(kHash), Num(0, 40)}, kAnyReply};
}

RandomCommand RandomCommands::Undeclared() {
  const char* text = kUndeclaredTexts[Int(0, std::ssize(kUndeclaredTexts) - 1)];
  return {{"EVAL", text, "1", Key(kText), Num(0, 40)}, kIntegerReply | kStatusReply};
}

RandomCommand RandomCommands::LibraryChange() {
  if (Chance(10)) return {{"FUNCTION", "DELETE", "hot"}, kStatusReply};
  if (Chance(5)) return {{"FUNCTION", "FLUSH"}, kStatusReply};
  if (Chance(5)) return {{"SCRIPT", "FLUSH"}, kStatusReply};
  return {{"FUNCTION", "LOAD", "REPLACE", LibraryText(Num(1, 3))}, kStringReply};
}

}  // namespace crossfade::test
