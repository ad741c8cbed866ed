#include "proxy/core.h"

#include "proxy/worker/worker.h"

namespace crossfade::proxy {

Core::Core(const config::Plan& plan, const routing::CommandTable& commands)
    : legacy("legacy", plan.settings.legacy),
      new_store("new", plan.settings.new_store),
      table(&commands),
      events(*this),
      replicator(commands, events, plan.settings.mirror.memory_bytes) {}

Core::~Core() = default;

}  // namespace crossfade::proxy
