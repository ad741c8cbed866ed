// FollowerAdmin: runs commands of the allow list on the follower that the
// authority has executed (allow: on: both), in their order, and tells their
// sessions what came of it. A worker's own connection, made when first needed;
// used in the worker's thread alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/backend/connection_holder.h"
#include "proxy/lane/lane.h"
#include "replication/ring.h"

namespace crossfade::proxy {

class FollowerAdmin final : public ConnectionHolder {
 public:
  explicit FollowerAdmin(Worker& worker);

  // Delivers `reply` (the authority's) once the follower has executed the request
  // too, else an error that says what was done. Never fails silently: a follower
  // that is not reachable is such an error.
  void Run(ReplyTo to, std::string_view request, std::string reply);
  void Tick(int64_t now_us);

  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;
  void OnStoreUnreachable(std::string_view reason) override;

 private:
  struct Command {
    ReplyTo to;
    std::string reply;
    size_t bytes = 0;
    int64_t since_us = 0;
  };
  void Refuse(const Command& command, std::string_view reason);
  void RefuseAll(std::string_view reason);

  replication::Ring<Command> commands_{8};
};

}  // namespace crossfade::proxy
