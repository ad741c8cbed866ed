// Accounts: the users that the proxy authenticates itself, of one plan.
// Immutable, shared by all workers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/users.h"
#include "routing/policy/acl.h"

namespace crossfade::proxy {

struct Account {
  config::User user;
  routing::Acl acl;
  explicit Account(const config::User& from) : user(from), acl(from) {}
};

class Accounts {
 public:
  explicit Accounts(const std::vector<config::User>& users);

  // nullptr when there is no such user, or it has another password. Takes the
  // same time for both, and whichever of its passwords was given.
  const Account* Authenticate(std::string_view name, std::string_view password) const;
  const Account* Find(std::string_view name) const;
  // Whom a client is before it says anything: "default", if it needs no password.
  const Account* Initial() const;

 private:
  std::map<std::string, Account, std::less<>> accounts_;
  Account nobody_;  // whose password nobody knows
};

inline constexpr std::string_view kDefaultUser = "default";

}  // namespace crossfade::proxy
