// KeyVerifier: has the keys that were handed in for verification read from the
// authority, each under the gate, many at a turn. Lives on worker 0, in its thread
// alone.
#pragma once

#include "replication/verification.h"

namespace crossfade::proxy {

class Worker;

class KeyVerifier {
 public:
  explicit KeyVerifier(Worker& worker) : worker_(worker) {}
  // Sends as many reads as may be under way.
  void Run();

 private:
  void Read(replication::Verification::Slot slot);

  Worker& worker_;
};

}  // namespace crossfade::proxy
