#include "config/verify_section.h"

#include <chrono>
#include <cstdio>

#include "config/values.h"

namespace crossfade::config {
namespace {

using namespace std::chrono_literals;

const Keys kVerifyKeys = {{"keys_per_second", "window", "repair", "expiry_tolerance"}};

// "HH:MM" as minutes.
std::optional<uint32_t> ParseMinute(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  if (!digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const auto two = [&](size_t at) {
    return static_cast<uint32_t>((text[at] - '0') * 10 + (text[at + 1] - '0'));
  };
  if (two(0) > 23 || two(3) > 59) return std::nullopt;
  return two(0) * 60 + two(3);
}

}  // namespace

std::optional<DailyWindow> ParseWindow(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const std::optional<uint32_t> from = ParseMinute(text.substr(0, 5));
  const std::optional<uint32_t> to = ParseMinute(text.substr(6));
  if (!from || !to || *from == *to) return std::nullopt;
  return DailyWindow{*from, *to};
}

std::string WindowText(const DailyWindow& window) {
  char text[16];
  std::snprintf(text, sizeof text, "%02u:%02u-%02u:%02u", window.from / 60 % 24, window.from % 60,
                window.to / 60 % 24, window.to % 60);
  return text;
}

void ReadVerify(const Section& root, VerifySettings& verify) {
  const std::optional<Section> section = root.Child("verify", kVerifyKeys);
  if (!section) return;
  section->Count("keys_per_second", 0, 10'000'000, verify.keys_per_second);
  constexpr const char* kExpected = "two different times of the day, such as \"02:00-05:00\"";
  if (const std::optional<std::string> text = section->Text("window", kExpected)) {
    verify.window = ParseWindow(*text);
    if (!verify.window) section->Unexpected("window", Quote(*text), kExpected);
  }
  section->Choice<bool>("repair", {{"true", true}, {"false", false}}, verify.repair);
  section->Time("expiry_tolerance", 0ms, 1h, verify.expiry_tolerance);
}

}  // namespace crossfade::config
