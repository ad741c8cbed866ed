// FileSpool: the backfill's spool on a disk. Without a folder of the journal's it
// is a temporary file, which goes with the process. Used by one thread.
#pragma once

#include <memory>
#include <string>

#include "config/result.h"
#include "replication/backfill/spool.h"

namespace crossfade::proxy {

class FileSpool : public replication::SpoolFile {
 public:
  // `sync`: what is written must survive a crash of the machine.
  static Result<std::unique_ptr<FileSpool>> Open(const std::string& path, bool sync);
  static Result<std::unique_ptr<FileSpool>> OpenTemporary();
  ~FileSpool() override;

  Status Write(uint64_t offset, std::string_view bytes) override;
  Status Sync() override;
  Result<std::string> Read(uint64_t offset, size_t size) override;
  uint64_t Size() override;
  Status Truncate(uint64_t size) override;
  Status BeginOther() override;
  Status AppendOther(std::string_view bytes) override;
  Status TakeOther() override;

 private:
  FileSpool(int fd, std::string path, bool sync) : fd_(fd), path_(std::move(path)), sync_(sync) {}
  Status Problem(const char* what) const;
  Status WriteTo(int fd, uint64_t offset, std::string_view bytes);
  void DropOther();
  Status SyncFolder();

  int fd_;
  bool temporary_ = false;  // without a name
  int other_ = -1;
  uint64_t other_bytes_ = 0;
  const std::string path_;
  const bool sync_;
};

}  // namespace crossfade::proxy
