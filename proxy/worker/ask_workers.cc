#include "proxy/worker/ask_workers.h"

#include <atomic>

namespace crossfade::proxy {

void AskWorkers(Worker& asker, const std::function<void(Worker&)>& ask,
                std::function<void()> done) {
  const auto& workers = asker.core().workers;
  auto left = std::make_shared<std::atomic<size_t>>(workers.size());
  for (const auto& each : workers) {
    Worker* worker = each.get();
    if (worker == &asker) continue;
    worker->Post([worker, ask, left, done, &asker] {
      ask(*worker);
      if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) asker.Post(done);
    });
  }
  ask(asker);
  if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) done();
}

}  // namespace crossfade::proxy
