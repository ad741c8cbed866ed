// ConfigWatch: tells when the file that a path leads to may have changed, by
// inotify on the folders of the file and of every symbolic link on the way to it.
// So in-place writes, the rename of a new file over the old one, and a swapped
// link (as Kubernetes updates a ConfigMap) are all seen. One thread at a time.
#pragma once

#include <map>
#include <set>
#include <string>

#include "config/result.h"

namespace crossfade::proxy {

class ConfigWatch {
 public:
  explicit ConfigWatch(std::string path) : path_(std::move(path)) {}
  ~ConfigWatch();
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;

  // Opens the watch. Fails when the system has no inotify instance left.
  Status Open();
  int Descriptor() const { return descriptor_; }  // readable when there are events

  // Reads all pending events; true when one of them concerns the file.
  bool Drain();
  // Watches what the path leads to by now. Fails when a folder can't be watched;
  // the others are.
  Status Arm();

  // The directory entries whose change changes what `path` leads to.
  using Entries = std::map<std::string, std::set<std::string>>;  // folder -> names
  static Entries EntriesOf(const std::string& path);

 private:
  std::string path_;
  int descriptor_ = -1;
  std::map<int, std::set<std::string>> names_;  // watch -> names
};

}  // namespace crossfade::proxy
