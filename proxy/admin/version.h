// The version that `crossfade version`, the status and the metrics report.
#pragma once

namespace crossfade::proxy {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace crossfade::proxy
