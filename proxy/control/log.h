// The log: lines with a message and key=value fields, as text or as JSON, on
// standard error. SetUpLog is called once before threads start; the functions
// that write may be called from any thread. Plain spdlog calls come out in the
// same form, without fields.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace crossfade::proxy::log {

enum class Level { kDebug, kInfo, kWarn, kError };

struct Field {
  std::string key;
  std::string value;
  Field(std::string_view name, std::string text) : key(name), value(std::move(text)) {}
  Field(std::string_view name, uint64_t number) : key(name), value(std::to_string(number)) {}
};

void SetUpLog(const std::string& level, config::LogFormat format);
// Level and format may change while running.
void ChangeLog(const std::string& level, config::LogFormat format);

void Write(Level level, std::string_view message, const std::vector<Field>& fields);
inline void Debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, message, fields);
}
inline void Info(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, message, fields);
}
inline void Warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarn, message, fields);
}
inline void Error(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, message, fields);
}

// One line without its end. What SetUpLog's formatters are made of.
struct Line {
  int64_t unix_ms = 0;
  std::string level;
  std::string message;
  std::vector<Field> fields;
};
std::string TextLine(const Line& line);
std::string JsonLine(const Line& line);

}  // namespace crossfade::proxy::log
