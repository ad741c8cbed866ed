// ConnectionHolder: what all have in common that use one connection to a store on
// a worker: the connection, the scanner of its replies, and what they do alike.
// Used in the worker's thread alone.
#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/backend/store_connection.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

class Worker;

class ConnectionHolder : public StoreConnectionOwner {
 public:
  StoreConnection& connection() { return connection_; }

  void OnStoreReady() override {}
  void OnStoreHasMore() final;
  void OnStoreUnreachable(std::string_view) override {}

 protected:
  // Of the options all but connect_timeout_us, which is limits.connect_timeout.
  ConnectionHolder(Worker& worker, StoreLink& link, StoreConnection::Options options);
  ~ConnectionHolder() = default;

  // Whether an answer that has been waited for since then is overdue.
  bool Overdue(int64_t since_us) const;
  void DropOverdue() { connection_.Drop("it did not answer within limits.command_timeout"); }

  Worker& worker_;
  StoreConnection connection_;
  routing::ReplyScanner scanner_;
};

}  // namespace crossfade::proxy
