// KeyReport: what snapshot and restore tell while they run and in the end: a progress
// bar, keys that were refused, and the outcome; as text, or as JSON objects, one a
// line. For one thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tools/cli/progress_bar.h"

namespace crossfade::cli {

class KeyReport {
 public:
  explicit KeyReport(bool json) : json_(json), bar_(ProgressBar::Suitable(json)) {}

  void Show(const Progress& progress) { bar_.Show(progress); }
  void Finish(const Progress& progress) { bar_.Finish(progress); }
  // As text the first ones are named, then counted; in JSON all are named.
  void Refused(uint32_t db, std::string_view name, std::string_view reason);
  // Something to know, on standard error.
  void Note(const std::string& text);
  void Error(const std::string& text);
  // The outcome: one sentence, or the object.
  void Done(const std::string& text, nlohmann::ordered_json object);

 private:
  static constexpr uint64_t kNamed = 100;
  void Print(const nlohmann::ordered_json& object);

  const bool json_;
  ProgressBar bar_;
  uint64_t refused_ = 0;
};

}  // namespace crossfade::cli
