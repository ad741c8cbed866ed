#include "tests/sim/value.h"

#include "routing/resp/number.h"
#include "tests/sim/env.h"

namespace crossfade::sim {
namespace {

void Put(std::string& out, std::string_view text) {
  out += std::to_string(text.size()) + ':';
  out += text;
}

bool Take(std::string_view& in, std::string& text) {
  const size_t colon = in.find(':');
  int64_t size = 0;
  if (colon == in.npos || !routing::ParseInteger(in.substr(0, colon), size)) return false;
  in.remove_prefix(colon + 1);
  if (size < 0 || static_cast<size_t>(size) > in.size()) return false;
  text.assign(in.substr(0, static_cast<size_t>(size)));
  in.remove_prefix(static_cast<size_t>(size));
  return true;
}

// As long as that of a real one: a version and a checksum.
const std::string kTrailer(10, '~');
// As in a real one, too.
constexpr std::string_view kTypes("\0\4\1\2", 4);

}  // namespace

const char* TypeName(const Value& value) {
  static constexpr const char* kNames[] = {"string", "hash", "list", "set"};
  return kNames[value.index()];
}

std::string Dump(const Value& value) {
  std::string out(1, kTypes[value.index()]);
  if (const auto* text = std::get_if<std::string>(&value)) Put(out, *text);
  if (const auto* hash = std::get_if<Hash>(&value)) {
    for (const auto& [field, held] : *hash) {
      Put(out, field);
      Put(out, held);
    }
  }
  if (const auto* list = std::get_if<List>(&value)) {
    for (const std::string& element : *list) Put(out, element);
  }
  if (const auto* members = std::get_if<Set>(&value)) {
    for (const std::string& member : *members) Put(out, member);
  }
  return out + kTrailer;
}

ValueRef Undump(std::string_view payload) {
  if (!payload.ends_with(kTrailer)) return nullptr;
  payload.remove_suffix(kTrailer.size());
  const size_t type = payload.empty() ? kTypes.npos : kTypes.find(payload.front());
  if (type == kTypes.npos) return nullptr;
  payload.remove_prefix(1);
  std::vector<std::string> parts;
  while (!payload.empty()) {
    parts.emplace_back();
    if (!Take(payload, parts.back())) return nullptr;
  }
  switch (type) {
    case 0:
      return parts.size() == 1 ? std::make_shared<const Value>(parts[0]) : nullptr;
    case 1: {
      Hash hash;
      for (size_t i = 0; i + 1 < parts.size(); i += 2) hash[parts[i]] = parts[i + 1];
      return std::make_shared<const Value>(std::move(hash));
    }
    case 2:
      return std::make_shared<const Value>(std::move(parts));
    default:
      return std::make_shared<const Value>(Set(parts.begin(), parts.end()));
  }
}

std::string Show(const Entry& entry) {
  if (!entry.value) return "(none)";
  std::string text = Dump(*entry.value);
  text = Printable(text.substr(0, text.size() - kTrailer.size()));
  if (entry.deadline_ms >= 0) text += " until " + std::to_string(entry.deadline_ms - Env::kUnixMs);
  return text;
}

}  // namespace crossfade::sim
