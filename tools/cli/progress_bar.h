// ProgressBar: how far long work is: a bar on a terminal, a line every few seconds
// where there is none, or a JSON object a line. Shows at most so often, however
// often it is told. The texts and the rate are pure functions and values, the time
// is passed in. For one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>

namespace crossfade::cli {

struct Progress {
  std::string label;  // the work, one word
  uint64_t done = 0;
  uint64_t total = 0;  // 0: not known; less than `done` where it was a guess
  uint64_t errors = 0;
  std::string unit = "keys";
  std::string note;  // where it is, such as "partition 17"; may be empty
};

using ProgressTime = std::chrono::steady_clock::time_point;

// The rate of the last few seconds.
class RateMeter {
 public:
  void Add(uint64_t done, ProgressTime now);
  double per_second() const;  // 0: not known yet

 private:
  struct Sample {
    ProgressTime at;
    uint64_t done;
  };
  std::deque<Sample> samples_;
};

// Until it is done at this rate; nothing when that can't be told.
std::optional<std::chrono::seconds> Remaining(const Progress& progress, double per_second);

// One line without its end, `columns` wide at most; the bar takes what is left over.
std::string BarText(const Progress& progress, double per_second, size_t columns);
std::string LineText(const Progress& progress, double per_second);
std::string JsonText(const Progress& progress, double per_second);

class ProgressBar {
 public:
  enum class Style { kBar, kLines, kJson };
  // JSON goes to standard output, the others to standard error.
  static Style Suitable(bool json);
  explicit ProgressBar(Style style) : style_(style) {}
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Show(const Progress& progress, ProgressTime now = std::chrono::steady_clock::now());
  // The last picture, which stays.
  void Finish(const Progress& progress, ProgressTime now = std::chrono::steady_clock::now());
  // Takes the bar away, so that something else can be printed; the next Show brings
  // it back.
  void Clear();

 private:
  void Draw(const Progress& progress, bool last);

  const Style style_;
  std::string label_;  // another one is other work
  RateMeter rate_;
  std::optional<ProgressTime> began_, sampled_, drawn_;
  uint64_t began_with_ = 0;
  double shown_rate_ = 0;
  bool on_screen_ = false;
};

}  // namespace crossfade::cli
