// The ACL categories of commands, as Redis 7.0 names them, for users' rules.
// Pure, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/users.h"

namespace crossfade::routing {

namespace category {

// In the order of config::kCommandCategories.
enum Category : uint32_t {
  kKeyspace = 1u << 0,
  kRead = 1u << 1,
  kWrite = 1u << 2,
  kSet = 1u << 3,
  kSortedset = 1u << 4,
  kList = 1u << 5,
  kHash = 1u << 6,
  kString = 1u << 7,
  kBitmap = 1u << 8,
  kHyperloglog = 1u << 9,
  kGeo = 1u << 10,
  kStream = 1u << 11,
  kPubsub = 1u << 12,
  kAdmin = 1u << 13,
  kFast = 1u << 14,
  kSlow = 1u << 15,
  kBlocking = 1u << 16,
  kDangerous = 1u << 17,
  kConnection = 1u << 18,
  kTransaction = 1u << 19,
  kScripting = 1u << 20,
};

// By name in lower case, without the @; 0 when there is none.
constexpr uint32_t ByName(std::string_view name) {
  for (size_t i = 0; i < config::kCommandCategories.size(); ++i) {
    if (config::kCommandCategories[i] == name) return 1u << i;
  }
  return 0;
}

static_assert(ByName("scripting") == kScripting && ByName("keyspace") == kKeyspace);

}  // namespace category
}  // namespace crossfade::routing
