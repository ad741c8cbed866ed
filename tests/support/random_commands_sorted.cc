#include "tests/support/random_commands.h"

namespace crossfade::test {

std::string RandomCommands::Score() {
  const int64_t dice = Int(1, 100);
  if (dice == 1) return "+inf";
  if (dice == 2) return "-inf";
  return Num(-40, 40) + (Chance(40) ? "." + Num(0, 99) : "");
}

std::string RandomCommands::Bound() { return (Chance(20) ? "(" : "") + Score(); }

std::string RandomCommands::LexBound() {
  return Chance(20) ? Pick("-", "+") : Pick("[", "(") + Element();
}

RandomCommand RandomCommands::ZsetAdd() {
  Args args = {"ZADD", Key(kZset)};
  if (Chance(15)) {
    args.push_back("NX");
  } else {
    if (Chance(15)) args.push_back("XX");
    if (Chance(25)) args.push_back(Pick("GT", "LT"));
  }
  if (Chance(25)) args.push_back("CH");
  const bool increment = Chance(15);
  if (increment) args.push_back("INCR");
  for (int64_t i = increment ? 1 : Int(1, 5); i > 0; --i) {
    args.push_back(Score());
    args.push_back(Element());
  }
  return {std::move(args), kIntegerReply | kStringReply | kNilReply};
}

RandomCommand RandomCommands::ZsetWrite() {
  const std::string key = Key(kZset);
  switch (Int(0, 8)) {
    case 0:
      return {{"ZINCRBY", key, Score(), Element()}, kStringReply};
    case 1:
      return {{"ZREM", key, Element(), Element()}, kIntegerReply};
    case 2:
      return {{"ZREMRANGEBYRANK", key, Num(-4, 4), Num(-4, 4)}, kIntegerReply};
    case 3:
      return {{"ZREMRANGEBYSCORE", key, Bound(), Bound()}, kIntegerReply};
    case 4:
      if (options_.as_replicated) return {{"ZCARD", key}, kIntegerReply};
      return {{"ZREMRANGEBYLEX", key, LexBound(), LexBound()}, kIntegerReply};
    case 5:
      return {{Pick("ZPOPMIN", "ZPOPMAX"), key}, kArrayReply};
    case 6:
      return {{Pick("ZPOPMIN", "ZPOPMAX"), key, Num(0, 4)}, kArrayReply};
    case 7:
      return {{"ZMPOP", "2", key, Key(kZset), Pick("MIN", "MAX"), "COUNT", Num(1, 3)},
              kArrayReply | kNilReply};
    default:
      return {{"ZADD", key, Score(), Element(), Score(), Element()}, kIntegerReply};
  }
}

RandomCommand RandomCommands::ZsetStore() {
  const std::string to = Key(kZset);
  const std::string from = Key(kZset);
  switch (Int(0, 5)) {
    case 0:
      return {{"ZRANGESTORE", to, from, Num(-9, 3), Num(-3, 9)}, kIntegerReply};
    case 1:
      return {{"ZRANGESTORE", to, from, "-inf", Bound(), "BYSCORE", "LIMIT", "0", Num(1, 9)},
              kIntegerReply};
    case 2:
      return {{"ZDIFFSTORE", to, "2", from, Key(kZset)}, kIntegerReply};
    default: {
      // A set among the sources now and then: its members count 1.
      Args args = {Pick("ZUNIONSTORE", "ZINTERSTORE"), to, "2", from,
                   Key(Chance(20) ? kSet : kZset)};
      if (Chance(40)) args.insert(args.end(), {"WEIGHTS", Num(-3, 3), Num(1, 3) + ".5"});
      if (Chance(40)) args.insert(args.end(), {"AGGREGATE", Pick("SUM", "MIN", "MAX")});
      return {std::move(args), kIntegerReply};
    }
  }
}

RandomCommand RandomCommands::ZsetRead() {
  const std::string key = Key(kZset);
  switch (Int(0, 12)) {
    case 0:
      return {{"ZSCORE", key, Element()}, kStringReply | kNilReply};
    case 1:
      return {{"ZMSCORE", key, Element(), Element()}, kArrayReply};
    case 2:
      return {{Pick("ZRANK", "ZREVRANK"), key, Element()}, kIntegerReply | kNilReply};
    case 3:
      return {{"ZCARD", key}, kIntegerReply};
    case 4:
      return {{"ZCOUNT", key, Bound(), Bound()}, kIntegerReply};
    case 5:
      return {{"ZLEXCOUNT", key, LexBound(), LexBound()}, kIntegerReply};
    case 6:
      return {{Pick("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, Bound(), Bound(), "WITHSCORES"},
              kArrayReply};
    case 7:
      return {{"ZREVRANGE", key, Num(0, 3), Num(-3, 9)}, kArrayReply};
    case 8:
      return {{"ZRANDMEMBER", key, Num(-3, 3)}, kArrayReply};
    case 9:
      return {{Pick("ZUNION", "ZINTER", "ZDIFF"), "2", key, Key(kZset), "WITHSCORES"}, kArrayReply};
    case 10:
      return {{"ZSCAN", key, "0"}, kArrayReply};
    case 11:
      return {{"ZINTERCARD", "2", key, Key(kZset)}, kIntegerReply};
    default:
      return {{"ZRANGE", key, "0", "-1", "WITHSCORES"}, kArrayReply};
  }
}

RandomCommand RandomCommands::GeoWrite() {
  const std::string key = Key(kGeo);
  switch (Int(0, 4)) {
    case 0: {
      Args args = {"GEOSEARCHSTORE", Key(kGeo), key};
      if (Chance(60)) {
        args.insert(args.end(), {"FROMLONLAT", Num(-20, 20), Num(-20, 20)});
      } else {
        args.insert(args.end(), {"FROMMEMBER", Element()});
      }
      if (Chance(50)) {
        args.insert(args.end(), {"BYRADIUS", Num(100, 4000), "km"});
      } else {
        args.insert(args.end(), {"BYBOX", Num(100, 4000), Num(100, 4000), "km"});
      }
      args.push_back(Pick("ASC", "DESC"));
      if (Chance(50)) args.insert(args.end(), {"COUNT", Num(1, 10)});
      if (Chance(20)) args.push_back("STOREDIST");
      return {std::move(args), kIntegerReply};
    }
    case 1:
      return {
          {"GEORADIUS", key, Num(-20, 20), Num(-20, 20), Num(100, 4000), "km", "STORE", Key(kGeo)},
          kIntegerReply};
    default: {
      Args args = {"GEOADD", key};
      if (Chance(25)) args.push_back(Pick("NX", "XX"));
      if (Chance(25)) args.push_back("CH");
      for (int64_t i = Int(1, 4); i > 0; --i) {
        args.insert(args.end(),
                    {Num(-170, 170) + "." + Num(0, 99999), Num(-80, 80) + ".5", Element()});
      }
      return {std::move(args), kIntegerReply};
    }
  }
}

RandomCommand RandomCommands::GeoRead() {
  const std::string key = Key(kGeo);
  switch (Int(0, 4)) {
    case 0:
      return {{"GEODIST", key, Element(), Element(), "m"}, kStringReply | kNilReply};
    case 1:
      return {{"GEOPOS", key, Element(), Element()}, kArrayReply};
    case 2:
      return {{"GEOHASH", key, Element()}, kArrayReply};
    case 3:
      return {{"GEORADIUSBYMEMBER_RO", key, Element(), Num(100, 5000), "km"}, kArrayReply};
    default:
      return {{"GEOSEARCH", key, "FROMLONLAT", "5", "5", "BYRADIUS", Num(500, 9000), "km", "ASC"},
              kArrayReply};
  }
}

}  // namespace crossfade::test
