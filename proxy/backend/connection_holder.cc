#include "proxy/backend/connection_holder.h"

#include <chrono>
#include <utility>

#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

StoreConnection::Options WithTimeout(StoreConnection::Options options, const Worker& worker) {
  options.connect_timeout_us = std::chrono::microseconds(worker.limits().connect_timeout).count();
  return options;
}

}  // namespace

ConnectionHolder::ConnectionHolder(Worker& worker, StoreLink& link,
                                   StoreConnection::Options options)
    : worker_(worker),
      connection_(worker.loop(), link, WithTimeout(std::move(options), worker), *this) {}

void ConnectionHolder::OnStoreHasMore() { worker_.QueueRead(&connection_); }

bool ConnectionHolder::Overdue(int64_t since_us) const {
  return worker_.now_us() - since_us >
         std::chrono::microseconds(worker_.limits().command_timeout).count();
}

}  // namespace crossfade::proxy
