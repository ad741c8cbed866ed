#include "tools/cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "proxy/admin/format.h"

namespace crossfade::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBarGap{100};
constexpr milliseconds kLineGap{5'000};
constexpr milliseconds kJsonGap{1'000};
constexpr milliseconds kSampleGap{200};
constexpr seconds kRateWindow{5};
constexpr size_t kBarCellsMin = 8;
constexpr size_t kBarCellsMax = 40;
constexpr size_t kColumns = 80;
// Longer than this is no estimate.
constexpr double kRemainingMaxSeconds = 99.0 * 86'400;

double Share(const Progress& progress) {
  if (progress.total == 0) return 0;
  return std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
}

std::string Percent(const Progress& progress) {
  return std::to_string(static_cast<int>(Share(progress) * 100)) + "%";
}

std::string Counted(const Progress& progress) {
  std::string text = proxy::FormatCount(progress.done);
  if (progress.total > 0) text += " of " + proxy::FormatCount(progress.total);
  return text + " " + progress.unit;
}

// What stands behind the bar, and in a line.
std::string Facts(const Progress& progress, double per_second) {
  std::string text = Counted(progress);
  if (per_second > 0) {
    text += "  " + proxy::FormatRate(per_second);
  }
  if (const auto left = Remaining(progress, per_second); left && left->count() > 0) {
    text += "  " + proxy::FormatUptime(static_cast<uint64_t>(left->count()) * 1000) + " left";
  }
  if (progress.errors > 0) text += "  " + proxy::FormatCount(progress.errors) + " errors";
  if (!progress.note.empty()) text += "  " + progress.note;
  return text;
}

size_t TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kColumns;
}

void Write(FILE* out, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

}  // namespace

void RateMeter::Add(uint64_t done, ProgressTime now) {
  // Work that begins anew has no rate yet.
  if (!samples_.empty() && done < samples_.back().done) samples_.clear();
  samples_.push_back({now, done});
  while (samples_.size() > 2 && now - samples_[1].at >= kRateWindow) samples_.pop_front();
}

double RateMeter::per_second() const {
  if (samples_.size() < 2) return 0;
  const std::chrono::duration<double> time = samples_.back().at - samples_.front().at;
  if (time.count() <= 0) return 0;
  return static_cast<double>(samples_.back().done - samples_.front().done) / time.count();
}

std::optional<seconds> Remaining(const Progress& progress, double per_second) {
  if (progress.total == 0 || per_second <= 0) return std::nullopt;
  if (progress.done >= progress.total) return seconds(0);
  const double left = static_cast<double>(progress.total - progress.done) / per_second;
  if (left > kRemainingMaxSeconds) return std::nullopt;
  return seconds(static_cast<int64_t>(std::ceil(left)));
}

std::string BarText(const Progress& progress, double per_second, size_t columns) {
  const std::string line = LineText(progress, per_second);
  const size_t room = columns - std::min(columns, line.size());
  constexpr size_t kAround = 3;  // brackets and a space
  if (progress.total == 0 || room < kAround + kBarCellsMin) return line.substr(0, columns);
  const size_t cells = std::min(room - kAround, kBarCellsMax);
  std::string bar = proxy::FormatBar(Share(progress), cells) + " ";
  return bar.insert(0, progress.label + "  ") + line.substr(progress.label.size() + 2);
}

std::string LineText(const Progress& progress, double per_second) {
  const std::string percent = progress.total > 0 ? Percent(progress) + "  " : std::string();
  return progress.label + "  " + percent + Facts(progress, per_second);
}

std::string JsonText(const Progress& progress, double per_second) {
  nlohmann::ordered_json object = {
      {"event", "progress"},     {"label", progress.label},  {"done", progress.done},
      {"total", progress.total}, {"unit", progress.unit},    {"per_second", std::round(per_second)},
      {"seconds_left", nullptr}, {"errors", progress.errors}};
  if (const auto left = Remaining(progress, per_second)) object["seconds_left"] = left->count();
  if (!progress.note.empty()) object["note"] = progress.note;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

ProgressBar::Style ProgressBar::Suitable(bool json) {
  if (json) return Style::kJson;
  return isatty(STDERR_FILENO) == 1 ? Style::kBar : Style::kLines;
}

void ProgressBar::Show(const Progress& progress, ProgressTime now) {
  if (!began_ || label_ != progress.label) {
    label_ = progress.label;
    rate_ = RateMeter();
    sampled_ = drawn_ = std::nullopt;
    began_ = now;
    began_with_ = progress.done;
  }
  if (!sampled_ || now - *sampled_ >= kSampleGap) {
    sampled_ = now;
    rate_.Add(progress.done, now);
  }
  const milliseconds gap = style_ == Style::kBar     ? kBarGap
                           : style_ == Style::kLines ? kLineGap
                                                     : kJsonGap;
  if (!drawn_) {
    drawn_ = now;  // nothing is to be told of it yet
    return;
  }
  if (now - *drawn_ < gap) return;
  drawn_ = now;
  shown_rate_ = rate_.per_second();
  Draw(progress, false);
}

void ProgressBar::Finish(const Progress& progress, ProgressTime now) {
  // What it was over all.
  const std::chrono::duration<double> time = began_ ? now - *began_ : now - now;
  const uint64_t since = progress.done - std::min(progress.done, began_with_);
  shown_rate_ = time.count() > 0 ? static_cast<double>(since) / time.count() : 0;
  Draw(progress, true);
}

void ProgressBar::Draw(const Progress& progress, bool last) {
  switch (style_) {
    case Style::kJson:
      return Write(stdout, JsonText(progress, shown_rate_) + "\n");
    case Style::kLines:
      return Write(stderr, LineText(progress, shown_rate_) + "\n");
    case Style::kBar:
      break;
  }
  // The last column is left free: some terminals begin a new line behind it.
  const std::string bar = BarText(progress, shown_rate_, TerminalColumns() - 1);
  Write(stderr, "\r" + bar + "\x1b[K" + (last ? "\n" : ""));
  on_screen_ = !last;
}

void ProgressBar::Clear() {
  if (on_screen_) Write(stderr, "\r\x1b[K");
  on_screen_ = false;
}

}  // namespace crossfade::cli
