// SuspectKeys: keys that verification found different on the follower and that
// are not repaired: they are not read there (design R7). Past the bound every
// key is suspect, until all are cleared. Guarded by the replication lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "config/limits.h"

namespace crossfade::replication {

class SuspectKeys {
 public:
  bool empty() const { return keys_.empty() && !overflowed_; }
  size_t size() const { return keys_.size(); }
  bool overflowed() const { return overflowed_; }

  void Add(uint32_t db, std::string_view name) {
    const auto at = keys_.find(View{db, name});
    if (at != keys_.end()) {
      at->second = round_;
    } else if (keys_.size() >= limits::kSuspectKeysMax) {
      overflowed_ = true;
    } else {
      keys_.emplace(Key{db, std::string(name)}, round_);
    }
  }
  bool Contains(uint32_t db, std::string_view name) const {
    return overflowed_ || keys_.find(View{db, name}) != keys_.end();
  }
  void Remove(uint32_t db, std::string_view name) {
    const auto at = keys_.find(View{db, name});
    if (at != keys_.end()) keys_.erase(at);
  }
  // What was not kept was compared again, and is equal.
  void ClearOverflow() { overflowed_ = false; }
  void Clear() {
    keys_.clear();
    overflowed_ = false;
  }
  // Those that were not found different since the round began.
  void BeginRound() { ++round_; }
  template <class F>
  void ForEachOlder(F f) const {
    for (const auto& [key, round] : keys_) {
      if (round != round_) f(key.db, std::string_view(key.name));
    }
  }

 private:
  struct Key {
    uint32_t db;
    std::string name;
  };
  struct View {
    uint32_t db;
    std::string_view name;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const View& v) const {
      return std::hash<std::string_view>()(v.name) ^ (v.db * 0x9E3779B97F4A7C15ull);
    }
    size_t operator()(const Key& k) const { return (*this)(View{k.db, k.name}); }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.db == b.db && std::string_view(a.name) == std::string_view(b.name);
    }
  };
  std::unordered_map<Key, uint32_t, Hash, Equal> keys_;  // and when it was found
  uint32_t round_ = 0;
  bool overflowed_ = false;
};

}  // namespace crossfade::replication
