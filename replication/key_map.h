// KeyMap: values by key (db and name), found without making a string.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace crossfade::replication {

struct KeyView {
  uint32_t db;
  std::string_view name;
};

// Of anything with a db and a name.
struct KeyMapHash {
  using is_transparent = void;
  template <class K>
  size_t operator()(const K& key) const {
    return std::hash<std::string_view>()(key.name) ^ (key.db * 0x9E3779B97F4A7C15ull);
  }
};

struct KeyMapEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return a.db == b.db && std::string_view(a.name) == std::string_view(b.name);
  }
};

template <class K, class T>
using KeyMap = std::unordered_map<K, T, KeyMapHash, KeyMapEqual>;

}  // namespace crossfade::replication
