// What must hold of a store before a snapshot is restored into it, and the mark
// beside the snapshot that says how far that has come. Blocking; for one thread.
#pragma once

#include <optional>
#include <string>

#include "config/result.h"
#include "proxy/backend/store_client.h"
#include "replication/snapshot/format.h"

namespace crossfade::proxy {

// Fails when a proxy owns the store: it would not mirror what is restored.
Status CheckNotOwned(StoreClient& store);
// Fails when it holds keys of clients, or functions.
Status CheckEmpty(StoreClient& store);
// Whether a proxy has mirrored it before, which may take it for what it was.
bool WasMirrored(StoreClient& store);

class RestoreMarkFile {
 public:
  explicit RestoreMarkFile(std::string path) : path_(std::move(path)) {}
  ~RestoreMarkFile();
  RestoreMarkFile(const RestoreMarkFile&) = delete;
  RestoreMarkFile& operator=(const RestoreMarkFile&) = delete;

  const std::string& path() const { return path_; }
  // Nothing when there is none, or it is damaged.
  std::optional<replication::RestoreMark> Read() const;
  // Made where it is missing, and kept open.
  Status Write(const replication::RestoreMark& mark);
  void Remove();

 private:
  const std::string path_;
  int fd_ = -1;
};

}  // namespace crossfade::proxy
