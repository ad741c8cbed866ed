// Writes RESP2 to the end of a string.
#pragma once

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace crossfade::routing {

inline void AppendHead(std::string& out, char type, int64_t number) {
  char text[24];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + sizeof text - 2, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, static_cast<size_t>(end - text));
}

inline void AppendBulk(std::string& out, std::string_view value) {
  AppendHead(out, '$', static_cast<int64_t>(value.size()));
  out.append(value);
  out.append("\r\n", 2);
}

inline void AppendBulk(std::string& out, int64_t value) {
  char text[24];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  AppendBulk(out, std::string_view(text, static_cast<size_t>(end - text)));
}

inline void AppendInteger(std::string& out, int64_t value) { AppendHead(out, ':', value); }

inline void AppendCommand(std::string& out, std::span<const std::string_view> args) {
  AppendHead(out, '*', static_cast<int64_t>(args.size()));
  for (const std::string_view arg : args) AppendBulk(out, arg);
}

inline void AppendCommand(std::string& out, std::initializer_list<std::string_view> args) {
  AppendCommand(out, std::span<const std::string_view>(args.begin(), args.size()));
}

}  // namespace crossfade::routing
