// WrittenNames: the names of keys that clients have written in partitions whose
// copy has not begun, until the spool has them. Their writes are done for the
// mirror's lag at once, for the intent journal only then. A name that was noted a
// moment ago is not noted again. Guarded by the replication lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "routing/slot.h"

namespace crossfade::replication {

class WrittenNames {
 public:
  struct Name {
    uint32_t db = UINT32_MAX;  // none
    std::string text;
  };

  // `low_water`: writes up to it were done before this one.
  void Add(uint32_t db, std::string_view name, uint64_t low_water) {
    Name& recent = recent_[routing::KeyHash(db, name) % recent_.size()];
    if (recent.db == db && recent.text == name) return;
    ++noted_;
    recent.db = db;
    recent.text = name;
    if (names_.empty()) first_low_water_ = low_water;
    bytes_ += name.size() + sizeof(Name);
    names_.push_back({db, std::string(name)});
  }
  // Those noted since the last time; they count as open until Spooled.
  std::vector<Name> Take() {
    if (!names_.empty()) taken_low_water_ = std::min(taken_low_water_, first_low_water_);
    first_low_water_ = kNone;
    bytes_ = 0;
    taken_ = noted_;
    return std::exchange(names_, {});
  }
  void Spooled() {
    taken_low_water_ = kNone;
    spooled_ = taken_;
  }
  // How many were noted ever, and of how many, in that order, nothing need be done.
  uint64_t noted() const { return noted_; }
  uint64_t spooled() const { return spooled_; }
  // What the journal may say is done.
  uint64_t LowWater(uint64_t low_water) const {
    return std::min({low_water, taken_low_water_, names_.empty() ? kNone : first_low_water_});
  }
  // Over the bound the disk does not keep up, and what is noted can't be kept.
  bool OverBound() const { return bytes_ > limits::kWrittenNameBytes; }
  // What was noted is not so recent: its partition was copied since.
  void ForgetRecent() { recent_.fill({}); }
  void Clear() {
    const uint64_t noted = noted_;
    *this = WrittenNames();
    noted_ = taken_ = spooled_ = noted;
  }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  std::vector<Name> names_;
  size_t bytes_ = 0;
  uint64_t first_low_water_ = kNone;
  uint64_t taken_low_water_ = kNone;
  uint64_t noted_ = 0, taken_ = 0, spooled_ = 0;
  std::array<Name, 1024> recent_{};
};

}  // namespace crossfade::replication
