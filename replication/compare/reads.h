// Comparison of what the two stores reply to the same read (shadow reads).
// Semantic: the order of unordered collections does not count; commands whose
// reply depends on time, chance or encoding are ignored, with the reason.
// Stateless and thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "routing/commands/command_table.h"

namespace crossfade::replication {

// Why replies to this read can't be compared; nullptr when they can.
const char* WhyIgnored(const routing::CommandSpec& spec, routing::Args args);

// Equal digests mean semantically equal replies. `reply` is a complete RESP2
// frame; the read must not be one that is ignored.
uint64_t CanonicalDigest(const routing::CommandSpec& spec, routing::Args args,
                         std::string_view reply);

}  // namespace crossfade::replication
