// SuspectKeys: keys that verification found different on the follower and that
// are not repaired: they are not read there (design R7). Past the bound every
// key is suspect, until all are cleared. Guarded by the replication lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/limits.h"
#include "replication/key_map.h"

namespace crossfade::replication {

class SuspectKeys {
 public:
  bool empty() const { return keys_.empty() && !overflowed_; }
  size_t size() const { return keys_.size(); }
  bool overflowed() const { return overflowed_; }

  void Add(uint32_t db, std::string_view name) {
    const auto at = keys_.find(KeyView{db, name});
    if (at != keys_.end()) {
      at->second = round_;
    } else if (keys_.size() >= limits::kSuspectKeysMax) {
      overflowed_ = true;
    } else {
      keys_.emplace(Key{db, std::string(name)}, round_);
    }
  }
  bool Contains(uint32_t db, std::string_view name) const {
    return overflowed_ || keys_.find(KeyView{db, name}) != keys_.end();
  }
  void Remove(uint32_t db, std::string_view name) {
    const auto at = keys_.find(KeyView{db, name});
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
  KeyMap<Key, uint32_t> keys_;  // and when it was found
  uint32_t round_ = 0;
  bool overflowed_ = false;
};

}  // namespace crossfade::replication
