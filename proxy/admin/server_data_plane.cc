#include "proxy/admin/server_data_plane.h"

#include <utility>

namespace crossfade::proxy {

void ServerDataPlane::Publish(config::PlanPtr plan) {
  std::lock_guard lock(mutex_);
  if (!stopping_) server_.Publish(std::move(plan));
}

Snapshot ServerDataPlane::TakeSnapshot() {
  std::lock_guard lock(mutex_);
  if (!stopping_) last_ = server_.TakeSnapshot();
  return last_;
}

bool ServerDataPlane::Ready(std::string& why) {
  std::lock_guard lock(mutex_);
  if (stopping_) {
    why = "the proxy is stopping";
    return false;
  }
  return server_.Ready(why);
}

std::string ServerDataPlane::Resume(const std::string& reason) {
  std::lock_guard lock(mutex_);
  return stopping_ ? "the proxy is stopping" : server_.Resume(reason);
}

Result<std::string> ServerDataPlane::Order(const BackfillOrder& order) {
  std::lock_guard lock(mutex_);
  if (stopping_) return Fail("the proxy is stopping");
  return server_.Order(order);
}

Result<std::string> ServerDataPlane::Order(const KeyOrder& order) {
  std::lock_guard lock(mutex_);
  if (stopping_) return Fail("the proxy is stopping");
  return server_.Order(order);
}

QuarantineList ServerDataPlane::Quarantined(size_t at_most) {
  std::lock_guard lock(mutex_);
  return stopping_ ? QuarantineList{} : server_.Quarantined(at_most);
}

StopReport ServerDataPlane::Stop(std::chrono::milliseconds deadline) {
  {
    std::lock_guard lock(mutex_);
    last_ = server_.TakeSnapshot();
    stopping_ = true;
  }
  return server_.Stop(deadline);
}

}  // namespace crossfade::proxy
