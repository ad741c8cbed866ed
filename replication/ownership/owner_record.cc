#include "replication/ownership/owner_record.h"

#include <charconv>
#include <initializer_list>
#include <map>
#include <utility>

namespace crossfade::replication {
namespace {

constexpr std::string_view kOwnerKind = "crossfade-owner-1";
constexpr std::string_view kTenureKind = "crossfade-tenure-1";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr const char* kStates[] = {"held", "released", "in_step"};

using Fields = std::map<std::string, std::string, std::less<>>;

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%') {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

bool Unescape(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const size_t high = kHex.find(text[i + 1]), low = kHex.find(text[i + 2]);
    if (high == kHex.npos || low == kHex.npos) return false;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return true;
}

std::string Written(std::string_view kind,
                    std::initializer_list<std::pair<const char*, std::string>> fields) {
  std::string text(kind);
  for (const auto& [name, value] : fields) text.append(" ").append(name) += "=" + Escaped(value);
  return text;
}

// Fields that are not known are a later version's, and left alone.
std::optional<Fields> Read(std::string_view kind, std::string_view text) {
  if (!text.starts_with(kind)) return std::nullopt;
  text.remove_prefix(kind.size());
  Fields fields;
  while (!text.empty()) {
    if (text.front() != ' ') return std::nullopt;
    text.remove_prefix(1);
    const std::string_view field = text.substr(0, text.find(' '));
    text.remove_prefix(field.size());
    const size_t equals = field.find('=');
    if (equals == field.npos) return std::nullopt;
    if (!Unescape(field.substr(equals + 1), fields[std::string(field.substr(0, equals))])) {
      return std::nullopt;
    }
  }
  return fields;
}

bool Take(const Fields& fields, std::string_view name, std::string& value) {
  const auto at = fields.find(name);
  if (at == fields.end()) return false;
  value = at->second;
  return true;
}

template <class Number>
bool Take(const Fields& fields, std::string_view name, Number& value) {
  const auto at = fields.find(name);
  if (at == fields.end()) return false;
  const char* const end = at->second.data() + at->second.size();
  const auto read = std::from_chars(at->second.data(), end, value);
  return read.ec == std::errc() && read.ptr == end;
}

}  // namespace

std::string Encode(const OwnerRecord& record) {
  return Written(kOwnerKind, {{"id", record.id},
                              {"epoch", std::to_string(record.epoch)},
                              {"pair", record.pair},
                              {"lease_ms", std::to_string(record.lease_ms)},
                              {"address", record.address},
                              {"tls_address", record.tls_address},
                              {"admin", record.admin},
                              {"authority", record.authority},
                              {"stores", record.stores},
                              {"boot", record.process.boot},
                              {"namespace", record.process.namespace_of},
                              {"pid", std::to_string(record.process.pid)},
                              {"started", std::to_string(record.process.started)}});
}

std::string Encode(const TenureRecord& record) {
  return Written(kTenureKind, {{"id", record.id},
                               {"epoch", std::to_string(record.epoch)},
                               {"pair", record.pair},
                               {"state", kStates[static_cast<size_t>(record.state)]}});
}

std::optional<OwnerRecord> ParseOwner(std::string_view text) {
  const std::optional<Fields> fields = Read(kOwnerKind, text);
  OwnerRecord record;
  if (!fields || !Take(*fields, "id", record.id) || !Take(*fields, "epoch", record.epoch) ||
      !Take(*fields, "pair", record.pair) || !Take(*fields, "lease_ms", record.lease_ms) ||
      !Take(*fields, "address", record.address) ||
      !Take(*fields, "tls_address", record.tls_address) || !Take(*fields, "admin", record.admin) ||
      !Take(*fields, "authority", record.authority) || !Take(*fields, "stores", record.stores) ||
      !Take(*fields, "boot", record.process.boot) ||
      !Take(*fields, "namespace", record.process.namespace_of) ||
      !Take(*fields, "pid", record.process.pid) ||
      !Take(*fields, "started", record.process.started)) {
    return std::nullopt;
  }
  return record;
}

std::optional<TenureRecord> ParseTenure(std::string_view text) {
  const std::optional<Fields> fields = Read(kTenureKind, text);
  TenureRecord record;
  std::string state;
  if (!fields || !Take(*fields, "id", record.id) || !Take(*fields, "epoch", record.epoch) ||
      !Take(*fields, "pair", record.pair) || !Take(*fields, "state", state)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < std::size(kStates); ++i) {
    if (state != kStates[i]) continue;
    record.state = static_cast<TenureRecord::State>(i);
    return record;
  }
  return std::nullopt;
}

}  // namespace crossfade::replication
