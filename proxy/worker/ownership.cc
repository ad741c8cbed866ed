// Worker: what changes with the ownership of the stores.
#include "proxy/applier/applier.h"
#include "proxy/lane/follower_reader.h"
#include "proxy/relay/relays.h"
#include "proxy/session/session.h"
#include "proxy/session/tls_handshakes.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

// Without it the lanes take nothing but reads; what the follower has answered and
// was not read is not read any more.
void Worker::SetOwns(bool owns) {
  owns_ = owns;
  ForEachLane([owns](Lane& lane) { lane.Hold(!owns); });
  if (owns) return;
  if (applier_) applier_->Halt();
  for (auto& [at, reader] : readers_) {
    reader->connection().Abandon("this proxy does not own the stores");
  }
}

// The clients of a standby come anew, to be forwarded; those that were forwarded
// come anew when it owns the stores itself.
void Worker::OnOwnershipChanged() {
  const Standing before = standing_;
  standing_ = core_.ownership.standing();
  forward_to_ = core_.ownership.forward_to();
  const bool owns = core_.ownership.MayWrite(now_us_);
  if (owns != owns_) SetOwns(owns);
  if (standing_ == before) return;
  if (standing_ == Standing::kStandby) {
    handshakes_->CloseAll();
    for (auto& session : sessions_) session->CloseWhenIdle();
  } else if (before == Standing::kStandby && standing_ != Standing::kSeeking) {
    relays_->CloseAll();
  }
  CountSessions();
}

}  // namespace crossfade::proxy
