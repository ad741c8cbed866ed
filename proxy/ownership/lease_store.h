// LeaseStore: the records of ownership on one store, read and written over a
// blocking connection. What is written counts only if nobody has changed a record
// since Look, which holds by WATCH. For one thread; errors are the store's words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/store_client.h"
#include "replication/ownership/lease.h"

namespace crossfade::proxy {

// What all connections to the stores that carry a proxy's commands are named by:
// "crossfade:ID:" and what they are for.
std::string ConnectionName(std::string_view id, std::string_view what);

class LeaseStore {
 public:
  explicit LeaseStore(StoreClient& client) : client_(client) {}

  Result<replication::Sighting> Look();
  Result<std::string> RunId();
  // Each false when a record is not what it was.
  Result<bool> Write(const replication::OwnerRecord& owner,
                     const replication::TenureRecord& tenure);
  Result<bool> Extend(int64_t lease_ms);
  Result<bool> End(const replication::TenureRecord& tenure);
  // Removes what SWAPDB has taken to other dbs.
  Status Sweep();
  Status Forget();  // what Look watched

  // Closes all connections of other proxies than `id`, so that nothing of theirs
  // is executed after this (design R8). How many there were.
  Result<size_t> CloseOthers(std::string_view id);

 private:
  Result<std::vector<StoreClient::Reply>> Ask(
      const std::vector<std::vector<std::string>>& commands);
  Result<bool> Execute(std::vector<std::vector<std::string>> commands);

  StoreClient& client_;
};

}  // namespace crossfade::proxy
