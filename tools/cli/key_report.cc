#include "tools/cli/key_report.h"

#include <cstdio>

#include "config/values.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {

void KeyReport::Print(const nlohmann::ordered_json& object) {
  const auto replace = nlohmann::json::error_handler_t::replace;
  std::printf("%s\n", object.dump(-1, ' ', false, replace).c_str());
  std::fflush(stdout);
}

void KeyReport::Refused(uint32_t db, std::string_view name, std::string_view reason) {
  ++refused_;
  if (json_) {
    return Print({{"event", "refused"},
                  {"db", db},
                  {"key", config::Escape(name)},
                  {"reason", config::Escape(reason)}});
  }
  if (refused_ > kNamed) return;
  bar_.Clear();
  std::fprintf(stderr, "refused: db %u %s: %s\n", db, config::Quote(name).c_str(),
               config::Escape(reason).c_str());
  if (refused_ == kNamed) {
    std::fprintf(stderr, "refused: more are only counted; --json names them all\n");
  }
}

void KeyReport::Note(const std::string& text) {
  bar_.Clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void KeyReport::Error(const std::string& text) {
  bar_.Clear();
  PrintError(text);
}

void KeyReport::Done(const std::string& text, nlohmann::ordered_json object) {
  bar_.Clear();
  if (json_) return Print(object);
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

}  // namespace crossfade::cli
