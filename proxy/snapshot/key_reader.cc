#include "proxy/snapshot/key_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "replication/snapshot/format.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kUnderWayMax = 128;  // keys
constexpr size_t kPageToAsk = 4;      // times as many are listed at a time
constexpr size_t kUnderWayBytes = size_t{8} << 20;
constexpr size_t kTogetherMax = 16;  // keys in a transaction
// Of a dump, before one was seen, so that it begins with few.
constexpr size_t kUsualAtFirst = size_t{128} << 10;
// A dump that is larger than usual counts for about so many keys.
constexpr size_t kForgetIn = 64;

bool IsError(const redisReply& reply) { return reply.type == REDIS_REPLY_ERROR; }
std::string_view ErrorText(const redisReply& reply) { return {reply.str, reply.len}; }

bool ParseCursor(std::string_view text, uint64_t& cursor) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  return error == std::errc() && end == text.data() + text.size();
}

// Of a reply to TIME; 0 when it is none.
int64_t TimeMs(const redisReply& reply) {
  int64_t seconds = 0;
  int64_t us = 0;
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2 ||
      !routing::ParseInteger(TextOf(*reply.element[0]), seconds) ||
      !routing::ParseInteger(TextOf(*reply.element[1]), us)) {
    return 0;
  }
  return seconds * 1000 + us / 1000;
}

}  // namespace

size_t KeyReader::KeysAtATime() const {
  return std::clamp<size_t>(kUnderWayBytes / std::max<size_t>(usual_bytes_, 1), 1, kUnderWayMax);
}

void KeyReader::NoteSize(size_t bytes) {
  usual_bytes_ = std::max(bytes, usual_bytes_ - usual_bytes_ / kForgetIn);
}

void KeyReader::Ask(std::vector<Name> keys) {
  routing::AppendCommand(out_, {"MULTI"});
  for (const Name& key : keys) {
    routing::AppendCommand(out_, {"DUMP", key.text});
    routing::AppendCommand(out_, {has_expiretime_ ? "PEXPIRETIME" : "PTTL", key.text});
  }
  if (!has_expiretime_) routing::AppendCommand(out_, {"TIME"});
  routing::AppendCommand(out_, {"EXEC"});
  under_way_ += keys.size();
  requests_.push_back({false, std::move(keys)});
}

// Asks for more once half of what may be under way has come.
void KeyReader::Fill() {
  const size_t most = KeysAtATime();
  if (under_way_ > most / 2) return;
  const size_t together = std::clamp<size_t>(most / 8, 1, kTogetherMax);
  while (under_way_ < most && !alone_.empty()) {
    std::vector<Name> key;
    key.push_back(std::move(alone_.front()));
    alone_.pop_front();
    Ask(std::move(key));
  }
  while (under_way_ < most && !names_.empty()) {
    const size_t count = std::min({together, most - under_way_, names_.size()});
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<Name> keys(std::make_move_iterator(names_.begin()), std::make_move_iterator(end));
    names_.erase(names_.begin(), end);
    Ask(std::move(keys));
  }
  if (scanning_ || scanned_ || names_.size() >= kUnderWayMax) return;
  // What is interrupted within a page goes on at its start: large keys, short pages.
  const std::string count = std::to_string(most * kPageToAsk);
  routing::AppendCommand(out_, {"SCAN", std::to_string(cursor_), "COUNT", count});
  requests_.push_back({true, {}});
  scanning_ = true;
}

Status KeyReader::ReadDb(uint64_t cursor) {
  cursor_ = cursor;
  scanning_ = scanned_ = false;
  usual_bytes_ = kUsualAtFirst;
  while (!Idle()) {
    Fill();
    if (!out_.empty()) {
      const Status sent = store_.Send(out_);
      out_.clear();
      if (!sent) return sent;
    }
    Request request = std::move(requests_.front());
    requests_.pop_front();
    if (const Status taken = request.scan ? TakePage() : TakeKeys(request); !taken) return taken;
  }
  return {};
}

Status KeyReader::TakePage() {
  const Result<StoreClient::Reply> reply = store_.Receive();
  if (!reply) return tl::unexpected(reply.error());
  const redisReply& page = **reply;
  if (IsError(page)) return Fail("SCAN: " + std::string(ErrorText(page)));
  if (page.type != REDIS_REPLY_ARRAY || page.elements != 2 ||
      !ParseCursor(TextOf(*page.element[0]), cursor_) ||
      page.element[1]->type != REDIS_REPLY_ARRAY) {
    return Fail("the reply to SCAN is not understood");
  }
  scanning_ = false;
  scanned_ = cursor_ == 0;
  const redisReply& names = *page.element[1];
  const uint64_t number = first_page_ + pages_.size();
  Page& listed = pages_.emplace_back(Page{cursor_, 0});
  for (size_t i = 0; i < names.elements; ++i) {
    const std::string_view name = TextOf(*names.element[i]);
    if (routing::IsReserved(name)) continue;
    names_.push_back({std::string(name), number});
    ++listed.open;
  }
  TakenWhole();  // one without keys is, when those before it are
  return {};
}

void KeyReader::Close(const Name& key) {
  --pages_[key.page - first_page_].open;
  TakenWhole();
}

void KeyReader::TakenWhole() {
  while (!pages_.empty() && pages_.front().open == 0) {
    if (pages_.front().next != 0) taker_.OnCursor(pages_.front().next);
    pages_.pop_front();
    ++first_page_;
  }
}

Status KeyReader::Refuse(const Name& key, std::string_view reason) {
  const Status taken = taker_.OnRefused(key.text, reason);
  Close(key);
  return taken;
}

// The replies to MULTI, to each command, and to EXEC.
Status KeyReader::TakeKeys(Request& request) {
  const size_t count = request.keys.size();
  const size_t commands = 2 * count + (has_expiretime_ ? 0 : 1);
  under_way_ -= count;
  std::string problem;
  for (size_t i = 0; i < 1 + commands; ++i) {
    const Result<StoreClient::Reply> queued = store_.Receive();
    if (!queued) return tl::unexpected(queued.error());
    if (!IsError(**queued)) continue;
    if (i == 0) return Fail("MULTI: " + std::string(ErrorText(**queued)));
    if (problem.empty()) problem = ErrorText(**queued);
  }
  const Result<StoreClient::Reply> reply = store_.Receive();
  if (!reply) return tl::unexpected(reply.error());
  const redisReply& done = **reply;
  if (IsError(done)) {
    if (problem.empty()) problem = ErrorText(done);
    if (count == 1) return Refuse(request.keys.front(), problem);
    for (Name& key : request.keys) alone_.push_back(std::move(key));
    return {};
  }
  if (done.type != REDIS_REPLY_ARRAY || done.elements != commands) {
    return Fail("the reply to EXEC is not understood");
  }
  const int64_t now_ms = has_expiretime_ ? 0 : TimeMs(*done.element[commands - 1]);
  for (size_t i = 0; i < count; ++i) {
    const Status taken =
        TakeElement(request.keys[i], *done.element[2 * i], *done.element[2 * i + 1], now_ms);
    if (!taken) return taken;
  }
  return {};
}

Status KeyReader::TakeElement(const Name& key, const redisReply& dump, const redisReply& expiry,
                              int64_t now_ms) {
  if (IsError(dump)) return Refuse(key, ErrorText(dump));
  if (IsError(expiry)) return Refuse(key, ErrorText(expiry));
  constexpr int64_t kGone = -2;
  const bool gone = dump.type == REDIS_REPLY_NIL ||
                    (expiry.type == REDIS_REPLY_INTEGER && expiry.integer == kGone);
  if (gone) {
    taker_.OnVanished();
    Close(key);
    return {};
  }
  if (dump.type != REDIS_REPLY_STRING || expiry.type != REDIS_REPLY_INTEGER) {
    return Fail("the replies to DUMP and " + std::string(has_expiretime_ ? "PEXPIRETIME" : "PTTL") +
                " are not understood");
  }
  NoteSize(dump.len);
  if (dump.len + key.text.size() > replication::kSnapshotKeyMax) {
    return Refuse(key, "its dump of " + std::to_string(dump.len) + " bytes is too large");
  }
  int64_t deadline_ms = 0;
  if (expiry.integer >= 0) {
    if (!has_expiretime_ && now_ms == 0) return Fail("the reply to TIME is not understood");
    deadline_ms = std::max<int64_t>(1, now_ms + expiry.integer);
  }
  const Status taken = taker_.OnKey(key.text, deadline_ms, TextOf(dump));
  Close(key);
  return taken;
}

}  // namespace crossfade::proxy
