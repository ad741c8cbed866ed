#include "proxy/auth/accounts.h"

#include "config/secrets.h"

namespace crossfade::proxy {
namespace {

config::User Nobody() {
  config::User user;
  user.password_hashes = {std::string(64, '?')};
  return user;
}

// Looks at every byte whatever it finds.
bool SameHash(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace

Accounts::Accounts(const std::vector<config::User>& users) : nobody_(Nobody()) {
  for (const config::User& user : users) accounts_.emplace(user.name, user);
}

const Account* Accounts::Authenticate(std::string_view name, std::string_view password) const {
  const Account* account = Find(name);
  const config::User& user = account != nullptr ? account->user : nobody_.user;
  const std::string hash = config::Sha256Hex(password);
  bool same = user.any_password;
  for (const std::string& known : user.password_hashes) same = SameHash(hash, known) || same;
  return same ? account : nullptr;
}

const Account* Accounts::Find(std::string_view name) const {
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? nullptr : &found->second;
}

const Account* Accounts::Initial() const {
  const Account* account = Find(kDefaultUser);
  return account != nullptr && account->user.any_password ? account : nullptr;
}

}  // namespace crossfade::proxy
