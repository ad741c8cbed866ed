// The function libraries of a store, as FUNCTION LIST tells them. For background
// threads; blocking.
#pragma once

#include <vector>

#include "config/result.h"
#include "proxy/backend/store_client.h"
#include "replication/scripts.h"
#include "routing/commands/command_table.h"

namespace crossfade::proxy {

// Judged, with their texts. Empty for a store that has no functions (before 7.0).
Result<std::vector<replication::Library>> ReadLibraries(StoreClient& store,
                                                        const routing::CommandTable& table);

}  // namespace crossfade::proxy
