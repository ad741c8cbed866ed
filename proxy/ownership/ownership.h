// Ownership: whether this proxy is the one that mirrors, as all threads see it.
// Written by the OwnerKeeper. The data path compares one time per turn of a
// worker's loop: past it nothing more may be written, and nothing may be read from
// the follower, however long the process was stopped in between.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "proxy/net/socket.h"
#include "replication/ownership/owner_record.h"

namespace crossfade::proxy {

enum class Standing : uint8_t {
  kNotNeeded,  // nothing is mirrored, or ownership is switched off
  kSeeking,    // nobody is known to own the stores, and we don't yet
  kOwner,
  kStandby,  // another owns them: clients are forwarded to it
};
const char* Name(Standing standing);

// 64 bits in hexadecimal digits.
std::string RandomId();

// Where a standby's clients go, those of plain listeners and those of TLS ones.
struct ForwardTo {
  std::optional<Address> address;
  std::string display;
  std::string refusal;  // why they can't be forwarded, if so
};

class Ownership {
 public:
  Ownership();

  const std::string& id() const { return id_; }  // of this process

  // ---- For the data path; any thread.
  bool MayWrite(int64_t now_us) const {
    return now_us < deadline_us_.load(std::memory_order_relaxed);
  }
  // The same for the follower: it has our record too, and others' connections are closed.
  bool MayApply(int64_t now_us) const {
    return follower_claimed_.load(std::memory_order_acquire) && MayWrite(now_us);
  }
  Standing standing() const { return standing_.load(std::memory_order_acquire); }
  // Our records in db 0 of the authority, that clients are not to see.
  uint32_t keys_held() const { return standing() == Standing::kOwner ? 2 : 0; }
  // Something may have removed our records: the keeper looks at once.
  void NoteKeyspaceWrite();
  // The connection to the follower is gone; who knows who wrote to it since.
  void NoteFollowerLost();
  // What a flush must put back: the owner's and the tenure's record as they lie on
  // the authority. Empty while we don't own it.
  struct Records {
    std::string owner, tenure;
    int64_t lease_ms = 0;
  };
  std::shared_ptr<const Records> records() const;
  std::array<ForwardTo, 2> forward_to() const;  // plain, TLS
  // Why commands can't be sent now; empty: it will be known in a moment.
  std::string refusal() const;

  // ---- For the operator and the mirror's driver.
  struct View {
    Standing standing = Standing::kSeeking;
    uint64_t epoch = 0;
    std::string detail;                             // one sentence, may be empty
    std::optional<replication::OwnerRecord> other;  // who owns the stores
    // Rises with each tenure before which somebody else may have mirrored.
    uint64_t round = 0;
    // Whose tenure was before; nothing: the stores are a pair for the first time.
    std::optional<replication::TenureRecord> former;
    // It was the process that wrote the journal found here: so nobody has mirrored
    // since, and what that says holds.
    bool journal_holds = false;
    bool follower_claimed = false;
    std::string follower_detail;  // why it is not
    bool follower_known = false;  // it followed this authority before
    bool in_step = false;         // and held the same when the former tenure was released
    uint64_t losses = 0, takeovers = 0;
  };
  View view() const;

 private:
  friend class OwnerKeeper;
  void Look();  // the keeper shall, at once

  const std::string id_;
  std::atomic<int64_t> deadline_us_{0};
  std::atomic<bool> follower_claimed_{false};
  std::atomic<Standing> standing_{Standing::kSeeking};
  // For the keeper's threads to wait on.
  std::mutex wake_mutex_;
  std::condition_variable wake_;
  uint64_t looks_wanted_ = 0;
  std::atomic<uint64_t> follower_losses_{0};

  mutable std::mutex mutex_;  // of what follows
  View view_;
  std::shared_ptr<const Records> records_;
  std::array<ForwardTo, 2> forward_to_;
};

}  // namespace crossfade::proxy
