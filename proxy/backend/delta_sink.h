// DeltaSink: who is told of every key that verification found different, and of what
// became of it. Called in the Verifier's thread, without locks; may block for as long
// as a pass may be held up.
#pragma once

#include "proxy/backend/verify_report.h"

namespace crossfade::proxy {

class DeltaSink {
 public:
  virtual void Take(const Delta& delta) = 0;
  virtual void PassEnded(const VerifyReport& report) = 0;

 protected:
  ~DeltaSink() = default;
};

}  // namespace crossfade::proxy
