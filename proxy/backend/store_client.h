// StoreClient: a blocking connection to a store for background work, over
// hiredis. For one thread. Every call has a time-out.
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "config/result.h"
#include "config/settings.h"

namespace crossfade::proxy {

class StoreClient {
 public:
  using Reply = std::unique_ptr<redisReply, void (*)(redisReply*)>;

  static Result<StoreClient> Connect(const config::Endpoint& endpoint,
                                     std::chrono::milliseconds timeout);
  // An error reply of the store is an error here.
  Result<Reply> Command(std::initializer_list<std::string_view> args);

  // Keys per db, from INFO keyspace.
  Result<std::map<uint32_t, uint64_t>> CountKeys();
  // The value of CONFIG GET; an error when the store does not tell.
  Result<std::string> Config(std::string_view name);
  // The store's clock less this machine's, in ms, as of the middle of the call.
  Result<int64_t> ClockOffsetMs();

 private:
  explicit StoreClient(redisContext* context) : context_(context, &redisFree) {}
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

}  // namespace crossfade::proxy
