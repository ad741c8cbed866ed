// Prometheus text (format 0.0.4) of a snapshot. Pure.
#pragma once

#include <string>

#include "proxy/admin/control_port.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string RenderMetrics(const Snapshot& snapshot, const ReloadHistory& reloads);

}  // namespace crossfade::proxy
