#include "proxy/admin/backfill_api.h"

#include <nlohmann/json.hpp>

#include "config/values.h"

namespace crossfade::proxy {
namespace {

using Action = BackfillOrder::Action;

constexpr std::pair<const char*, Action> kActions[] = {{"start", Action::kStart},
                                                       {"pause", Action::kPause},
                                                       {"resume", Action::kResume},
                                                       {"throttle", Action::kThrottle}};

// A number is text here, too: {"keys_per_second": 500} and "500".
std::string TextOf(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

template <class T, class Parse>
Status Read(const nlohmann::json& document, const char* name, Parse parse, std::optional<T>& into) {
  if (!document.contains(name)) return {};
  const std::string text = TextOf(document[name]);
  const auto parsed = parse(text);
  if (!parsed) {
    return Fail(std::string(name) + ": found " + config::Quote(text) + ", expected " +
                parsed.error().message);
  }
  into = *parsed;
  return {};
}

}  // namespace

Result<BackfillOrder> ParseBackfillOrder(const std::string& body) {
  const auto document = nlohmann::json::parse(body, nullptr, false);
  const std::string action = document.is_object() && document.contains("action")
                                 ? TextOf(document["action"])
                                 : std::string();
  BackfillOrder order;
  bool known = false;
  for (const auto& [name, meant] : kActions) {
    if (action != name) continue;
    order.action = meant;
    known = true;
  }
  if (!known) {
    return Fail("action: found " + config::Quote(action) +
                ", expected one of start, pause, resume, throttle");
  }
  if (order.action != Action::kThrottle) return order;
  BackfillBounds& bounds = order.bounds;
  if (const Status s =
          Read(document, "keys_per_second", config::ParseCount, bounds.keys_per_second);
      !s) {
    return tl::unexpected(s.error());
  }
  if (const Status s =
          Read(document, "bytes_per_second", config::ParseSize, bounds.bytes_per_second);
      !s) {
    return tl::unexpected(s.error());
  }
  if (const Status s =
          Read(document, "max_authority_p99", config::ParseTime, bounds.max_authority_p99);
      !s) {
    return tl::unexpected(s.error());
  }
  return order;
}

}  // namespace crossfade::proxy
