#include "tests/support/random_commands.h"

namespace crossfade::test {

RandomCommand RandomCommands::Set() {
  const bool number = Chance(40);
  Args args = {"SET", Key(number ? kNumber : kText), number ? Num(-50, 1000) : Bytes()};
  if (Chance(20)) args.push_back(Pick("NX", "XX"));
  if (Chance(15)) args.push_back("GET");
  if (Chance(25)) AppendExpiry(args, /*keep_ttl=*/true);
  return {std::move(args), kStatusReply | kStringReply | kNilReply};
}

RandomCommand RandomCommands::StringWrite() {
  switch (Int(0, 11)) {
    case 0:
      return {{"SETNX", Key(kText), Bytes()}, kIntegerReply};
    case 1:
      return {{"GETSET", Key(kText), Bytes()}, kStringReply | kNilReply};
    case 2:
      return {{"GETDEL", Key(kText)}, kStringReply | kNilReply};
    case 3:
    case 4: {
      Args args = {"GETEX", Chance(50) ? Key(kText) : Key(kNumber)};
      if (options_.expiries && Chance(20)) {
        args.push_back("PERSIST");
      } else {
        AppendExpiry(args, /*keep_ttl=*/false);
      }
      return {std::move(args), kStringReply | kNilReply};
    }
    case 5:
      return {{"APPEND", Key(kText), Bytes()}, kIntegerReply};
    case 6:
      return {{"SETRANGE", Key(kText), Num(0, 200), Bytes()}, kIntegerReply};
    case 7:
    case 8: {
      Args args = {Chance(60) ? "MSET" : "MSETNX"};
      for (int64_t i = Int(1, 4); i > 0; --i) {
        args.push_back(Key(kText));
        args.push_back(Bytes());
      }
      return {std::move(args), kStatusReply | kIntegerReply};
    }
    case 9:
      if (!options_.expiries) return Set();
      return {{"SETEX", Key(kText), Num(1, 3), Bytes()}, kStatusReply};
    case 10:
      if (!options_.expiries) return Set();
      return {{"PSETEX", Key(kNumber), ShortOrLongMs(), Num(0, 99)}, kStatusReply};
    default:
      return {{"SET", Key(kText), Bytes()}, kStatusReply};
  }
}

RandomCommand RandomCommands::Counter() {
  switch (Int(0, 5)) {
    case 0:
      return {{"DECR", Key(kNumber)}, kIntegerReply};
    case 1:
      return {{"INCRBY", Key(kNumber), Num(-100, 100)}, kIntegerReply};
    case 2:
      return {{"DECRBY", Key(kNumber), Num(-100, 100)}, kIntegerReply};
    case 3:
      return {{"INCRBYFLOAT", Key(kNumber), Num(-9, 9) + "." + Num(0, 999)}, kStringReply};
    default:
      return {{"INCR", Key(kNumber)}, kIntegerReply};
  }
}

RandomCommand RandomCommands::Bits() {
  switch (Int(0, 6)) {
    case 0:
      return {{"SETBIT", Key(kText), Num(0, 900), Num(0, 1)}, kIntegerReply};
    case 1: {
      Args args = {"BITFIELD", Key(kText)};
      if (Chance(40))
        args.insert(args.end(),
                    {"OVERFLOW", Pick("WRAP", "SAT", options_.as_replicated ? "SAT" : "FAIL")});
      args.insert(args.end(),
                  {Pick("SET", "INCRBY"), Pick("u8", "i5", "u16"), Num(0, 300), Num(-20, 300)});
      if (Chance(50)) args.insert(args.end(), {"GET", "u4", "#" + Num(0, 20)});
      return {std::move(args), kArrayReply};
    }
    case 2:
      return {{"BITFIELD", Key(kText), "GET", "u8", Num(0, 200)}, kArrayReply};
    case 3: {
      Args args = {"BITOP", Pick("AND", "OR", "XOR"), Key(kText)};
      AppendMany(args, kText, 1, 3);
      return {std::move(args), kIntegerReply};
    }
    case 4:
      return {{"BITOP", "NOT", Key(kText), Key(kText)}, kIntegerReply};
    case 5:
      return {{"BITPOS", Key(kText), Num(0, 1)}, kIntegerReply};
    default:
      return {{"GETBIT", Key(kText), Num(0, 900)}, kIntegerReply};
  }
}

RandomCommand RandomCommands::StringRead() {
  switch (Int(0, 7)) {
    case 0: {
      Args args = {"MGET"};
      AppendMany(args, kText, 1, 5);
      return {std::move(args), kArrayReply};
    }
    case 1:
      return {{"STRLEN", Key(kText)}, kIntegerReply};
    case 2:
      return {{Pick("GETRANGE", "SUBSTR"), Key(kText), Num(-20, 20), Num(-20, 60)}, kStringReply};
    case 3:
      return {{"BITCOUNT", Key(kText), Num(0, 5), Num(-5, 9), Pick("BYTE", "BIT")}, kIntegerReply};
    case 4: {
      // Its time is the product of the lengths, so not of texts.
      Args args = {"LCS", Key(kNumber), Key(kNumber)};
      if (Chance(50)) args.push_back(Pick("LEN", "IDX"));
      return {std::move(args), kStringReply | kIntegerReply | kArrayReply};
    }
    case 5:
      return {{"BITFIELD_RO", Key(kText), "GET", "u8", Num(0, 99)}, kArrayReply};
    default:
      return {{"GET", Chance(60) ? Key(kText) : Key(kNumber)}, kStringReply | kNilReply};
  }
}

RandomCommand RandomCommands::HyperLogLog() {
  switch (Int(0, 4)) {
    case 0: {
      Args args = {"PFMERGE", Key(kHll)};
      AppendMany(args, kHll, 0, 2);
      return {std::move(args), kStatusReply};
    }
    case 1: {
      Args args = {"PFCOUNT"};
      AppendMany(args, kHll, 1, 2);
      return {std::move(args), kIntegerReply};
    }
    case 2:
      if (Chance(20)) return {{"DEL", Key(kHll)}, kIntegerReply};
      if (Chance(20)) return {{"RENAME", Key(kHll), Key(kHll)}, kStatusReply};
      [[fallthrough]];
    default: {
      Args args = {"PFADD", Key(kHll)};
      for (int64_t i = Int(0, 5); i > 0; --i) args.push_back(Num(0, 5000));
      return {std::move(args), kIntegerReply};
    }
  }
}

}  // namespace crossfade::test
