// KeyVerifier: proxy/applier/key_verifier.cc in virtual time, and what hands the keys
// in: any of those that clients use, at any moment. No key of the follower is tampered
// with, so that each difference that is found is a false alarm, or what a rule missed.
#pragma once

#include "tests/sim/process.h"

namespace crossfade::sim {

class KeyVerifier {
 public:
  explicit KeyVerifier(Process& process);
  // Sends as many reads as may be under way.
  void Run();
  void HandIn();
  // Differences are violations.
  void Judge();

 private:
  void Read(replication::Verification::Slot slot);

  Process& process_;
  uint64_t counted_ = 0;  // keys that matched
};

}  // namespace crossfade::sim
