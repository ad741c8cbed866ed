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

Result<uint64_t> ServerDataPlane::BeginVerify(const VerifyOptions& options) {
  std::lock_guard lock(mutex_);
  if (stopping_) return Fail("the proxy is stopping");
  return server_.BeginVerify(options);
}

bool ServerDataPlane::CancelVerify() {
  std::lock_guard lock(mutex_);
  return !stopping_ && server_.CancelVerify();
}

std::vector<VerifyReport> ServerDataPlane::VerifyReports() {
  std::lock_guard lock(mutex_);
  return server_.VerifyReports();
}

RecentDeltas::Listing ServerDataPlane::VerifyDeltas() {
  std::lock_guard lock(mutex_);
  return server_.VerifyDeltas();
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
