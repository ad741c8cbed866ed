// Commands that wait, and scripts.
#include "tests/support/random_commands.h"

namespace crossfade::test {

RandomCommand RandomCommands::Blocking() {
  if (!options_.blocking) return ListRead();
  const std::string timeout = "0.0" + Num(1, 3);
  const uint8_t popped = kArrayReply | kNilReply;
  switch (Int(0, 7)) {
    case 0: {
      Args args = {Pick("BLPOP", "BRPOP")};
      AppendMany(args, kList, 1, 3);
      args.push_back(timeout);
      return {std::move(args), popped};
    }
    case 1:
      return {
          {"BLMOVE", Key(kList), Key(kList), Pick("LEFT", "RIGHT"), Pick("LEFT", "RIGHT"), timeout},
          kStringReply | kNilReply};
    case 2:
      return {{"BRPOPLPUSH", Key(kList), Key(kList), timeout}, kStringReply | kNilReply};
    case 3:
      return {{"BLMPOP", timeout, "2", Key(kList), Key(kList), Pick("LEFT", "RIGHT"), "COUNT",
               Num(1, 4)},
              popped};
    case 4: {
      Args args = {Pick("BZPOPMIN", "BZPOPMAX")};
      AppendMany(args, kZset, 1, 3);
      args.push_back(timeout);
      return {std::move(args), popped};
    }
    case 5:
      return {
          {"BZMPOP", timeout, "2", Key(kZset), Key(kZset), Pick("MIN", "MAX"), "COUNT", Num(1, 4)},
          popped};
    case 6:
      return {{"XREAD", "COUNT", "2", "BLOCK", Num(1, 30), "STREAMS", Key(kStream),
               Chance(60) ? "$" : StreamId()},
              popped};
    default:
      if (!options_.groups) return ListRead();
      return {{"XREADGROUP", "GROUP", Group(), Consumer(), "COUNT", "2", "BLOCK", Num(1, 30),
               "STREAMS", Key(kStream), ">"},
              popped};
  }
}

RandomCommand RandomCommands::Script() {
  if (!options_.scripts) return StringRead();
  struct Text {
    Kind kind;
    int keys;
    const char* text;
  };
  // Deterministic ones, those by the clock or by chance, one that fails half way.
  static constexpr Text kTexts[] = {
      {kNumber, 1, "return redis.call('INCRBY', KEYS[1], ARGV[1])"},
      {kHash, 2,
       "redis.call('HSET', KEYS[1], 'f1', ARGV[1]) return redis.call('HSET', KEYS[2], 'f2', "
       "ARGV[1])"},
      {kList, 1,
       "if redis.call('LLEN', KEYS[1]) < 20 then return redis.call('RPUSH', KEYS[1], ARGV[1]) end "
       "return redis.call('LPOP', KEYS[1])"},
      {kText, 1, "local t = redis.call('TIME') return redis.call('SET', KEYS[1], t[1] .. t[2])"},
      {kSet, 1, "return redis.call('SADD', KEYS[1], math.random(1000), ARGV[1])"},
      {kSet, 2,
       "local m = redis.call('SPOP', KEYS[1]) if m then return redis.call('SADD', KEYS[2], m) end "
       "return 0"},
      {kText, 1,
       "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('LPUSH', KEYS[1], 'fails')"},
      {kZset, 1, "return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1])"},
      {kText, 1, "return redis.call('STRLEN', KEYS[1])"}};
  const Text& text = kTexts[Int(0, static_cast<int64_t>(std::size(kTexts)) - 1)];
  Args args = {"EVAL", text.text, std::to_string(text.keys)};
  for (int i = 0; i < text.keys; ++i) args.push_back(Key(text.kind));
  args.push_back(Num(0, 40));
  return {std::move(args), kAnyReply};
}

}  // namespace crossfade::test
