#include "replication/quarantine.h"

namespace crossfade::replication {
namespace {

// Stores put a key's bytes into some of their errors.
constexpr size_t kReasonMax = 300;

}  // namespace

bool Quarantine::Refused(uint32_t db, std::string_view name, std::string_view reason,
                         int64_t unix_ms) {
  Entry& entry = entries_[{db, std::string(name)}];
  if (entry.first_seen_ms == 0) entry.first_seen_ms = unix_ms;
  const bool was_in = In(entry);
  ++entry.attempts;
  reason = reason.substr(0, std::min(reason.find_first_of("\r\n"), kReasonMax));
  if (reason.starts_with('-')) reason.remove_prefix(1);
  if (entry.reason != reason) {
    entry.reason = reason;
    changes_ += was_in ? 1 : 0;
  }
  if (was_in || !In(entry)) return false;
  ++quarantined_;
  accepted_ += entry.accepted ? 1 : 0;
  ++changes_;
  return true;
}

void Quarantine::Taken(uint32_t db, std::string_view name) {
  if (entries_.empty()) return;
  const auto it = entries_.find({db, std::string(name)});
  if (it == entries_.end()) return;
  if (In(it->second)) {
    --quarantined_;
    accepted_ -= it->second.accepted ? 1 : 0;
    ++changes_;
  }
  entries_.erase(it);
}

bool Quarantine::Accept(uint32_t db, std::string_view name) {
  const auto it = entries_.find({db, std::string(name)});
  if (it == entries_.end() || !In(it->second)) return false;
  if (!it->second.accepted) {
    it->second.accepted = true;
    ++accepted_;
    ++changes_;
  }
  return true;
}

bool Quarantine::Contains(uint32_t db, std::string_view name) const {
  if (quarantined_ == 0) return false;
  const auto it = entries_.find({db, std::string(name)});
  return it != entries_.end() && In(it->second);
}

void Quarantine::Clear() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    it->second.attempts = 0;
    it = it->second.accepted ? std::next(it) : entries_.erase(it);
  }
  changes_ += quarantined_ > 0 ? 1 : 0;
  quarantined_ = 0;
  accepted_ = 0;
}

void Quarantine::Remember(const QuarantinedKey& key) {
  Entry& entry = entries_[{key.db, key.name}];
  entry.first_seen_ms = key.first_seen_ms;
  entry.accepted = key.accepted;
}

template <class F>
std::vector<QuarantinedKey> Quarantine::Those(size_t at_most, F which) const {
  std::vector<QuarantinedKey> keys;
  for (const auto& [name, entry] : entries_) {
    if (!which(entry)) continue;
    if (keys.size() == at_most) break;
    keys.push_back(
        {name.db, name.text, entry.reason, entry.first_seen_ms, entry.attempts, entry.accepted});
  }
  return keys;
}

std::vector<QuarantinedKey> Quarantine::List(size_t at_most) const { return Those(at_most, In); }

std::vector<QuarantinedKey> Quarantine::Lasting(size_t at_most) const {
  return Those(at_most, [](const Entry& entry) { return In(entry) || entry.accepted; });
}

}  // namespace crossfade::replication
