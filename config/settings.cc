#include "config/settings.h"

namespace crossfade::config {

std::string Endpoint::Display() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const char* Name(Stage stage) {
  switch (stage) {
    case Stage::kObserve:
      return "observe";
    case Stage::kMirror:
      return "mirror";
    case Stage::kRamp:
      return "ramp";
  }
  return "unknown";
}

}  // namespace crossfade::config
