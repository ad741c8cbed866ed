#include "replication/effects/derivation.h"

namespace crossfade::replication::effects {

using routing::ReadHead;
using routing::ReplyHead;
using routing::ReplyType;

namespace {

// ReadHead takes a frame to be complete; one that is not does not end in CRLF.
bool EndsInLine(const char* begin, const char* p) {
  return p - begin >= 3 && p[-2] == '\r' && p[-1] == '\n';
}

}  // namespace

bool IsNilFrame(std::string_view frame) {
  return frame == "$-1\r\n" || frame == "*-1\r\n" || frame == "_\r\n";
}

bool ReadIntegerFrame(std::string_view frame, int64_t& value) {
  return frame.size() >= 4 && frame.front() == ':' && frame.ends_with("\r\n") &&
         routing::ParseInteger(frame.substr(1, frame.size() - 3), value);
}

bool ReadBulkFrame(std::string_view frame, std::string_view& text) {
  if (frame.empty() || frame.front() != '$') return false;
  const char* p = frame.data();
  const char* end = p + frame.size();
  const ReplyHead head = ReadHead(p, end);
  if (head.nil || p != end || !EndsInLine(frame.data(), p)) return false;
  text = head.text;
  return true;
}

ArrayReader::ArrayReader(std::string_view frame)
    : p_(frame.data()), end_(frame.data() + frame.size()) {
  is_array_ = NextArray(size_);
}

bool ArrayReader::Next(ReplyHead& head) {
  if (p_ == end_) return false;
  const char* begin = p_;
  head = ReadHead(p_, end_);
  return !head.nil && EndsInLine(begin, p_);
}

bool ArrayReader::NextBulk(std::string_view& text) {
  ReplyHead head;
  if (!Next(head) || head.type != ReplyType::kBulk) return false;
  text = head.text;
  return true;
}

bool ArrayReader::NextArray(int64_t& size) {
  ReplyHead head;
  if (!Next(head) || !head.IsAggregate()) return false;
  size = head.elements;
  // Every value takes three bytes at least: a size that can't be true is none.
  return size <= end_ - p_;
}

bool ArrayReader::NextInteger(int64_t& value) {
  ReplyHead head;
  return Next(head) && head.type == ReplyType::kInteger && routing::ParseInteger(head.text, value);
}

std::string_view ArrayReader::NextValue() {
  const std::string_view value = routing::FirstValue(Rest());
  p_ += value.size();
  return value;
}

bool IsArrayFrame(std::string_view frame) {
  return ArrayReader(frame).IsArray() && routing::FirstValue(frame) == frame;
}

void Derivation::ReplayOnOk(bool guard) {
  if (reply == kOkFrame) return Replay(guard);
  Sync();
}

void Derivation::ReplayOnInteger(bool guard) {
  int64_t value = 0;
  if (!ReadIntegerFrame(reply, value)) return Sync();
  Replay(guard);
}

void Derivation::ReplayOnPositive(bool guard) {
  int64_t value = 0;
  if (!ReadIntegerFrame(reply, value)) return Sync();
  if (value <= 0) return Nothing();
  Replay(guard);
}

void Derivation::ReplayOnBulk(bool guard) {
  std::string_view text;
  if (IsNilFrame(reply)) return Nothing();
  if (!ReadBulkFrame(reply, text)) return Sync();
  Replay(guard);
}

}  // namespace crossfade::replication::effects
