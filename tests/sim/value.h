// Value: what a key of a model store holds. Immutable once it is in a store, so
// that the history can keep every version.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace crossfade::sim {

using Hash = std::map<std::string, std::string>;
using List = std::vector<std::string>;
using Set = std::set<std::string>;
using Value = std::variant<std::string, Hash, List, Set>;
using ValueRef = std::shared_ptr<const Value>;

struct Entry {
  ValueRef value;            // nullptr: no key
  int64_t deadline_ms = -1;  // Unix time; -1 no expiry

  bool operator==(const Entry& other) const {
    if (!value || !other.value) return !value && !other.value;
    return deadline_ms == other.deadline_ms && (value == other.value || *value == *other.value);
  }
};

const char* TypeName(const Value& value);
// DUMP's payload, and back; nullptr for bytes that are none.
std::string Dump(const Value& value);
ValueRef Undump(std::string_view payload);
std::string Show(const Entry& entry);  // for the trace

}  // namespace crossfade::sim
