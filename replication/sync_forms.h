// SyncForms: in which of two forms the follower is given keys' states, and what it is
// known to take. Guarded by the replication lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replication/effects/typewise.h"
#include "routing/resp/request.h"

namespace crossfade::replication {

enum class SyncForm : uint8_t {
  kDump,      // RESTORE of the authority's dump
  kTypewise,  // built anew by ordinary commands
};

constexpr SyncForm Other(SyncForm form) {
  return form == SyncForm::kDump ? SyncForm::kTypewise : SyncForm::kDump;
}

class SyncForms {
 public:
  // Which process the follower is. Another one may take what the former refused.
  void Follow(std::string_view run_id, std::string_view version);
  void SetLacksRestore(bool lacks) { lacks_restore_ = lacks; }

  // The form that is tried first.
  SyncForm first() const {
    return lacks_restore_ || refused_ >= kRefusedMax ? SyncForm::kTypewise : SyncForm::kDump;
  }
  const TypewiseTarget& target() const { return target_; }

  void Taken(SyncForm form) {
    if (form == SyncForm::kDump && refused_ < kRefusedMax) refused_ = 0;
  }
  // True when the refusal is of the form: the other one may do better. Else it is of
  // the store, which has no memory, say, and will take what it refuses now.
  bool Refused(SyncForm form, std::string_view error);

 private:
  // After so many refusals without one taken in between no dump is tried first any more.
  static constexpr uint32_t kRefusedMax = 3;

  std::string run_id_;
  TypewiseTarget target_;
  bool lacks_restore_ = false;
  uint32_t refused_ = 0;
};

// A key sync in the log: MULTI … EXEC, RESTORE or DEL.
struct LoggedSync {
  std::string_view key;
  SyncForm form = SyncForm::kDump;
  bool deletes = false;  // in either form
};
// `decoder` is of use for anything else behind it.
LoggedSync ReadLoggedSync(std::string_view commands, routing::RequestDecoder& decoder);

// The error in the last reply to a key sync, EXEC's elements included, in the words of
// the command that it is of; empty when there is none.
std::string SyncErrorOf(std::string_view reply);

}  // namespace crossfade::replication
