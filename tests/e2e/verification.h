// What end-to-end tests of verification share: passes over the admin API, and stores
// that hold the same in other encodings.
#pragma once

#include <map>
#include <set>
#include <string>

#include "tests/e2e/migration.h"

namespace crossfade::test {

// The new store keeps collections in other encodings than legacy.
MigrationOptions OtherEncodings();

// So many keys of every type, with and without expiries, named c:0, c:1, ...
void FillEveryType(RedisClient& store, int keys);

// Asks for a pass and waits for its end; null when it could not begin.
nlohmann::json Verify(const Migration& migration, const nlohmann::json& request = {});
// Keys that the pass with this number found, with their kinds.
std::map<std::string, std::string> FoundBy(const Migration& migration, const nlohmann::json& pass);
// "matched 5, dirty 1 ...": for messages.
std::string Brief(const nlohmann::json& pass);

}  // namespace crossfade::test
