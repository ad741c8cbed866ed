// Which process this is, and whether another of the same machine has ended: it
// need not be waited for then. Stateless.
#pragma once

#include "replication/ownership/owner_record.h"

namespace crossfade::proxy {

replication::ProcessMark ThisProcess();

// True only when it is certain: the same boot of the same machine, the same
// numbering of processes, and no process of that number, or another one.
bool HasEnded(const replication::ProcessMark& process);

}  // namespace crossfade::proxy
