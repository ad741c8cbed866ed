#include "config/section.h"

#include <algorithm>

#include "config/values.h"

namespace crossfade::config {
namespace {

// Edits (insert, remove, replace, swap of neighbours) that turn `a` into `b`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> edits(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      const size_t replace = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
      }
    }
  }
  return edits[a.size()][b.size()];
}

std::string Join(const std::vector<std::string_view>& words) {
  std::string joined;
  for (const std::string_view word : words) {
    if (!joined.empty()) joined += ", ";
    joined += word;
  }
  return joined;
}

bool Contains(const std::vector<std::string_view>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string_view suggestion = Suggest(word, candidates);
  if (suggestion.empty()) return "";
  return "; did you mean " + std::string(suggestion) + "?";
}

}  // namespace

std::string_view Suggest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr size_t kWordMax = 40;
  if (word.size() > kWordMax) return {};
  std::string_view best;
  size_t best_edits = 3;
  for (const std::string_view candidate : candidates) {
    if (word.size() >= 4 && candidate.starts_with(word)) return candidate;
    const size_t edits = EditDistance(word, candidate);
    if (edits < best_edits && edits * 2 <= candidate.size()) {
      best = candidate;
      best_edits = edits;
    }
  }
  return best;
}

const char* KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return "text";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
    default:
      return "nothing";
  }
}

Section::Section(const Entry& entry, std::string path, const Keys& keys, Problems& problems)
    : path_(std::move(path)), problems_(&problems) {
  if (!path_.empty()) problems.Located(path_, entry.line);
  if (!entry.value.IsMap()) {
    problems.Add(entry.line, path_,
                 std::string("found ") + KindOf(entry.value) + ", expected a map with " +
                     Join(std::vector<std::string_view>(keys.served)));
    return;
  }
  for (const auto& item : entry.value) {
    const int line = item.first.Mark().line + 1;
    if (!item.first.IsScalar()) {
      problems.Add(line, path_,
                   std::string("found ") + KindOf(item.first) + " as a key, expected text");
      continue;
    }
    CheckKey(Entry{item.first.Scalar(), line, item.second}, keys);
  }
}

void Section::CheckKey(const Entry& entry, const Keys& keys) {
  const std::vector<std::string_view> served(keys.served);
  const std::vector<std::string_view> not_served(keys.not_served);
  const size_t colon = entry.key.find(':');
  if (colon != std::string::npos) {
    // "token:secret" is one key to YAML; what follows the colon is not shown.
    problems_->Add(entry.line, PathOf(Escape(entry.key.substr(0, colon))),
                   "found no space after the colon, expected key: value");
    return;
  }
  const std::string path = PathOf(Escape(entry.key.substr(0, 64)));
  if (Contains(not_served, entry.key)) {
    problems_->Add(entry.line, "", path + " is not served by this version");
  } else if (!Contains(served, entry.key)) {
    problems_->Add(entry.line, path,
                   "unknown key, expected one of " + Join(served) + DidYouMean(entry.key, served));
  } else if (const Entry* first = Find(entry.key)) {
    problems_->Add(entry.line, path,
                   "found twice, first on line " + std::to_string(first->line) + ", expected once");
  } else {
    problems_->Located(path, entry.line);
    entries_.push_back(entry);
  }
}

const Entry* Section::Find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string Section::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void Section::Unexpected(std::string_view key, std::string_view found,
                         std::string_view expected) const {
  problems_->Add(PathOf(key),
                 "found " + std::string(found) + ", expected " + std::string(expected));
}

std::optional<Section> Section::Child(std::string_view key, const Keys& keys) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  return Section(*entry, PathOf(key), keys, *problems_);
}

std::optional<std::vector<Entry>> Section::List(std::string_view key, const char* expected) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  std::vector<Entry> items;
  if (!entry->value.IsSequence()) {
    Unexpected(key, KindOf(entry->value), expected);
    return items;
  }
  for (const auto& item : entry->value) {
    // An empty item has no place of its own.
    const int line = item.IsNull() ? entry->line : item.Mark().line + 1;
    items.push_back(Entry{std::string(key), line, item});
  }
  return items;
}

std::optional<std::string> Section::Scalar(std::string_view key, std::string_view expected) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (!entry->value.IsScalar()) {
    Unexpected(key, KindOf(entry->value), expected);
    return std::nullopt;
  }
  return entry->value.Scalar();
}

void Section::Share(std::string_view key, uint32_t& value) const {
  const std::optional<std::string> text = Scalar(key, "a share such as 25%");
  if (!text) return;
  const Result<uint32_t> share = ParseShare(*text);
  if (!share) return Unexpected(key, Quote(*text), share.error().message);
  value = *share;
}

void Section::Size(std::string_view key, uint64_t min, uint64_t max, uint64_t& value) const {
  const std::optional<std::string> text = Scalar(key, "a size such as 64MiB");
  if (!text) return;
  const Result<uint64_t> size = ParseSize(*text);
  if (!size) return Unexpected(key, Quote(*text), size.error().message);
  if (*size < min || *size > max) {
    return Unexpected(key, Quote(*text), "a size from " + SizeText(min) + " to " + SizeText(max));
  }
  value = *size;
}

void Section::Time(std::string_view key, std::chrono::milliseconds min,
                   std::chrono::milliseconds max, std::chrono::milliseconds& value) const {
  const std::optional<std::string> text = Scalar(key, "a time such as 50ms");
  if (!text) return;
  const Result<std::chrono::milliseconds> time = ParseTime(*text);
  if (!time) return Unexpected(key, Quote(*text), time.error().message);
  if (*time < min || *time > max) {
    return Unexpected(key, Quote(*text), "a time from " + TimeText(min) + " to " + TimeText(max));
  }
  value = *time;
}

void Section::Count(std::string_view key, uint32_t min, uint32_t max, uint32_t& value) const {
  const std::string expected =
      "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  const std::optional<std::string> text = Scalar(key, expected);
  if (!text) return;
  const Result<uint64_t> count = ParseCount(*text);
  if (!count || *count < min || *count > max) return Unexpected(key, Quote(*text), expected);
  value = static_cast<uint32_t>(*count);
}

std::optional<std::string> Section::Text(std::string_view key, const char* expected) const {
  std::optional<std::string> text = Scalar(key, expected);
  if (text && text->empty()) {
    Unexpected(key, "an empty text", expected);
    return std::nullopt;
  }
  return text;
}

std::optional<size_t> Section::Choose(std::string_view key,
                                      const std::vector<std::string_view>& choices,
                                      const std::vector<std::string_view>& not_served) const {
  const std::string expected = "one of " + Join(choices);
  const std::optional<std::string> text = Scalar(key, expected);
  if (!text) return std::nullopt;
  const auto chosen = std::find(choices.begin(), choices.end(), *text);
  if (chosen != choices.end()) return static_cast<size_t>(chosen - choices.begin());
  if (Contains(not_served, *text)) {
    Unexpected(key, Quote(*text) + ", which is not served by this version", expected);
  } else {
    Unexpected(key, Quote(*text), expected + DidYouMean(*text, choices));
  }
  return std::nullopt;
}

}  // namespace crossfade::config
