// The section `verify` of the configuration file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/section.h"
#include "config/settings.h"

namespace crossfade::config {

void ReadVerify(const Section& root, VerifySettings& verify);

// "02:00-05:00", hours of a day; nothing when it is not that.
std::optional<DailyWindow> ParseWindow(std::string_view text);
std::string WindowText(const DailyWindow& window);

}  // namespace crossfade::config
