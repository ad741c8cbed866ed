#include "proxy/backend/side_json.h"

namespace crossfade::proxy {
namespace {

using nlohmann::ordered_json;
using replication::KeySide;
using replication::KeyType;

const char* TypeName(KeyType type) {
  switch (type) {
    case KeyType::kString:
      return "string";
    case KeyType::kList:
      return "list";
    case KeyType::kSet:
      return "set";
    case KeyType::kZset:
      return "zset";
    case KeyType::kHash:
      return "hash";
    case KeyType::kStream:
      return "stream";
    case KeyType::kOther:
      return "other";
    case KeyType::kNone:
      break;
  }
  return "";
}

std::string Hex(uint64_t digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = text.size(); i-- > 0; digest >>= 4) text[i] = kDigits[digest & 15];
  return text;
}

}  // namespace

ordered_json SideDocument(const KeySide& side) {
  ordered_json document = {{"exists", side.exists}};
  if (!side.exists) return document;
  if (const char* type = TypeName(side.type); *type != '\0') document["type"] = type;
  document["digest"] = Hex(side.digest);
  document["bytes"] = side.bytes;
  if (side.deadline_ms >= 0) document["expires_at_ms"] = side.deadline_ms;
  return document;
}

}  // namespace crossfade::proxy
