// Status as text for a terminal, from the JSON of the admin API. Pure.
#pragma once

#include <string>

#include "config/result.h"

namespace crossfade::proxy {

struct StatusStyle {
  bool colour = false;
  size_t bar_width = 30;
};

// Rates and latencies are those between the two documents; `before` may be empty,
// then totals since the start. Fails when `now` is not a status document.
Result<std::string> RenderStatus(const std::string& before, const std::string& now,
                                 const StatusStyle& style);

}  // namespace crossfade::proxy
