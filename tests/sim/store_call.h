// Call: one command on a model store, with the words that the commands are written
// in (store_commands.cc, store_collections.cc).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "tests/sim/store.h"

namespace crossfade::sim {

using routing::IsToken;

inline constexpr const char* kOk = "+OK\r\n";
inline constexpr const char* kNil = "$-1\r\n";
inline constexpr const char* kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
inline constexpr const char* kNotInteger = "-ERR value is not an integer or out of range\r\n";
inline constexpr const char* kSyntax = "-ERR syntax error\r\n";
inline constexpr const char* kNoKey = "-ERR no such key\r\n";

inline std::string Integer(int64_t number) { return ":" + std::to_string(number) + "\r\n"; }
inline std::string Bulk(std::string_view text) {
  std::string frame;
  routing::AppendBulk(frame, text);
  return frame;
}
template <class T>
std::string Array(const T& elements) {
  std::string frame;
  routing::AppendHead(frame, '*', static_cast<int64_t>(elements.size()));
  for (const auto& element : elements) routing::AppendBulk(frame, element);
  return frame;
}

// One command on a store: what it works on, with the words the commands are
// written in.
struct Call {
  Store& store;
  uint32_t db;
  Args args;

  std::string Arg(size_t i) const { return std::string(args[i]); }
  const Entry* Find(std::string_view name) { return store.Find(db, name); }
  void Put(std::string_view name, Value value, int64_t deadline_ms) {
    store.Put(db, name, {std::make_shared<const Value>(std::move(value)), deadline_ms});
  }
  // A copy of the key's T to be changed, or an empty one; false: of another type.
  template <class T>
  bool Open(std::string_view name, T& value, int64_t& deadline_ms) {
    deadline_ms = -1;
    const Entry* entry = Find(name);
    if (entry == nullptr) return true;
    const T* held = std::get_if<T>(entry->value.get());
    if (held == nullptr) return false;
    value = *held;
    deadline_ms = entry->deadline_ms;
    return true;
  }
};

// ---- store_collections.cc
std::string Hset(Call& c);
std::string Hincrby(Call& c);
std::string Push(Call& c);
std::string Pop(Call& c);
std::string Lmove(Call& c);
std::string Ltrim(Call& c);
std::string Sadd(Call& c);
std::string Spop(Call& c);
std::string Smove(Call& c);
std::string Sunionstore(Call& c);
std::string RemoveFields(Call& c);   // HDEL
std::string RemoveMembers(Call& c);  // SREM
std::string Scan(Call& c);           // HSCAN, SSCAN
std::string MemoryUsage(Call& c);    // as many bytes as there are elements

}  // namespace crossfade::sim
