// ServerDataPlane: DataPlane over a Server, which accepts one caller at a time.
// Borrows the server, which must outlive it.
#pragma once

#include <mutex>

#include "proxy/admin/data_plane.h"

namespace crossfade::proxy {

class ServerDataPlane final : public DataPlane {
 public:
  explicit ServerDataPlane(Server& server) : server_(server) {}

  void Publish(config::PlanPtr plan) override;
  Snapshot TakeSnapshot() override;
  bool Ready(std::string& why) override;
  std::string Resume(const std::string& reason) override;
  Result<std::string> Order(const BackfillOrder& order) override;
  Result<std::string> Order(const KeyOrder& order) override;
  QuarantineList Quarantined(size_t at_most) override;
  Result<uint64_t> BeginVerify(const VerifyOptions& options) override;
  bool CancelVerify() override;
  std::vector<VerifyReport> VerifyReports() override;
  RecentDeltas::Listing VerifyDeltas() override;
  StopReport Stop(std::chrono::milliseconds deadline) override;

 private:
  Server& server_;
  std::mutex mutex_;  // not held while Stop drains, so that the admin API keeps answering
  bool stopping_ = false;
  Snapshot last_;
};

}  // namespace crossfade::proxy
