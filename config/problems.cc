#include "config/problems.h"

#include <algorithm>

namespace crossfade::config {
namespace {

constexpr size_t kShownMax = 100;

}  // namespace

int Problems::LineOf(std::string_view path) const {
  while (!path.empty()) {
    if (const auto found = lines_.find(path); found != lines_.end()) return found->second;
    const size_t end = path.find_last_of(".[");
    path = path.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return 1;
}

void Problems::Add(int line, std::string_view path, std::string_view what) {
  std::string text(path);
  if (!text.empty()) text += ": ";
  text += what;
  problems_.push_back({line, std::move(text)});
}

std::string Problems::Render(const std::string& file) const {
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  std::string rendered;
  for (size_t i = 0; i < std::min(sorted.size(), kShownMax); ++i) {
    if (i > 0) rendered += '\n';
    rendered += file + ":" + std::to_string(sorted[i].line) + ": " + sorted[i].text;
  }
  if (sorted.size() > kShownMax) {
    rendered += "\n" + file + ": and " + std::to_string(sorted.size() - kShownMax) + " more errors";
  }
  return rendered;
}

}  // namespace crossfade::config
