// A moment for people: "2026-01-31T12:00:00.000Z". Pure.
#pragma once

#include <cstdint>
#include <string>

namespace crossfade::cli {

std::string TimeText(int64_t unix_ms);

}  // namespace crossfade::cli
