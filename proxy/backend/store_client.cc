#include "proxy/backend/store_client.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "proxy/net/socket.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {
namespace {

void FreeReply(redisReply* reply) { freeReplyObject(reply); }

int64_t UnixUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// Waits until the socket is ready; the deadline is that of the whole call.
Status StoreClient::Await(short events, Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  std::array<pollfd, 2> waited{{{stream_.fd(), events, 0}, {interrupt_->fd(), POLLIN, 0}}};
  const int ready =
      poll(waited.data(), waited.size(), static_cast<int>(std::max<int64_t>(0, left.count())));
  if (waited[1].revents != 0) return Fail("the proxy is stopping");
  if (ready == 0) return Fail("it did not answer in time");
  if (ready < 0 && errno != EINTR) return Fail(std::strerror(errno));
  return {};
}

Status StoreClient::FinishConnect(const StoreLink& link, Deadline deadline) {
  if (const Status writable = Await(POLLOUT, deadline); !writable) return writable;
  if (const int error = ConnectError(stream_.fd()); error != 0) return Fail(std::strerror(error));
  const config::TlsPtr tls = link.tls();
  if (!tls) return {};
  stream_.StartTls(TlsStream::Connecting(stream_.fd(), tls));
  while (true) {
    const TlsStream::Progress progress = stream_.tls()->Handshake();
    if (progress == TlsStream::Progress::kDone) return {};
    if (progress == TlsStream::Progress::kFailed) return Fail(stream_.Problem());
    const short events = progress == TlsStream::Progress::kWantsRead ? POLLIN : POLLOUT;
    if (const Status ready = Await(events, deadline); !ready) return ready;
  }
}

Status StoreClient::LogIn(const config::Endpoint& endpoint) {
  if (!endpoint.password.empty()) {
    const Result<Reply> auth = endpoint.user.empty()
                                   ? Command({"AUTH", endpoint.password})
                                   : Command({"AUTH", endpoint.user, endpoint.password});
    if (!auth) return Fail("AUTH: " + auth.error().message);
  }
  const Result<Reply> name = Command({"CLIENT", "SETNAME", "crossfade:background"});
  // While a script runs too long, little else is taken than what ends it.
  if (!name && !name.error().message.starts_with("BUSY")) return Fail(name.error().message);
  return {};
}

Result<StoreClient> StoreClient::Connect(const StoreLink& link, std::chrono::milliseconds timeout,
                                         const Interrupt& interrupt,
                                         std::chrono::milliseconds patience) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const Result<Address> address = Resolve(link.endpoint());
  if (!address) return Fail(address.error().message);
  const Result<int> fd = StartConnect(*address);
  if (!fd) return Fail(fd.error().message);
  StoreClient client{Stream(*fd), interrupt};
  client.patience_ = patience;
  if (const Status made = client.FinishConnect(link, deadline); !made) {
    return tl::unexpected(made.error());
  }
  if (const Status known = client.LogIn(link.endpoint()); !known) {
    return tl::unexpected(known.error());
  }
  return client;
}

Status StoreClient::SendAll(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t n = stream_.Send(bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EAGAIN && errno != EINTR) {
      return Fail(stream_.Problem());
    } else if (const Status ready = Await(POLLOUT, deadline); !ready) {
      return ready;
    }
  }
  return {};
}

Result<StoreClient::Reply> StoreClient::ReadReply(Deadline deadline) {
  std::array<char, 16 * 1024> bytes;
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) return Fail(reader_->errstr);
    if (raw != nullptr) return Reply(static_cast<redisReply*>(raw), &FreeReply);
    const ssize_t n = stream_.Receive(bytes.data(), bytes.size());
    if (n > 0) {
      redisReaderFeed(reader_.get(), bytes.data(), static_cast<size_t>(n));
    } else if (n == 0) {
      return Fail("it closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
      return Fail(stream_.Problem());
    } else if (errno == EAGAIN) {
      if (const Status ready = Await(POLLIN, deadline); !ready) {
        return tl::unexpected(ready.error());
      }
    }
  }
}

tl::unexpected<Error> StoreClient::GiveUp(const Error& error) {
  stream_.Close();
  return tl::unexpected(error);
}

Result<std::vector<StoreClient::Reply>> StoreClient::AskAll(std::string_view requests,
                                                            size_t count) {
  if (!stream_.open()) return Fail("the connection to it was given up");
  const Deadline deadline = std::chrono::steady_clock::now() + patience_;
  if (const Status sent = SendAll(requests, deadline); !sent) return GiveUp(sent.error());
  std::vector<Reply> replies;
  while (replies.size() < count) {
    Result<Reply> reply = ReadReply(deadline);
    if (!reply) return GiveUp(reply.error());
    replies.push_back(std::move(*reply));
  }
  return replies;
}

Status StoreClient::Send(std::string_view requests) {
  if (!stream_.open()) return Fail("the connection to it was given up");
  const Status sent = SendAll(requests, std::chrono::steady_clock::now() + patience_);
  if (!sent) return GiveUp(sent.error());
  return {};
}

Result<StoreClient::Reply> StoreClient::Receive() {
  if (!stream_.open()) return Fail("the connection to it was given up");
  Result<Reply> reply = ReadReply(std::chrono::steady_clock::now() + patience_);
  if (!reply) return GiveUp(reply.error());
  return reply;
}

Result<StoreClient::Reply> StoreClient::Ask(std::span<const std::string_view> args) {
  std::string request;
  routing::AppendCommand(request, args);
  Result<std::vector<Reply>> replies = AskAll(request, 1);
  if (!replies) return tl::unexpected(replies.error());
  return std::move(replies->front());
}

Result<StoreClient::Reply> StoreClient::Command(std::initializer_list<std::string_view> args) {
  Result<Reply> reply = Ask({args.begin(), args.size()});
  if (reply && (*reply)->type == REDIS_REPLY_ERROR) {
    return Fail(std::string((*reply)->str, (*reply)->len));
  }
  return reply;
}

Result<std::map<uint32_t, uint64_t>> StoreClient::CountKeys() {
  const Result<Reply> info = Command({"INFO", "keyspace"});
  if (!info) return Fail(info.error().message);
  std::map<uint32_t, uint64_t> counts;
  const std::string_view text = TextOf(**info);
  for (size_t at = text.find("db"); at != text.npos; at = text.find("\ndb", at)) {
    if (text[at] == '\n') ++at;
    uint32_t db = 0;
    uint64_t keys = 0;
    const char* end = text.data() + text.size();
    const auto number = std::from_chars(text.data() + at + 2, end, db);
    constexpr std::string_view kKeys = ":keys=";
    const std::string_view rest(number.ptr, static_cast<size_t>(end - number.ptr));
    if (number.ec == std::errc() && rest.starts_with(kKeys)) {
      std::from_chars(rest.data() + kKeys.size(), end, keys);
      counts[db] = keys;
    }
    ++at;
  }
  return counts;
}

Result<std::string> StoreClient::Config(std::string_view name) {
  const Result<Reply> reply = Command({"CONFIG", "GET", name});
  if (!reply) return Fail(reply.error().message);
  if ((*reply)->type != REDIS_REPLY_ARRAY || (*reply)->elements != 2) return Fail("not known");
  return std::string(TextOf(*(*reply)->element[1]));
}

Result<StoreClient::Reply> StoreClient::Scan(const std::string& cursor, std::string_view count,
                                             std::string_view pattern) {
  Result<Reply> page = pattern.empty()
                           ? Command({"SCAN", cursor, "COUNT", count})
                           : Command({"SCAN", cursor, "MATCH", pattern, "COUNT", count});
  if (!page) return page;
  const redisReply& reply = **page;
  const auto is_text = [](const redisReply* value) { return value->type == REDIS_REPLY_STRING; };
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2 || !is_text(reply.element[0]) ||
      reply.element[1]->type != REDIS_REPLY_ARRAY) {
    return Fail("no SCAN reply");
  }
  const redisReply& names = *reply.element[1];
  if (!std::all_of(names.element, names.element + names.elements, is_text)) {
    return Fail("no SCAN reply");
  }
  return page;
}

Result<int64_t> StoreClient::ClockOffsetMs() {
  const int64_t before = UnixUs();
  const Result<Reply> reply = Command({"TIME"});
  const int64_t after = UnixUs();
  if (!reply) return Fail(reply.error().message);
  const redisReply& time = **reply;
  if (time.type != REDIS_REPLY_ARRAY || time.elements != 2) return Fail("no TIME reply");
  int64_t seconds = 0;
  int64_t us = 0;
  if (!routing::ParseInteger(TextOf(*time.element[0]), seconds) ||
      !routing::ParseInteger(TextOf(*time.element[1]), us)) {
    return Fail("no TIME reply");
  }
  return (seconds * 1'000'000 + us - (before + after) / 2) / 1000;
}

std::string_view TextOf(const redisReply& reply) {
  const bool text = reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS;
  return text ? std::string_view(reply.str, reply.len) : std::string_view();
}

void AppendAsResp(std::string& out, const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_ARRAY:
      routing::AppendHead(out, '*', static_cast<int64_t>(reply.elements));
      for (size_t i = 0; i < reply.elements; ++i) AppendAsResp(out, *reply.element[i]);
      return;
    case REDIS_REPLY_INTEGER:
      routing::AppendInteger(out, reply.integer);
      return;
    case REDIS_REPLY_STRING:
      routing::AppendBulk(out, std::string_view(reply.str, reply.len));
      return;
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      out += reply.type == REDIS_REPLY_STATUS ? '+' : '-';
      out.append(reply.str, reply.len).append("\r\n");
      return;
    default:
      out += "$-1\r\n";
  }
}

}  // namespace crossfade::proxy
