#include "proxy/core.h"

#include "proxy/journal/intent_committer.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

Core::Core(const config::Plan& plan, const routing::CommandTable& commands)
    : legacy("legacy", plan.settings.legacy),
      new_store("new", plan.settings.new_store),
      table(&commands),
      events(*this),
      replicator(commands, events, plan.settings.mirror.memory_bytes),
      started_us(Worker::ClockUs()) {
  legacy.replaced = [this] { LeaveLive("the authority is another process than before"); };
  new_store.replaced = [this] { LeaveLive("the follower is another process than before"); };
}

void Core::LeaveLive(const std::string& reason) {
  const std::lock_guard lock(mutex);
  replicator.LeaveLive(reason);
}

Core::~Core() = default;

replication::LaneId Core::TakeLaneId() {
  const std::lock_guard lock(ids_mutex_);
  lane_count.fetch_add(1, std::memory_order_relaxed);
  if (spare_lane_ids_.empty()) return next_lane_id_++;
  const replication::LaneId id = spare_lane_ids_.back();
  spare_lane_ids_.pop_back();
  return id;
}

void Core::GiveLaneId(replication::LaneId id) {
  const std::lock_guard lock(ids_mutex_);
  lane_count.fetch_sub(1, std::memory_order_relaxed);
  spare_lane_ids_.push_back(id);
}

void Core::NoteUsed(const routing::CommandSpec& spec) {
  const std::lock_guard lock(ids_mutex_);
  used_others_.insert(spec.name);
}

bool Core::Used(const std::string& name) const {
  const std::lock_guard lock(ids_mutex_);
  return used_others_.contains(name);
}

int64_t Core::StoreClientOf(uint64_t session) const {
  const std::lock_guard lock(ids_mutex_);
  const auto at = store_clients_.find(session);
  return at == store_clients_.end() ? 0 : at->second;
}

void Core::SetStoreClient(uint64_t session, int64_t client) {
  const std::lock_guard lock(ids_mutex_);
  if (client == 0) {
    store_clients_.erase(session);
  } else {
    store_clients_[session] = client;
  }
}

}  // namespace crossfade::proxy
