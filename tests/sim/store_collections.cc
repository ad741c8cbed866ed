// The model stores' commands on hashes, lists and sets; reads of one key.
#include <algorithm>

#include "tests/sim/store_call.h"

namespace crossfade::sim {
namespace {

template <class T>
std::string Remove(Call& c) {  // HDEL, SREM
  T value;
  int64_t deadline = 0, removed = 0;
  if (!c.Open(c.args[1], value, deadline)) return kWrongType;
  for (size_t i = 2; i < c.args.size(); ++i) removed += static_cast<int64_t>(value.erase(c.Arg(i)));
  if (removed > 0) c.Put(c.args[1], std::move(value), deadline);
  return Integer(removed);
}

// Where an element lies in a store's table: in another place after each restart.
int64_t PlaceOf(const Store& store, const std::string& element) {
  const size_t hash = std::hash<std::string>()(element + "@" + std::to_string(store.run()));
  return 1 + static_cast<int64_t>(hash >> 2);
}

std::string Cursor(int64_t place) { return "*2\r\n" + Bulk(std::to_string(place)); }

// Two elements from a place on, or a few more.
template <class T, class F>
std::string ScanFrom(Call& c, const T& elements, F name) {
  constexpr size_t kAtOnce = 2;
  int64_t from = 0;
  if (!routing::ParseInteger(c.args[2], from)) return kNotInteger;
  std::multimap<int64_t, const typename T::value_type*> by_place;
  for (const auto& element : elements) {
    const int64_t place = PlaceOf(c.store, name(element));
    if (place >= from) by_place.emplace(place, &element);
  }
  std::vector<std::string> found;
  auto at = by_place.begin();
  for (size_t i = 0; i < kAtOnce && at != by_place.end(); ++i, ++at) {
    found.push_back(name(*at->second));
    if constexpr (std::is_same_v<T, Hash>) found.push_back(at->second->second);
  }
  return Cursor(at == by_place.end() ? 0 : at->first) + Array(found);
}

}  // namespace

std::string Scan(Call& c) {
  const Entry* entry = c.Find(c.args[1]);
  if (entry == nullptr) return Cursor(0) + "*0\r\n";
  if (c.args[0] == "HSCAN") {
    const auto* hash = std::get_if<Hash>(entry->value.get());
    return hash == nullptr ? kWrongType
                           : ScanFrom(c, *hash, [](const auto& element) { return element.first; });
  }
  const auto* set = std::get_if<Set>(entry->value.get());
  return set == nullptr ? kWrongType
                        : ScanFrom(c, *set, [](const std::string& element) { return element; });
}

std::string MemoryUsage(Call& c) {
  const Entry* entry = c.Find(c.args[2]);
  if (entry == nullptr) return kNil;
  const auto* hash = std::get_if<Hash>(entry->value.get());
  const auto* set = std::get_if<Set>(entry->value.get());
  return Integer(static_cast<int64_t>(hash != nullptr  ? hash->size()
                                      : set != nullptr ? set->size()
                                                       : 100));
}

std::string Hset(Call& c) {
  Hash hash;
  int64_t deadline = 0, added = 0;
  if (!c.Open(c.args[1], hash, deadline)) return kWrongType;
  if (c.args[0] == "HSETNX" && hash.contains(c.Arg(2))) return Integer(0);
  for (size_t i = 2; i + 1 < c.args.size(); i += 2) {
    added += hash.insert_or_assign(c.Arg(i), c.Arg(i + 1)).second;
  }
  c.Put(c.args[1], std::move(hash), deadline);
  return Integer(added);
}

std::string Hincrby(Call& c) {
  Hash hash;
  int64_t deadline = 0, number = 0, change = 0;
  if (!c.Open(c.args[1], hash, deadline)) return kWrongType;
  std::string& held = hash[c.Arg(2)];
  if (!held.empty() && !routing::ParseRedisInteger(held, number)) {
    return "-ERR hash value is not an integer\r\n";
  }
  if (!routing::ParseRedisInteger(c.args[3], change)) return kNotInteger;
  held = std::to_string(number + change);
  const std::string reply = Integer(number + change);
  c.Put(c.args[1], std::move(hash), deadline);
  return reply;
}

std::string RemoveFields(Call& c) { return Remove<Hash>(c); }
std::string RemoveMembers(Call& c) { return Remove<Set>(c); }

std::string Push(Call& c) {
  List list;
  int64_t deadline = 0;
  if (!c.Open(c.args[1], list, deadline)) return kWrongType;
  const bool left = c.args[0][0] == 'L';
  if (c.args[0].ends_with('X') && list.empty()) return Integer(0);
  for (size_t i = 2; i < c.args.size(); ++i)
    list.insert(left ? list.begin() : list.end(), c.Arg(i));
  const auto size = static_cast<int64_t>(list.size());
  c.Put(c.args[1], std::move(list), deadline);
  return Integer(size);
}

// Takes out what `at` points to, which the reply tells.
template <class Elements>
std::string TakeOut(Call& c, Elements& elements, typename Elements::const_iterator at,
                    int64_t deadline) {
  const std::string element = *at;
  elements.erase(at);
  c.Put(c.args[1], std::move(elements), deadline);
  return Bulk(element);
}

std::string Pop(Call& c) {
  List list;
  int64_t deadline = 0;
  if (!c.Open(c.args[1], list, deadline)) return kWrongType;
  if (list.empty()) return kNil;
  return TakeOut(c, list, c.args[0] == "LPOP" ? list.begin() : list.end() - 1, deadline);
}

std::string Lmove(Call& c) {
  List from, to;
  int64_t from_deadline = 0, to_deadline = 0;
  if (!c.Open(c.args[1], from, from_deadline)) return kWrongType;
  if (from.empty()) return kNil;
  if (!c.Open(c.args[2], to, to_deadline)) return kWrongType;
  const auto at = IsToken(c.args[3], "LEFT") ? from.begin() : from.end() - 1;
  const std::string element = *at;
  from.erase(at);
  const bool same = c.args[1] == c.args[2];
  List& into = same ? from : to;
  into.insert(IsToken(c.args[4], "LEFT") ? into.begin() : into.end(), element);
  c.Put(c.args[1], std::move(from), from_deadline);
  if (!same) c.Put(c.args[2], std::move(to), to_deadline);
  return Bulk(element);
}

std::string Ltrim(Call& c) {
  List list;
  int64_t deadline = 0, first = 0;
  if (!c.Open(c.args[1], list, deadline)) return kWrongType;
  if (!routing::ParseRedisInteger(c.args[2], first)) return kNotInteger;
  if (list.empty()) return kOk;
  const auto skipped = std::min(static_cast<size_t>(first), list.size());
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(skipped));
  c.Put(c.args[1], std::move(list), deadline);
  return kOk;
}

std::string Sadd(Call& c) {
  Set set;
  int64_t deadline = 0, added = 0;
  if (!c.Open(c.args[1], set, deadline)) return kWrongType;
  for (size_t i = 2; i < c.args.size(); ++i) added += set.insert(c.Arg(i)).second;
  if (added > 0) c.Put(c.args[1], std::move(set), deadline);
  return Integer(added);
}

std::string Spop(Call& c) {
  Set set;
  int64_t deadline = 0;
  if (!c.Open(c.args[1], set, deadline)) return kWrongType;
  if (set.empty()) return kNil;
  const uint64_t place = c.store.env().random.Below(set.size());
  return TakeOut(c, set, std::next(set.begin(), static_cast<std::ptrdiff_t>(place)), deadline);
}

std::string Smove(Call& c) {
  Set from, to;
  int64_t from_deadline = 0, to_deadline = 0;
  if (!c.Open(c.args[1], from, from_deadline)) return kWrongType;
  if (from.empty()) return Integer(0);
  if (!c.Open(c.args[2], to, to_deadline)) return kWrongType;
  if (!from.contains(c.Arg(3))) return Integer(0);
  if (c.args[1] == c.args[2]) return Integer(1);
  from.erase(c.Arg(3));
  to.insert(c.Arg(3));
  c.Put(c.args[1], std::move(from), from_deadline);
  c.Put(c.args[2], std::move(to), to_deadline);
  return Integer(1);
}

std::string Sunionstore(Call& c) {
  Set sum;
  for (const std::string_view name : c.args.subspan(2)) {
    Set set;
    int64_t deadline = 0;
    if (!c.Open(name, set, deadline)) return kWrongType;
    sum.insert(set.begin(), set.end());
  }
  const auto size = static_cast<int64_t>(sum.size());
  c.store.Erase(c.db, c.args[1]);
  if (size > 0) c.Put(c.args[1], std::move(sum), -1);
  return Integer(size);
}

std::string ReadOneKey(Args args, const Entry* entry) {
  const std::string_view name = args[0];
  const Value* value = entry == nullptr ? nullptr : entry->value.get();
  if (name == "EXISTS") return Integer(value != nullptr);
  if (name == "TYPE")
    return value == nullptr ? "+none\r\n" : std::string("+") + TypeName(*value) + "\r\n";
  if (name == "PEXPIRETIME") return Integer(value == nullptr ? -2 : entry->deadline_ms);
  if (name == "DUMP") return value == nullptr ? kNil : Bulk(Dump(*value));
  if (name == "GET" || name == "STRLEN") {
    const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
    if (value != nullptr && text == nullptr) return kWrongType;
    if (name == "STRLEN") return Integer(text == nullptr ? 0 : static_cast<int64_t>(text->size()));
    return text == nullptr ? kNil : Bulk(*text);
  }
  if (name == "HGETALL") {
    const auto* hash = value == nullptr ? nullptr : std::get_if<Hash>(value);
    if (value != nullptr && hash == nullptr) return kWrongType;
    std::string frame;
    routing::AppendHead(frame, '*', hash == nullptr ? 0 : static_cast<int64_t>(hash->size() * 2));
    if (hash == nullptr) return frame;
    for (const auto& [field, held] : *hash) {
      routing::AppendBulk(frame, field);
      routing::AppendBulk(frame, held);
    }
    return frame;
  }
  if (name == "HMGET") {
    const auto* hash = value == nullptr ? nullptr : std::get_if<Hash>(value);
    if (value != nullptr && hash == nullptr) return kWrongType;
    std::string frame;
    routing::AppendHead(frame, '*', static_cast<int64_t>(args.size() - 2));
    for (const std::string_view field : args.subspan(2)) {
      const bool held = hash != nullptr && hash->contains(std::string(field));
      frame += held ? Bulk(hash->at(std::string(field))) : kNil;
    }
    return frame;
  }
  if (name == "LRANGE") {
    const auto* list = value == nullptr ? nullptr : std::get_if<List>(value);
    if (value != nullptr && list == nullptr) return kWrongType;
    return Array(list == nullptr ? List() : *list);
  }
  if (name == "SMEMBERS") {
    const auto* members = value == nullptr ? nullptr : std::get_if<Set>(value);
    if (value != nullptr && members == nullptr) return kWrongType;
    return Array(members == nullptr ? Set() : *members);
  }
  return {};
}

}  // namespace crossfade::sim
