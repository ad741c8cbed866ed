// Users that the proxy authenticates itself: the configuration's part "users"
// as values. Filled by ReadUsers (config/sections.h), never changed after. No
// password is kept, only hashes; what logs in to a store is the exception.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::config {

// The categories of commands that rules may name, in Redis's order.
inline constexpr std::array<std::string_view, 21> kCommandCategories = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

// A pattern of keys, and what may be done with them: "session:*", "%R~session:*".
struct KeyRule {
  std::string pattern;
  bool reads = true;
  bool writes = true;
  std::string Text() const;
};

struct User {
  std::string name;
  bool any_password = false;                 // nopass
  std::vector<std::string> password_hashes;  // SHA-256 in lower-case hex; any of them
  // Who it is at the stores; empty: whom the store's URL names.
  std::string store_user;
  std::string store_password;  // empty: what the client gave
  // In order, and from nothing on, as ACL SETUSER takes them.
  std::vector<std::string> commands = {"+@all"};
  std::vector<KeyRule> keys = {{"*", true, true}};
  std::vector<std::string> channels = {"*"};
};

}  // namespace crossfade::config
