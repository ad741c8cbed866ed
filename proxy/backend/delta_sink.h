// DeltaSink: who is told of passes, of every key that they found different, and of
// what became of it. Called in the Verifier's thread, without locks; may block for as
// long as a pass may be held up. A pass may begin and end while another one waits.
#pragma once

#include "proxy/backend/verify_report.h"

namespace crossfade::proxy {

class DeltaSink {
 public:
  virtual void PassBegan(const VerifyReport& report) = 0;
  virtual void Take(const Delta& delta) = 0;
  // May note in it where it has put what it was told.
  virtual void PassEnded(VerifyReport& report) = 0;

 protected:
  ~DeltaSink() = default;
};

}  // namespace crossfade::proxy
