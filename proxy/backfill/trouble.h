// Trouble: why long work does not get on, as an operator is to hear of it. What comes
// again and again is logged once a minute, also where two reasons alternate, and one
// of them is shown until it has not come for a while. Not thread-safe; times are
// microseconds of one monotonic clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace crossfade::proxy {

class Trouble {
 public:
  // Why a step failed; empty: it did not. True when that is to be logged.
  bool Note(const std::string& reason, int64_t now_us) {
    const bool over = shown_.empty() || now_us - shown_us_ > kShownForUs;
    if (reason.empty()) {
      if (over) shown_.clear();
      return false;
    }
    if (over) shown_ = reason;
    if (reason == shown_) shown_us_ = now_us;
    if (logged_us_.size() >= kReasonsMax && !logged_us_.contains(reason)) return false;
    const auto [at, first] = logged_us_.try_emplace(reason, now_us);
    if (!first && now_us - at->second < kLoggedEveryUs) return false;
    at->second = now_us;
    std::erase_if(logged_us_,
                  [now_us](const auto& of) { return now_us - of.second >= kLoggedEveryUs; });
    return true;
  }
  const std::string& shown() const { return shown_; }

 private:
  static constexpr int64_t kShownForUs = 3'000'000;
  static constexpr int64_t kLoggedEveryUs = 60'000'000;
  static constexpr size_t kReasonsMax = 16;
  std::string shown_;
  int64_t shown_us_ = 0;  // when it came last
  std::map<std::string, int64_t> logged_us_;
};

}  // namespace crossfade::proxy
