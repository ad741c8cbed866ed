// Worker: a script that runs for too long. The store answers BUSY to whoever is
// not behind it; a lane's clients are, and those that the proxy answers by itself
// don't ask: they get the store's words from here.
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

// So long a script may run before the store is asked.
constexpr int64_t kUnaskedUs = 30'000;

}  // namespace

bool Worker::BehindScript() {
  bool behind = false;
  ForEachLane([&](Lane& lane) { behind = behind || lane.BehindScript(now_us_ - kUnaskedUs); });
  return behind;
}

// At every tick, and with every reply while it is busy.
void Worker::CheckBusy() {
  if (!BehindScript()) {
    if (busy_here_) SpreadBusy({});
    return;
  }
  core_.busy_watch.Ask(core_.authority(), now_us_, [this](std::string text) {
    Post([this, text = std::move(text)] { OnBusyAnswer(text); });
  });
}

// The script's reply may have come meanwhile.
void Worker::OnBusyAnswer(std::string text) {
  if (!BehindScript()) text.clear();
  if (text != busy_ && (busy_here_ || !text.empty())) SpreadBusy(text);
}

void Worker::SpreadBusy(const std::string& text) {
  busy_here_ = !text.empty();
  core_.authority_busy.store(busy_here_);
  SetBusy(text);
  for (const auto& worker : core_.workers) {
    if (worker.get() == this) continue;
    worker->Post([text, other = worker.get()] { other->SetBusy(text); });
  }
}

void Worker::SetBusy(const std::string& text) {
  busy_ = text;
  UpdateHolds();
}

void Worker::UpdateHolds() {
  holds_commands_ = pause_.mode != PauseMode::kNone || authority_busy() || !writes_refused_.empty();
}

void Worker::RefuseWrites(std::string text) {
  writes_refused_ = std::move(text);
  UpdateHolds();
}

}  // namespace crossfade::proxy
