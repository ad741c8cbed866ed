// The model stores' commands on strings and on keys of any type.
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "tests/sim/store_call.h"

namespace crossfade::sim {
namespace {

// ---- Strings

// Of EX, PX, EXAT and PXAT; -2: not a number.
int64_t DeadlineOf(Call& c, std::string_view word, std::string_view number) {
  int64_t time = 0;
  if (!routing::ParseInteger(number, time)) return -2;
  if (IsToken(word, "EX")) return c.store.NowMs() + time * 1'000;
  if (IsToken(word, "PX")) return c.store.NowMs() + time;
  return IsToken(word, "EXAT") ? time * 1'000 : time;
}

std::string SetCommand(Call& c) {
  bool nx = false, xx = false, get = false, keep = false;
  int64_t deadline = -1;
  for (size_t i = 3; i < c.args.size(); ++i) {
    if (IsToken(c.args[i], "NX")) {
      nx = true;
    } else if (IsToken(c.args[i], "XX")) {
      xx = true;
    } else if (IsToken(c.args[i], "GET")) {
      get = true;
    } else if (IsToken(c.args[i], "KEEPTTL")) {
      keep = true;
    } else if (i + 1 < c.args.size()) {
      deadline = DeadlineOf(c, c.args[i], c.args[i + 1]);
      ++i;
    } else {
      return kSyntax;
    }
  }
  const Entry* old = c.Find(c.args[1]);
  std::string was = kNil;
  if (get && old != nullptr) {
    const auto* text = std::get_if<std::string>(old->value.get());
    if (text == nullptr) return kWrongType;
    was = Bulk(*text);
  }
  if ((nx && old != nullptr) || (xx && old == nullptr)) return get ? was : kNil;
  if (keep && old != nullptr) deadline = old->deadline_ms;
  c.Put(c.args[1], c.Arg(2), deadline);
  return get ? was : kOk;
}

std::string Setex(Call& c) {
  const bool seconds = c.args[0] == "SETEX";
  c.Put(c.args[1], c.Arg(3), DeadlineOf(c, seconds ? "EX" : "PX", c.args[2]));
  return kOk;
}

std::string Setnx(Call& c) {
  if (c.Find(c.args[1]) != nullptr) return Integer(0);
  c.Put(c.args[1], c.Arg(2), -1);
  return Integer(1);
}

std::string Getset(Call& c) {
  std::string old;
  int64_t deadline = 0;
  const bool was = c.Find(c.args[1]) != nullptr;
  if (!c.Open(c.args[1], old, deadline)) return kWrongType;
  c.Put(c.args[1], c.Arg(2), -1);
  return was ? Bulk(old) : kNil;
}

std::string Getdel(Call& c) {
  std::string old;
  int64_t deadline = 0;
  if (c.Find(c.args[1]) == nullptr) return kNil;
  if (!c.Open(c.args[1], old, deadline)) return kWrongType;
  c.store.Erase(c.db, c.args[1]);
  return Bulk(old);
}

std::string Getex(Call& c) {
  std::string text;
  int64_t deadline = 0;
  if (c.Find(c.args[1]) == nullptr) return kNil;
  if (!c.Open(c.args[1], text, deadline)) return kWrongType;
  if (c.args.size() > 3) deadline = DeadlineOf(c, c.args[2], c.args[3]);
  if (c.args.size() == 3) deadline = -1;  // PERSIST
  c.Put(c.args[1], text, deadline);
  return Bulk(text);
}

std::string Append(Call& c) {
  std::string text;
  int64_t deadline = 0;
  if (!c.Open(c.args[1], text, deadline)) return kWrongType;
  text += c.args[2];
  const auto size = static_cast<int64_t>(text.size());
  c.Put(c.args[1], std::move(text), deadline);
  return Integer(size);
}

std::string Add(Call& c, int64_t change) {
  std::string text;
  int64_t deadline = 0, number = 0;
  if (!c.Open(c.args[1], text, deadline)) return kWrongType;
  if (!text.empty() && !routing::ParseRedisInteger(text, number)) return kNotInteger;
  if (__builtin_add_overflow(number, change, &number)) return kNotInteger;
  c.Put(c.args[1], std::to_string(number), deadline);
  return Integer(number);
}
std::string Incr(Call& c) { return Add(c, 1); }
std::string Decr(Call& c) { return Add(c, -1); }
std::string Incrby(Call& c) {
  int64_t change = 0;
  return routing::ParseRedisInteger(c.args[2], change) ? Add(c, change) : kNotInteger;
}

std::string Incrbyfloat(Call& c) {
  std::string text;
  int64_t deadline = 0;
  if (!c.Open(c.args[1], text, deadline)) return kWrongType;
  char* end = nullptr;
  const double number = text.empty() ? 0 : std::strtod(text.c_str(), &end);
  if (!text.empty() && *end != '\0') return "-ERR value is not a valid float\r\n";
  char shown[40];
  std::snprintf(shown, sizeof shown, "%.17g", number + std::strtod(c.Arg(2).c_str(), nullptr));
  c.Put(c.args[1], std::string(shown), deadline);
  return Bulk(shown);
}

std::string Setrange(Call& c) {
  std::string text;
  int64_t deadline = 0, offset = 0;
  if (!routing::ParseRedisInteger(c.args[2], offset) || offset < 0) return kNotInteger;
  if (!c.Open(c.args[1], text, deadline)) return kWrongType;
  const auto at = static_cast<size_t>(offset);
  if (text.size() < at + c.args[3].size()) text.resize(at + c.args[3].size());
  text.replace(at, c.args[3].size(), c.args[3]);
  const auto size = static_cast<int64_t>(text.size());
  c.Put(c.args[1], std::move(text), deadline);
  return Integer(size);
}

std::string Mset(Call& c) {
  for (size_t i = 1; i + 1 < c.args.size(); i += 2) c.Put(c.args[i], c.Arg(i + 1), -1);
  return kOk;
}

std::string Msetnx(Call& c) {
  for (size_t i = 1; i < c.args.size(); i += 2) {
    if (c.Find(c.args[i]) != nullptr) return Integer(0);
  }
  Mset(c);
  return Integer(1);
}

std::string Mget(Call& c) {
  std::string frame;
  routing::AppendHead(frame, '*', static_cast<int64_t>(c.args.size() - 1));
  for (const std::string_view name : c.args.subspan(1)) {
    const Entry* entry = c.Find(name);
    const auto* text = entry == nullptr ? nullptr : std::get_if<std::string>(entry->value.get());
    frame += text == nullptr ? kNil : Bulk(*text);
  }
  return frame;
}

// ---- Keys of any type

std::string Del(Call& c) {
  int64_t removed = 0;
  for (const std::string_view name : c.args.subspan(1)) removed += c.store.Erase(c.db, name);
  return Integer(removed);
}

std::string Expire(Call& c) {
  const std::string_view name = c.args[0];
  const std::string_view word = name == "EXPIRE"     ? "EX"
                                : name == "PEXPIRE"  ? "PX"
                                : name == "EXPIREAT" ? "EXAT"
                                                     : "PXAT";
  const int64_t deadline = DeadlineOf(c, word, c.args[2]);
  if (deadline == -2) return kNotInteger;
  const Entry* entry = c.Find(c.args[1]);
  if (entry == nullptr) return Integer(0);
  const bool gt = c.args.size() > 3 && IsToken(c.args[3], "GT");
  if (gt && (entry->deadline_ms < 0 || deadline <= entry->deadline_ms)) return Integer(0);
  c.store.Put(c.db, c.args[1], {entry->value, deadline < 0 ? 0 : deadline});
  return Integer(1);
}

std::string Persist(Call& c) {
  const Entry* entry = c.Find(c.args[1]);
  if (entry == nullptr || entry->deadline_ms < 0) return Integer(0);
  c.store.Put(c.db, c.args[1], {entry->value, -1});
  return Integer(1);
}

std::string Rename(Call& c) {
  const bool nx = c.args[0] == "RENAMENX";
  const Entry* from = c.Find(c.args[1]);
  if (from == nullptr) return kNoKey;
  const Entry moved = *from;
  if (nx && c.Find(c.args[2]) != nullptr) return Integer(0);
  c.store.Erase(c.db, c.args[1]);
  c.store.Put(c.db, c.args[2], moved);
  return nx ? Integer(1) : kOk;
}

std::string Copy(Call& c) {
  uint32_t to = c.db;
  bool replace = false;
  for (size_t i = 3; i < c.args.size(); ++i) {
    if (IsToken(c.args[i], "REPLACE")) replace = true;
    if (IsToken(c.args[i], "DB")) to = c.args[++i] == "1" ? 1 : 0;
  }
  const Entry* from = c.Find(c.args[1]);
  if (from == nullptr) return Integer(0);
  const Entry copied = *from;
  if (to == c.db && c.args[1] == c.args[2])
    return "-ERR source and destination objects are the same\r\n";
  if (!replace && c.store.Find(to, c.args[2]) != nullptr) return Integer(0);
  c.store.Put(to, c.args[2], copied);
  return Integer(1);
}

std::string Move(Call& c) {
  const uint32_t to = c.args[2] == "1" ? 1 : 0;
  if (to == c.db) return "-ERR source and destination objects are the same\r\n";
  const Entry* from = c.Find(c.args[1]);
  if (from == nullptr) return Integer(0);
  const Entry moved = *from;
  if (c.store.Find(to, c.args[1]) != nullptr) return Integer(0);
  c.store.Erase(c.db, c.args[1]);
  c.store.Put(to, c.args[1], moved);
  return Integer(1);
}

std::string Restore(Call& c) {
  bool replace = false, absolute = false;
  for (size_t i = 4; i < c.args.size(); ++i) {
    replace = replace || IsToken(c.args[i], "REPLACE");
    absolute = absolute || IsToken(c.args[i], "ABSTTL");
  }
  int64_t ttl = 0;
  if (!routing::ParseRedisInteger(c.args[2], ttl) || ttl < 0) return kNotInteger;
  if (!replace && c.Find(c.args[1]) != nullptr)
    return "-BUSYKEY Target key name already exists.\r\n";
  ValueRef value = Undump(c.args[3]);
  if (!value) return "-ERR Bad data format\r\n";
  const int64_t deadline = ttl == 0 ? -1 : absolute ? ttl : c.store.NowMs() + ttl;
  c.store.Put(c.db, c.args[1], {std::move(value), deadline});
  return kOk;
}

std::string Flush(Call& c) {
  const bool all = c.args[0] == "FLUSHALL";
  for (uint32_t db = 0; db < kDbs; ++db) {
    if (all || db == c.db) c.store.Flush(db);
  }
  return kOk;
}

std::string Swapdb(Call& c) {
  if (c.args[1] != c.args[2]) c.store.Swap();
  return kOk;
}

// A script of which nobody can tell what it does; it may fail when it has done it.
std::string Eval(Call& c) {
  Random& random = c.store.env().random;
  if (random.OneIn(4)) {
    c.store.Erase(c.db, c.args[3]);
  } else {
    c.Put(c.args[3], "of a script " + std::to_string(random.Below(1'000'000)), -1);
  }
  return random.OneIn(2) ? kNil : "-ERR of the script\r\n";
}

using Handler = std::string (*)(Call&);

const std::unordered_map<std::string_view, Handler> kHandlers = {
    {"SET", SetCommand},
    {"SETEX", Setex},
    {"PSETEX", Setex},
    {"SETNX", Setnx},
    {"GETSET", Getset},
    {"GETDEL", Getdel},
    {"GETEX", Getex},
    {"APPEND", Append},
    {"INCR", Incr},
    {"DECR", Decr},
    {"INCRBY", Incrby},
    {"INCRBYFLOAT", Incrbyfloat},
    {"SETRANGE", Setrange},
    {"MSET", Mset},
    {"MSETNX", Msetnx},
    {"MGET", Mget},
    {"DEL", Del},
    {"UNLINK", Del},
    {"EXPIRE", Expire},
    {"PEXPIRE", Expire},
    {"EXPIREAT", Expire},
    {"PEXPIREAT", Expire},
    {"PERSIST", Persist},
    {"RENAME", Rename},
    {"RENAMENX", Rename},
    {"COPY", Copy},
    {"MOVE", Move},
    {"RESTORE", Restore},
    {"FLUSHALL", Flush},
    {"FLUSHDB", Flush},
    {"SWAPDB", Swapdb},
    {"EVAL", Eval},
    {"HSET", Hset},
    {"HSETNX", Hset},
    {"HINCRBY", Hincrby},
    {"HDEL", RemoveFields},
    {"LPUSH", Push},
    {"RPUSH", Push},
    {"LPUSHX", Push},
    {"RPUSHX", Push},
    {"LPOP", Pop},
    {"RPOP", Pop},
    {"LMOVE", Lmove},
    {"LTRIM", Ltrim},
    {"SADD", Sadd},
    {"SREM", RemoveMembers},
    {"SPOP", Spop},
    {"SMOVE", Smove},
    {"SUNIONSTORE", Sunionstore},
    {"HSCAN", Scan},
    {"SSCAN", Scan},
    {"MEMORY", MemoryUsage},
};

}  // namespace

std::string RunCommand(Store& store, uint32_t db, Args args) {
  const auto it = kHandlers.find(args[0]);
  Call call{store, db, args};
  if (it != kHandlers.end()) return it->second(call);
  if (args[0] == "PTTL") {
    const Entry* entry = call.Find(args[1]);
    if (entry == nullptr) return Integer(-2);
    return Integer(entry->deadline_ms < 0 ? -1 : entry->deadline_ms - store.NowMs());
  }
  const std::string reply = args.size() > 1 ? ReadOneKey(args, call.Find(args[1])) : "";
  return reply.empty() ? "-ERR unknown command\r\n" : reply;
}

}  // namespace crossfade::sim
