// Whatever text stands in a configuration file: it is read and the plan made of
// it is like itself, or each thing that is wrong is said with its line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/check.h"
#include "config/loader.h"
#include "config/plan.h"

namespace {

using namespace crossfade::config;

constexpr std::string_view kName = "fuzz.yaml";

void CheckPlan(const Settings& settings) {
  const PlanPtr plan = MakePlan(settings, 1);
  CROSSFADE_CHECK(!plan->digest.empty());
  CROSSFADE_CHECK(plan->digest == MakePlan(settings, 2)->digest);
  CROSSFADE_CHECK(Diff(settings, settings).empty());
  CROSSFADE_CHECK(RefuseReload(settings, settings).empty());
}

// Every line is FILE:LINE: and what, and shows no byte that a terminal would act on.
void CheckMessage(std::string_view message, int64_t lines) {
  CROSSFADE_CHECK(!message.empty());
  while (!message.empty()) {
    const std::string_view line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(line.size() + 1, message.size()));
    for (const char c : line) {
      CROSSFADE_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    CROSSFADE_CHECK(line.starts_with(kName));
    const std::string place(line.substr(kName.size()));
    if (!place.starts_with(':')) continue;
    char* end = nullptr;
    const int64_t number = std::strtoll(place.c_str() + 1, &end, 10);
    if (end == place.c_str() + 1) continue;  // of the file as a whole
    CROSSFADE_CHECK(number >= 1 && number <= lines + 1 && *end == ':');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string yaml(reinterpret_cast<const char*>(data), size);
  const auto settings = ParseSettings(yaml, std::string(kName));
  if (settings) {
    CheckPlan(*settings);
  } else {
    CheckMessage(settings.error().message, std::count(yaml.begin(), yaml.end(), '\n') + 1);
  }
  return 0;
}
