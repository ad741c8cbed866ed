#include "proxy/snapshot/restore_target.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "config/values.h"
#include "proxy/backend/client_keys.h"
#include "replication/ownership/owner_record.h"
#include "routing/commands/reserved_keys.h"

namespace crossfade::proxy {

Status CheckNotOwned(StoreClient& store) {
  const auto selected = store.Command({"SELECT", "0"});
  if (!selected) return Fail("SELECT: " + selected.error().message);
  // A user that may not see the record can't tell.
  const auto record = store.Command({"GET", routing::kOwnerKey});
  if (!record || (*record)->type == REDIS_REPLY_NIL) return {};
  std::string text = "a proxy owns this store";
  const auto owner = replication::ParseOwner(TextOf(**record));
  if (owner) text += " (" + config::Escape(owner->id) + ", " + config::Escape(owner->stores) + ")";
  text += "; stop it first, since it would not mirror what is restored";
  const auto left = store.Command({"PTTL", routing::kOwnerKey});
  if (left && (*left)->integer > 0) {
    text += "; should it be gone, its record ends in " +
            std::to_string((*left)->integer / 1000 + 1) + " s";
  }
  return Fail(text);
}

Status CheckEmpty(StoreClient& store) {
  const auto counts = CountClientKeys(store);
  if (!counts) return Fail("counting its keys: " + counts.error().message);
  const uint64_t keys = Sum(*counts);
  const auto list = store.Command({"FUNCTION", "LIST"});
  const bool functions = list && (*list)->type == REDIS_REPLY_ARRAY && (*list)->elements > 0;
  if (keys == 0 && !functions) return {};
  std::string held = keys > 0 ? std::to_string(keys) + " keys" : "";
  if (functions) held += (held.empty() ? "" : " and ") + std::string("function libraries");
  return Fail("it holds " + held +
              "; with --replace those of the same names are replaced, others stay");
}

bool WasMirrored(StoreClient& store) {
  if (!store.Command({"SELECT", "0"})) return false;
  const auto tenure = store.Command({"EXISTS", routing::kTenureKey});
  return tenure && (*tenure)->integer > 0;
}

RestoreMarkFile::~RestoreMarkFile() {
  if (fd_ >= 0) close(fd_);
}

std::optional<replication::RestoreMark> RestoreMarkFile::Read() const {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 4096> bytes;
  const ssize_t n = read(fd, bytes.data(), bytes.size());
  close(fd);
  if (n < 0) return std::nullopt;
  return replication::ParseRestoreMark({bytes.data(), static_cast<size_t>(n)});
}

Status RestoreMarkFile::Write(const replication::RestoreMark& mark) {
  if (fd_ < 0) fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string bytes = replication::EncodeRestoreMark(mark);
  const auto size = static_cast<ssize_t>(bytes.size());
  if (fd_ < 0 || pwrite(fd_, bytes.data(), bytes.size(), 0) != size || ftruncate(fd_, size) != 0) {
    return Fail(path_ + " can't be written: " + std::strerror(errno));
  }
  return {};
}

void RestoreMarkFile::Remove() {
  if (fd_ < 0) return;
  close(fd_);
  fd_ = -1;
  unlink(path_.c_str());
}

}  // namespace crossfade::proxy
