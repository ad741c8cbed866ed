// StoreClient: a blocking connection to a store for background work, plain or
// under TLS as the store's link says; hiredis parses the replies. For one thread.
// Every call has a time-out, and fails once the interrupt is raised.
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/result.h"
#include "proxy/backend/interrupt.h"
#include "proxy/backend/store_link.h"
#include "proxy/net/stream.h"

namespace crossfade::proxy {

class StoreClient {
 public:
  static constexpr std::chrono::milliseconds kPatience{5'000};
  using Reply = std::unique_ptr<redisReply, void (*)(redisReply*)>;

  // `patience`: how long each call waits for the store. The interrupt must outlive
  // the client.
  static Result<StoreClient> Connect(const StoreLink& link, std::chrono::milliseconds timeout,
                                     const Interrupt& interrupt,
                                     std::chrono::milliseconds patience = kPatience);
  // The store's reply, errors included. A call that fails otherwise ends the
  // connection: a reply that comes late must not be taken for the next one's.
  Result<Reply> Ask(std::span<const std::string_view> args);
  // The replies to so many commands that are sent at once.
  Result<std::vector<Reply>> AskAll(std::string_view requests, size_t count);
  // For pipelines: whole requests, and one reply after the other.
  Status Send(std::string_view requests);
  Result<Reply> Receive();
  // An error reply of the store is an error here.
  Result<Reply> Command(std::initializer_list<std::string_view> args);

  // Keys per db, from INFO keyspace.
  Result<std::map<uint32_t, uint64_t>> CountKeys();
  // The value of CONFIG GET; an error when the store does not tell.
  Result<std::string> Config(std::string_view name);
  // A page of keys: an array of the next cursor, "0" behind the last page, and names.
  // `pattern`: of the names; empty: all.
  Result<Reply> Scan(const std::string& cursor, std::string_view count,
                     std::string_view pattern = {});
  // The store's clock less this machine's, in ms, as of the middle of the call.
  Result<int64_t> ClockOffsetMs();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  StoreClient(Stream stream, const Interrupt& interrupt)
      : stream_(std::move(stream)),
        interrupt_(&interrupt),
        reader_(redisReaderCreate(), &redisReaderFree) {}
  Status Await(short events, Deadline deadline);
  Status FinishConnect(const StoreLink& link, Deadline deadline);
  Status LogIn(const config::Endpoint& endpoint);
  Status SendAll(std::string_view bytes, Deadline deadline);
  Result<Reply> ReadReply(Deadline deadline);
  tl::unexpected<Error> GiveUp(const Error& error);

  Stream stream_;
  const Interrupt* interrupt_;
  std::chrono::milliseconds patience_ = kPatience;
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
};

// Of a string or status; empty: it is neither.
std::string_view TextOf(const redisReply& reply);
// The reply in the protocol's bytes again.
void AppendAsResp(std::string& out, const redisReply& reply);

}  // namespace crossfade::proxy
