#include "proxy/admin/keys_api.h"

#include <nlohmann/json.hpp>

#include "config/limits.h"
#include "config/values.h"

namespace crossfade::proxy {
namespace {

using nlohmann::json;

Status ReadKeys(const json& document, KeyOrder& order) {
  const json db = document.value("db", json(0u));
  if (!db.is_number_unsigned() || db.get<uint64_t>() >= limits::kDatabasesMax) {
    return Fail("db: found " + config::Quote(db.dump()) + ", expected the number of a database");
  }
  order.db = db.get<uint32_t>();
  const json keys = document.value("keys", json::array());
  if (!keys.is_array()) return Fail("keys: expected a list of names");
  for (const json& key : keys) {
    if (!key.is_string()) return Fail("keys: found " + config::Quote(key.dump()) + ", expected text");
    const auto name = config::Unescape(key.get_ref<const std::string&>());
    if (!name) {
      return Fail("keys: found " + config::Quote(key.get_ref<const std::string&>()) +
                  ", expected " + name.error().message);
    }
    order.keys.push_back(*name);
  }
  return {};
}

Result<json> ParseObject(const std::string& body) {
  json document = json::parse(body, nullptr, false);
  if (!document.is_object()) return Fail("expected a JSON object such as {\"keys\": [\"name\"]}");
  return document;
}

}  // namespace

Result<KeyOrder> ParseSyncOrder(const std::string& body) {
  const Result<json> document = ParseObject(body);
  if (!document) return tl::unexpected(document.error());
  KeyOrder order;
  if (const Status read = ReadKeys(*document, order); !read) return tl::unexpected(read.error());
  if (order.keys.empty()) return Fail("keys: found none, expected a list of names");
  return order;
}

Result<KeyOrder> ParseQuarantineOrder(const std::string& body) {
  const Result<json> document = ParseObject(body);
  if (!document) return tl::unexpected(document.error());
  KeyOrder order;
  const json action = document->value("action", json());
  if (action != "retry" && action != "accept") {
    return Fail("action: found " + config::Quote(action.dump()) +
                ", expected one of retry, accept");
  }
  order.action = action == "retry" ? KeyOrder::Action::kRetry : KeyOrder::Action::kAccept;
  order.all = document->value("all", json(false)) == true;
  if (const Status read = ReadKeys(*document, order); !read) return tl::unexpected(read.error());
  if (order.keys.empty() != order.all) return Fail("expected either keys, or all: true");
  return order;
}

std::string QuarantineJson(const QuarantineList& list) {
  nlohmann::ordered_json keys = nlohmann::ordered_json::array();
  for (const replication::QuarantinedKey& key : list.first) {
    keys.push_back({{"db", key.db},
                    {"key", config::Escape(key.name)},
                    {"reason", config::Escape(key.reason)},
                    {"first_seen_ms", key.first_seen_ms},
                    {"attempts", key.attempts},
                    {"accepted", key.accepted}});
  }
  const nlohmann::ordered_json document = {
      {"quarantined", list.keys}, {"accepted", list.accepted}, {"keys", keys}};
  return document.dump();
}

}  // namespace crossfade::proxy
