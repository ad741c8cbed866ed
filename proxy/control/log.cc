#include "proxy/control/log.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

namespace crossfade::proxy::log {
namespace {

// Separate the message from its fields on the way through spdlog.
constexpr char kFieldMark = '\x1e';
constexpr char kValueMark = '\x1f';

std::atomic<config::LogFormat> active_format{config::LogFormat::kText};

std::string Timestamp(int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char buffer[40];
  const size_t length = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(buffer + length, sizeof buffer - length, ".%03dZ",
                static_cast<int>(unix_ms % 1000));
  return buffer;
}

bool Control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Line ends in a value would forge lines; other control bytes reach a terminal.
void AppendEscaped(std::string& out, std::string_view text, bool quoted) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (Control(c)) {
      out += "\\x";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      if (quoted && (c == '"' || c == '\\')) out += '\\';
      out += c;
    }
  }
}

bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (char c : value) {
    if (c == ' ' || c == '"' || c == '=' || c == '\\' || Control(c)) return true;
  }
  return false;
}

std::string WithoutMarks(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (c == kFieldMark || c == kValueMark) c = ' ';
  }
  return clean;
}

Line Decode(const spdlog::details::log_msg& message) {
  using namespace std::chrono;
  Line line;
  line.unix_ms = duration_cast<milliseconds>(message.time.time_since_epoch()).count();
  const auto level = spdlog::level::to_string_view(message.level);
  line.level.assign(level.data(), level.size());
  if (line.level == "warning") line.level = "warn";
  std::string_view payload(message.payload.data(), message.payload.size());
  size_t mark = payload.find(kFieldMark);
  line.message = payload.substr(0, mark);
  while (mark != std::string_view::npos) {
    payload.remove_prefix(mark + 1);
    mark = payload.find(kFieldMark);
    const std::string_view field = payload.substr(0, mark);
    const size_t value = field.find(kValueMark);
    if (value == std::string_view::npos) continue;
    line.fields.emplace_back(field.substr(0, value), std::string(field.substr(value + 1)));
  }
  return line;
}

class LineFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const Line line = Decode(message);
    const std::string text =
        active_format.load(std::memory_order_relaxed) == config::LogFormat::kJson ? JsonLine(line)
                                                                                  : TextLine(line);
    out.append(text.data(), text.data() + text.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>();
  }
};

spdlog::level::level_enum SpdlogLevel(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

std::string TextLine(const Line& line) {
  std::string out = Timestamp(line.unix_ms);
  out += ' ';
  out += line.level;
  if (line.level.size() < 5) out.append(5 - line.level.size(), ' ');
  out += ' ';
  AppendEscaped(out, line.message, false);
  for (const Field& field : line.fields) {
    out += ' ';
    out += field.key;
    out += '=';
    const bool quoted = NeedsQuotes(field.value);
    if (quoted) out += '"';
    AppendEscaped(out, field.value, quoted);
    if (quoted) out += '"';
  }
  return out;
}

std::string JsonLine(const Line& line) {
  nlohmann::ordered_json document = {
      {"time", Timestamp(line.unix_ms)}, {"level", line.level}, {"message", line.message}};
  for (const Field& field : line.fields) document[field.key] = field.value;
  return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void SetUpLog(const std::string& level, config::LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("crossfade",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LineFormatter>());
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  ChangeLog(level, format);
}

void ChangeLog(const std::string& level, config::LogFormat format) {
  active_format.store(format, std::memory_order_relaxed);
  spdlog::set_level(level == "error" ? spdlog::level::err : spdlog::level::from_str(level));
}

void Write(Level level, std::string_view message, const std::vector<Field>& fields) {
  const spdlog::level::level_enum target = SpdlogLevel(level);
  if (!spdlog::should_log(target)) return;
  std::string payload = WithoutMarks(message);
  for (const Field& field : fields) {
    payload += kFieldMark;
    payload += WithoutMarks(field.key);
    payload += kValueMark;
    payload += WithoutMarks(field.value);
  }
  spdlog::default_logger_raw()->log(target, spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace crossfade::proxy::log
