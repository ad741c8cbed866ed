#include "tests/support/random_commands.h"

namespace crossfade::test {

RandomCommand RandomCommands::HashWrite() {
  const std::string key = Key(kHash);
  switch (Int(0, 7)) {
    case 0:
      return {{"HSETNX", key, Name(), Bytes()}, kIntegerReply};
    case 1:
      return {{"HINCRBY", key, "n" + Num(0, 3), Num(-9, 9)}, kIntegerReply};
    case 2:
      return {{"HINCRBYFLOAT", key, "x" + Num(0, 3), Num(-9, 9) + ".25"}, kStringReply};
    case 3:
    case 4: {
      Args args = {"HDEL", key};
      for (int64_t i = Int(1, 3); i > 0; --i) args.push_back(Name());
      return {std::move(args), kIntegerReply};
    }
    default: {
      Args args = {Chance(80) ? "HSET" : "HMSET", key};
      for (int64_t i = Int(1, 4); i > 0; --i) {
        args.push_back(Name());
        args.push_back(Bytes());
      }
      return {std::move(args), kStatusReply | kIntegerReply};
    }
  }
}

RandomCommand RandomCommands::HashRead() {
  const std::string key = Key(kHash);
  switch (Int(0, 9)) {
    case 0:
      return {{"HMGET", key, Name(), Name()}, kArrayReply};
    case 1:
      return {{"HGETALL", key}, kArrayReply};
    case 2:
      return {{"HKEYS", key}, kArrayReply};
    case 3:
      return {{"HVALS", key}, kArrayReply};
    case 4:
      return {{"HLEN", key}, kIntegerReply};
    case 5:
      return {{"HEXISTS", key, Name()}, kIntegerReply};
    case 6:
      return {{"HSTRLEN", key, Name()}, kIntegerReply};
    case 7:
      return {{"HSCAN", key, "0", "COUNT", "100"}, kArrayReply};
    case 8:
      return {{"HRANDFIELD", key, Num(-4, 4), "WITHVALUES"}, kArrayReply};
    default:
      return {{"HGET", key, Name()}, kStringReply | kNilReply};
  }
}

RandomCommand RandomCommands::ListWrite() {
  const std::string key = Key(kList);
  const uint8_t popped = kStringReply | kNilReply | kArrayReply;
  switch (Int(0, 13)) {
    case 0:
      return {{Pick("LPOP", "RPOP"), key}, popped};
    case 1:
      return {{Pick("LPOP", "RPOP"), key, Num(0, 4)}, popped};
    case 2:
      return {{"LMPOP", "2", key, Key(kList), Pick("LEFT", "RIGHT"), "COUNT", Num(1, 4)}, popped};
    case 3:
      return {{"LMOVE", key, Key(kList), Pick("LEFT", "RIGHT"), Pick("LEFT", "RIGHT")}, popped};
    case 4:
      return {{"RPOPLPUSH", key, Key(kList)}, popped};
    case 5:
      return {{"LINSERT", key, Pick("BEFORE", "AFTER"), Element(), Element()}, kIntegerReply};
    case 6:
      return {{"LSET", key, Num(-6, 6), Element()}, kStatusReply};
    case 7:
      return {{"LREM", key, Num(-2, 2), Element()}, kIntegerReply};
    case 8:
      return {{"LTRIM", key, Num(-30, 3), Num(-4, 25)}, kStatusReply};
    case 9:
      return {{Pick("LPUSHX", "RPUSHX"), key, Element(), Bytes()}, kIntegerReply};
    default: {
      Args args = {Pick("LPUSH", "RPUSH"), key};
      for (int64_t i = Int(1, 5); i > 0; --i) args.push_back(Chance(90) ? Element() : Bytes());
      return {std::move(args), kIntegerReply};
    }
  }
}

RandomCommand RandomCommands::ListRead() {
  const std::string key = Key(kList);
  switch (Int(0, 3)) {
    case 0:
      return {{"LINDEX", key, Num(-9, 9)}, kStringReply | kNilReply};
    case 1:
      return {{"LLEN", key}, kIntegerReply};
    case 2:
      return {{"LPOS", key, Element(), "COUNT", Num(0, 3)}, kArrayReply};
    default:
      return {{"LRANGE", key, Num(-9, 3), Num(-3, 20)}, kArrayReply};
  }
}

RandomCommand RandomCommands::SetWrite() {
  const std::string key = Key(kSet);
  switch (Int(0, 10)) {
    case 0:
      return {{"SREM", key, Element(), Element()}, kIntegerReply};
    case 1:
      return {{"SPOP", key}, kStringReply | kNilReply};
    case 2:
      return {{"SPOP", key, Num(0, 5)}, kArrayReply};
    case 3:
      return {{"SMOVE", key, Key(kSet), Element()}, kIntegerReply};
    case 4:
    case 5: {
      Args args = {Pick("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"), key};
      AppendMany(args, kSet, 1, 3);
      return {std::move(args), kIntegerReply};
    }
    default: {
      Args args = {"SADD", key};
      for (int64_t i = Int(1, 6); i > 0; --i) args.push_back(Element());
      return {std::move(args), kIntegerReply};
    }
  }
}

RandomCommand RandomCommands::SetRead() {
  const std::string key = Key(kSet);
  switch (Int(0, 6)) {
    case 0:
      return {{"SISMEMBER", key, Element()}, kIntegerReply};
    case 1:
      return {{"SMISMEMBER", key, Element(), Element()}, kArrayReply};
    case 2:
      return {{"SRANDMEMBER", key, Num(-5, 5)}, kArrayReply};
    case 3:
      return {{"SCARD", key}, kIntegerReply};
    case 4:
      return {{Pick("SINTER", "SUNION", "SDIFF"), key, Key(kSet)}, kArrayReply};
    case 5:
      return {{"SINTERCARD", "2", key, Key(kSet), "LIMIT", Num(0, 5)}, kIntegerReply};
    default:
      return {{"SMEMBERS", key}, kArrayReply};
  }
}

}  // namespace crossfade::test
