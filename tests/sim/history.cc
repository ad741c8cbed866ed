#include "tests/sim/history.h"

#include <algorithm>

#include "routing/resp/encode.h"

namespace crossfade::sim {
namespace {

std::string Shown(Args args, const Entry* entry) {
  if (!args.empty()) return ReadOneKey(args, entry);
  const auto* text =
      entry == nullptr || !entry->value ? nullptr : std::get_if<std::string>(entry->value.get());
  if (text == nullptr) return "$-1\r\n";
  std::string frame;
  routing::AppendBulk(frame, *text);
  return frame;
}

}  // namespace

const std::vector<Version>& History::VersionsOf(const KeyId& key) const {
  static const std::vector<Version> kNone;
  const auto it = keys_.find(key);
  return it == keys_.end() ? kNone : it->second;
}

void History::Note(const Store::Change& change) {
  if (change.swapped) Swap(change);
  for (const KeyId& key : change.touched) {
    Entry now = authority_.Peek(key.db, key.name);
    std::vector<Version>& versions = keys_[key];
    Entry before = versions.empty() ? Entry{} : versions.back().entry;
    if (before.deadline_ms >= 0 && before.deadline_ms <= authority_.NowMs()) before = {};
    if (now == before) continue;
    versions.push_back({change.stamp, env_.scheduler.now_us(), std::move(now), change.tag});
  }
}

// What has expired here goes with the rest: on the other store it may live on for
// as long as the clocks differ.
void History::Swap(const Store::Change& change) {
  std::set<std::string> names;
  for (const auto& [key, versions] : keys_) names.insert(key.name);
  for (const std::string& name : names) {
    Entry last[kDbs];
    for (uint32_t db = 0; db < kDbs; ++db) {
      const std::vector<Version>& versions = VersionsOf({db, name});
      if (!versions.empty()) last[db] = versions.back().entry;
    }
    if (last[0] == last[1]) continue;
    for (uint32_t db = 0; db < kDbs; ++db) {
      keys_[{db, name}].push_back(
          {change.stamp, env_.scheduler.now_us(), last[1 - db], change.tag});
    }
  }
}

size_t History::VersionAt(const KeyId& key, uint64_t stamp) const {
  const std::vector<Version>& versions = VersionsOf(key);
  const auto after = std::upper_bound(
      versions.begin(), versions.end(), stamp,
      [](uint64_t wanted, const Version& version) { return wanted < version.stamp; });
  return static_cast<size_t>(after - versions.begin());
}

size_t History::VersionAtTime(const KeyId& key, int64_t time_us) const {
  const std::vector<Version>& versions = VersionsOf(key);
  const auto after = std::upper_bound(
      versions.begin(), versions.end(), time_us,
      [](int64_t wanted, const Version& version) { return wanted < version.time_us; });
  return static_cast<size_t>(after - versions.begin());
}

// Whether that version, or what its deadline makes of it, gives the reply at some
// moment from read.from_us until now. Version n is at n - 1; 0 is no key.
bool History::Shows(const ReadSeen& read, size_t version, int64_t tolerance_ms) const {
  static const Entry kNoKey;
  const std::vector<Version>& versions = VersionsOf(read.key);
  const Entry& entry = version == 0 ? kNoKey : versions[version - 1].entry;
  const int64_t offset_ms = Env::kUnixMs + authority_.clock_offset_ms();
  const bool expires = entry.value && entry.deadline_ms >= 0;
  const int64_t since_us = version == 0 ? 0 : std::max(read.from_us, versions[version - 1].time_us);
  const bool was_there =
      !expires || offset_ms + since_us / 1'000 <= entry.deadline_ms + tolerance_ms;
  if (was_there && Shown(read.args, entry.value ? &entry : nullptr) == read.reply) return true;
  if (!expires || Shown(read.args, nullptr) != read.reply) return false;
  const int64_t until_us =
      version < versions.size() ? versions[version].time_us : env_.scheduler.now_us();
  return offset_ms + until_us / 1'000 >= entry.deadline_ms - tolerance_ms;
}

std::optional<size_t> History::Find(const ReadSeen& read, int64_t tolerance_ms) const {
  const size_t first = std::max(read.from_version, VersionAtTime(read.key, read.from_us));
  for (size_t version = first; version <= latest(read.key); ++version) {
    if (Shows(read, version, tolerance_ms)) return version;
  }
  return std::nullopt;
}

std::string History::Show(const KeyId& key, size_t last) const {
  const std::vector<Version>& versions = VersionsOf(key);
  std::string text;
  for (size_t i = versions.size() > last ? versions.size() - last : 0; i < versions.size(); ++i) {
    text += " [" + std::to_string(i + 1) + " #" + std::to_string(versions[i].stamp) + " at " +
            std::to_string(versions[i].time_us) + "us: " + sim::Show(versions[i].entry) + "]";
  }
  return text.empty() ? " (never there)" : text;
}

}  // namespace crossfade::sim
