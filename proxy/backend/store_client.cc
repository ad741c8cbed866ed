#include "proxy/backend/store_client.h"

#include <sys/time.h>

#include <charconv>
#include <vector>

namespace crossfade::proxy {
namespace {

void FreeReply(redisReply* reply) { freeReplyObject(reply); }

int64_t UnixUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<StoreClient> StoreClient::Connect(const config::Endpoint& endpoint,
                                         std::chrono::milliseconds timeout) {
  const timeval limit{static_cast<time_t>(timeout.count() / 1000),
                      static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
  redisContext* context =
      endpoint.unix_path.empty()
          ? redisConnectWithTimeout(endpoint.host.c_str(), endpoint.port, limit)
          : redisConnectUnixWithTimeout(endpoint.unix_path.c_str(), limit);
  if (context == nullptr) return Fail("out of memory");
  StoreClient client(context);
  if (context->err != 0) return Fail(context->errstr);
  const timeval patience{5, 0};
  redisSetTimeout(context, patience);
  if (!endpoint.password.empty()) {
    const Result<Reply> auth = endpoint.user.empty()
                                   ? client.Command({"AUTH", endpoint.password})
                                   : client.Command({"AUTH", endpoint.user, endpoint.password});
    if (!auth) return Fail("AUTH: " + auth.error().message);
  }
  const Result<Reply> name = client.Command({"CLIENT", "SETNAME", "crossfade:background"});
  if (!name) return Fail(name.error().message);
  return client;
}

Result<StoreClient::Reply> StoreClient::Command(std::initializer_list<std::string_view> args) {
  std::vector<const char*> values;
  std::vector<size_t> sizes;
  for (const std::string_view arg : args) {
    values.push_back(arg.data());
    sizes.push_back(arg.size());
  }
  void* raw = redisCommandArgv(context_.get(), static_cast<int>(values.size()), values.data(),
                               sizes.data());
  if (raw == nullptr) return Fail(context_->errstr);
  Reply reply(static_cast<redisReply*>(raw), &FreeReply);
  if (reply->type == REDIS_REPLY_ERROR) return Fail(std::string(reply->str, reply->len));
  return reply;
}

Result<std::map<uint32_t, uint64_t>> StoreClient::CountKeys() {
  const Result<Reply> info = Command({"INFO", "keyspace"});
  if (!info) return Fail(info.error().message);
  std::map<uint32_t, uint64_t> counts;
  const std::string_view text((*info)->str, (*info)->len);
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
  return std::string((*reply)->element[1]->str, (*reply)->element[1]->len);
}

Result<int64_t> StoreClient::ClockOffsetMs() {
  const int64_t before = UnixUs();
  const Result<Reply> reply = Command({"TIME"});
  const int64_t after = UnixUs();
  if (!reply) return Fail(reply.error().message);
  if ((*reply)->type != REDIS_REPLY_ARRAY || (*reply)->elements != 2) return Fail("no TIME");
  const int64_t theirs = std::stoll((*reply)->element[0]->str) * 1'000'000 +
                         std::stoll((*reply)->element[1]->str);
  return (theirs - (before + after) / 2) / 1000;
}

}  // namespace crossfade::proxy
