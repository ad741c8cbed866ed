// Embedded: what `serve` runs on without a configuration: two redis-server
// children, sample data in legacy, and a configuration file to edit, all in a
// temporary folder that goes with this object. Start it on the main thread: the
// children die with the thread that started them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "config/result.h"
#include "tools/cli/child_store.h"

namespace crossfade::cli {

class Embedded {
 public:
  static Result<std::unique_ptr<Embedded>> Start(uint16_t port, uint16_t admin_port);
  ~Embedded();

  std::string ConfigPath() const { return (folder_ / "crossfade.yaml").string(); }
  // Logs when a child ends by itself.
  void WatchChildren();
  // What to try, for the ports that were got.
  std::string Welcome(uint16_t port, uint16_t admin_port) const;

 private:
  Embedded() = default;
  Status CreateFolders();
  Status WriteConfig(uint16_t port, uint16_t admin_port) const;

  std::filesystem::path folder_;
  std::unique_ptr<ChildStore> legacy_;
  std::unique_ptr<ChildStore> new_;
  uint64_t keys_ = 0;
};

}  // namespace crossfade::cli
