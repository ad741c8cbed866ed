// Canonical: the digest of a reply, or of a part of one, in a form that is the
// same for semantically equal replies. Pure functions over complete frames;
// malformed ones get a digest too, of their bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace crossfade::replication {

// What a reply's elements mean.
struct ReplyShape {
  enum class Order : uint8_t { kDefined, kUndefined };
  Order order = Order::kDefined;
  // Elements that belong together (a field and its value); where the order is
  // not defined, that of the groups is not.
  uint32_t group = 1;
  // Texts that are numbers, compared as such: all of them (of the whole reply),
  // the last one of every group, or those that stand behind a name in an array.
  enum class Numbers : uint8_t { kNone, kAll, kLastOfGroup, kBehindNames };
  Numbers numbers = Numbers::kNone;
};

uint64_t DigestOf(std::string_view reply, const ReplyShape& shape);

}  // namespace crossfade::replication
