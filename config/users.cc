#include "config/users.h"

#include <algorithm>
#include <set>

#include "config/limits.h"
#include "config/match_syntax.h"
#include "config/secrets.h"
#include "config/sections.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

const Keys kUserKeys = {{"name", "password_sha256", "password", "password_file", "nopass",
                         "store_user", "store_password", "store_password_file", "keys", "commands",
                         "channels"}};

constexpr const char* kSecretFound = "a secret (not shown)";
constexpr const char* kExpectedHash =
    "a SHA-256 hash of 64 lower-case hex digits, or a list of them";
constexpr const char* kExpectedRule = "a rule such as +@all, -@dangerous, +get or -client|kill";
constexpr size_t kHashDigits = 64;

bool HasSpace(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

bool IsHash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The texts of a list, or the one text; what is no text is reported.
std::vector<std::string> Texts(const Section& user, std::string_view key, const char* expected) {
  std::vector<std::string> texts;
  const Entry* entry = user.Find(key);
  if (entry == nullptr) return texts;
  if (entry->value.IsScalar()) return {entry->value.Scalar()};
  for (const Entry& item : user.List(key, expected).value_or(std::vector<Entry>{})) {
    if (item.value.IsScalar()) {
      texts.push_back(item.value.Scalar());
    } else {
      user.Unexpected(key, KindOf(item.value), expected);
    }
  }
  if (texts.size() > limits::kUserRulesMax) {
    user.Unexpected(key, std::to_string(texts.size()) + " items",
                    "at most " + std::to_string(limits::kUserRulesMax));
  }
  return texts;
}

// Neither a hash nor a password is shown when it is wrong.
void ReadPasswords(const Section& section, const std::string& folder, User& user) {
  for (const std::string& text : Texts(section, "password_sha256", kExpectedHash)) {
    const Result<std::string> hash = ExpandEnvironment(text);
    if (!hash || !IsHash(*hash)) {
      section.Unexpected("password_sha256", kSecretFound,
                         hash ? kExpectedHash : hash.error().message);
    } else {
      user.password_hashes.push_back(*hash);
    }
  }
  if (const auto text = section.Text("password", "a password, best as ${NAME}")) {
    const Result<std::string> password = ExpandEnvironment(*text);
    if (!password || password->empty()) {
      section.Unexpected("password", kSecretFound,
                         password ? "a password that is not empty" : password.error().message);
    } else {
      user.password_hashes.push_back(Sha256Hex(*password));
    }
  }
  if (const auto password = SecretFromFile(section, "password_file", folder)) {
    user.password_hashes.push_back(Sha256Hex(*password));
  }
  std::sort(user.password_hashes.begin(), user.password_hashes.end());
  user.password_hashes.erase(std::unique(user.password_hashes.begin(), user.password_hashes.end()),
                             user.password_hashes.end());
  section.Choice<bool>("nopass", {{"true", true}, {"false", false}}, user.any_password);
  const bool any =
      section.Has("password_sha256") || section.Has("password") || section.Has("password_file");
  if (user.any_password && any) {
    section.Unexpected("nopass", "true with a password", "one of them");
  } else if (!user.any_password && !any) {
    section.Unexpected("password_sha256", "nothing",
                       "a password: password_sha256, password or password_file; or nopass: true");
  }
}

void ReadStoreLogin(const Section& section, const std::string& folder, User& user) {
  user.store_user = section.Text("store_user", "the name of a user of the stores").value_or("");
  const auto text = section.Text("store_password", "a password, best as ${NAME}");
  const auto from_file = SecretFromFile(section, "store_password_file", folder);
  if (section.Has("store_password") && section.Has("store_password_file")) {
    return section.Unexpected("store_password_file", "a second password",
                              "one, in store_password or in store_password_file");
  }
  const char* key = text ? "store_password" : "store_password_file";
  if (!text && !from_file) return;
  const Result<std::string> password = text ? ExpandEnvironment(*text) : *from_file;
  if (!password || password->empty()) {
    section.Unexpected(key, kSecretFound,
                       password ? "a password that is not empty" : password.error().message);
  } else if (user.store_user.empty()) {
    section.Unexpected(key, kSecretFound, "store_user with it");
  } else {
    user.store_password = *password;
  }
}

// ~PATTERN, %R~PATTERN, %W~PATTERN, %RW~PATTERN, or the pattern alone.
KeyRule ParseKeyRule(std::string_view text) {
  KeyRule rule;
  if (text.starts_with('~')) {
    text.remove_prefix(1);
  } else if (text.starts_with("%R~") || text.starts_with("%W~")) {
    rule.reads = text[1] == 'R';
    rule.writes = !rule.reads;
    text.remove_prefix(3);
  } else if (text.starts_with("%RW~") || text.starts_with("%WR~")) {
    text.remove_prefix(4);
  }
  rule.pattern = text;
  return rule;
}

bool IsPattern(const Section& section, const char* key, std::string_view text) {
  const Status glob = CheckGlob(text);
  if (glob && !HasSpace(text)) return true;
  section.Unexpected(key, Quote(text), glob ? "a glob without spaces" : glob.error().message);
  return false;
}

// Which names are commands is known where commands are: routing/policy/acl.h.
bool IsCommandRule(std::string_view text) {
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-') || HasSpace(text)) return false;
  const std::string_view what = text.substr(1);
  if (what.starts_with('@')) {
    const std::string_view name = what.substr(1);
    return name == "all" || std::find(kCommandCategories.begin(), kCommandCategories.end(), name) !=
                                kCommandCategories.end();
  }
  const size_t bar = what.find('|');
  return what[0] != '|' && (bar == std::string_view::npos ||
                            (bar + 1 < what.size() && what.find('|', bar + 1) == what.npos));
}

void ReadCommands(const Section& section, User& user) {
  user.commands.clear();
  bool adds = false;
  for (std::string rule : Texts(section, "commands", kExpectedRule)) {
    std::transform(rule.begin(), rule.end(), rule.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (!IsCommandRule(rule)) {
      section.Unexpected("commands", Quote(rule), kExpectedRule);
    } else if (rule[0] == '-' && !adds && rule != "-@all") {
      section.Unexpected("commands", Quote(rule) + " where nothing is allowed yet",
                         "+@all or another + before it");
    }
    adds = adds || rule[0] == '+';
    user.commands.push_back(std::move(rule));
  }
}

User ReadUser(const Section& section, const std::string& folder) {
  User user;
  constexpr const char* kExpectedName = "a name without spaces";
  user.name = section.Text("name", kExpectedName).value_or("");
  if (!section.Has("name")) section.Unexpected("name", "nothing", kExpectedName);
  if (HasSpace(user.name)) section.Unexpected("name", Quote(user.name), kExpectedName);
  ReadPasswords(section, folder, user);
  ReadStoreLogin(section, folder, user);
  if (section.Has("commands")) ReadCommands(section, user);
  if (section.Has("keys")) {
    user.keys.clear();
    for (const std::string& text : Texts(section, "keys", "a list of globs such as session:*")) {
      KeyRule rule = ParseKeyRule(text);
      if (IsPattern(section, "keys", rule.pattern)) user.keys.push_back(std::move(rule));
    }
  }
  if (section.Has("channels")) {
    user.channels.clear();
    for (std::string& text : Texts(section, "channels", "a list of globs such as news:*")) {
      if (text.starts_with('&')) text.erase(0, 1);
      if (IsPattern(section, "channels", text)) user.channels.push_back(std::move(text));
    }
  }
  return user;
}

}  // namespace

std::string KeyRule::Text() const {
  if (reads && writes) return "~" + pattern;
  return (reads ? "%R~" : "%W~") + pattern;
}

std::optional<std::vector<User>> ReadUsers(const Section& root, const std::string& folder,
                                           Problems& problems) {
  if (!root.Has("users")) return std::nullopt;
  const auto items = root.List("users", "a list of users").value_or(std::vector<Entry>{});
  if (items.size() > limits::kUsersMax) {
    root.Unexpected("users", std::to_string(items.size()) + " users",
                    "at most " + std::to_string(limits::kUsersMax));
  }
  std::vector<User> users;
  std::set<std::string> names;
  for (size_t i = 0; i < items.size(); ++i) {
    const Section section(items[i], "users[" + std::to_string(i) + "]", kUserKeys, problems);
    if (!items[i].value.IsMap()) continue;
    users.push_back(ReadUser(section, folder));
    if (!users.back().name.empty() && !names.insert(users.back().name).second) {
      section.Unexpected("name", Quote(users.back().name) + " a second time", "a name of its own");
    }
  }
  return users;
}

}  // namespace crossfade::config
