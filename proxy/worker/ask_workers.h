// AskWorkers: asks every worker something, each in its own thread, and goes on
// in the asker's when all have answered. With one worker that is at once, before
// AskWorkers returns. What was asked before the workers stop may never be done.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "proxy/core.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

// `ask` must be safe to call from several threads at once; it takes no lock of
// the asker's.
void AskWorkers(Worker& asker, const std::function<void(Worker&)>& ask, std::function<void()> done);

// The answers in the order of the workers, which write theirs at the same time.
template <class Answer>
requires(!std::is_same_v<Answer, bool>) void GatherFromWorkers(
    Worker& asker, std::function<Answer(Worker&)> ask,
    std::function<void(std::vector<Answer>&)> done) {
  auto answers = std::make_shared<std::vector<Answer>>(asker.core().workers.size());
  AskWorkers(
      asker,
      [answers, ask = std::move(ask)](Worker& worker) { (*answers)[worker.index()] = ask(worker); },
      [answers, done = std::move(done)] { done(*answers); });
}

}  // namespace crossfade::proxy
