// The admin API's documents about verification. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/result.h"
#include "proxy/backend/recent_deltas.h"
#include "proxy/backend/verify_report.h"

namespace crossfade::proxy {

// What a request's body asks for: {"repair", "delete_extra", "sample", "prefix",
// "keys_per_second"}, each of which may be left out; an empty body asks for all keys.
Result<VerifyOptions> ParseVerifyRequest(const std::string& body);

// {"passes": [...]}, as they are given.
std::string VerifyJson(const std::vector<VerifyReport>& reports);
std::string DeltasJson(const RecentDeltas::Listing& listing);
std::string VerifyBegunJson(uint64_t id);
std::string VerifyCancelledJson(bool cancelled);

}  // namespace crossfade::proxy
