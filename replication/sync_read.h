// What a lane asks the authority to read a key that is to be synced: its value and its
// expiry at one moment. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "replication/dirty_keys.h"

namespace crossfade::replication {

// Type-wise the key's type is asked for first.
inline bool AsksForType(const KeyName& key) {
  return key.form == SyncForm::kTypewise && key.type == KeyType::kNone;
}

// Appends TYPE, or else MULTI … EXEC (a script of a hash whose fields may have
// expiries), whose reply has the value's and the expiry's as its
// elements. Returns how many replies come before the one that counts.
uint32_t AppendSyncRead(const KeyName& key, std::string& out);

// The same two elements from a script: a store without memory queues nothing, but it
// still reads.
void AppendSyncScript(const KeyName& key, std::string& out);

}  // namespace crossfade::replication
