// Section: one YAML map of the configuration file, read key by key into values.
// Everything wrong goes to Problems; the value then keeps its default and
// reading goes on. Built and used by one thread while a file is read.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/problems.h"
#include "config/result.h"

namespace crossfade::config {

// The keys that a section may have.
struct Keys {
  std::initializer_list<std::string_view> served;
  std::initializer_list<std::string_view> not_served = {};  // documented, not in this version
};

// One value with the place where it stands.
struct Entry {
  std::string key;
  int line = 0;
  YAML::Node value;
};

class Section {
 public:
  // Reports keys that are unknown, repeated or not served yet, and a value that
  // is no map. `path` is empty for the whole file.
  Section(const Entry& entry, std::string path, const Keys& keys, Problems& problems);

  const Entry* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  std::string PathOf(std::string_view key) const;

  std::optional<Section> Child(std::string_view key, const Keys& keys) const;
  // The list's items; their paths are PathOf(key)[i]. Nothing when not set.
  std::optional<std::vector<Entry>> List(std::string_view key, const char* expected) const;

  // Each leaves `value` alone when the key is not set or wrong.
  void Share(std::string_view key, uint32_t& value) const;
  void Size(std::string_view key, uint64_t min, uint64_t max, uint64_t& value) const;
  void Time(std::string_view key, std::chrono::milliseconds min, std::chrono::milliseconds max,
            std::chrono::milliseconds& value) const;
  void Count(std::string_view key, uint32_t min, uint32_t max, uint32_t& value) const;
  // Text that is not empty, as it stands.
  std::optional<std::string> Text(std::string_view key, const char* expected) const;
  template <class T>
  void Choice(std::string_view key, std::initializer_list<std::pair<const char*, T>> choices,
              T& value, std::initializer_list<const char*> not_served = {}) const;

  // "found FOUND, expected EXPECTED" at the key; `found` is shown as it is.
  void Unexpected(std::string_view key, std::string_view found, std::string_view expected) const;

 private:
  std::optional<std::string> Scalar(std::string_view key, std::string_view expected) const;
  // The index of the choice; nothing (and a problem) when it is none of them.
  std::optional<size_t> Choose(std::string_view key, const std::vector<std::string_view>& choices,
                               const std::vector<std::string_view>& not_served) const;
  void CheckKey(const Entry& entry, const Keys& keys);

  std::string path_;
  std::vector<Entry> entries_;
  Problems* problems_;
};

// What is there, in words; never the text of a scalar, which may be a secret.
const char* KindOf(const YAML::Node& node);

// The candidate that `word` is a likely misspelling of; empty when there is none.
std::string_view Suggest(std::string_view word, const std::vector<std::string_view>& candidates);

template <class T>
void Section::Choice(std::string_view key, std::initializer_list<std::pair<const char*, T>> choices,
                     T& value, std::initializer_list<const char*> not_served) const {
  std::vector<std::string_view> names;
  for (const auto& [name, choice] : choices) names.push_back(name);
  const std::optional<size_t> chosen = Choose(key, names, {not_served.begin(), not_served.end()});
  if (chosen) value = (choices.begin() + *chosen)->second;
}

}  // namespace crossfade::config
