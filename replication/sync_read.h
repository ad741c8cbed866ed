// What a lane asks the authority to read a key that is to be synced: its value and its
// expiry at one moment. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "replication/dirty_keys.h"

namespace crossfade::replication {

inline bool AsksForSize(const KeyToSync& key) { return key.chunk_above > 0 && !key.sized; }

// Type-wise, and of what is big.
inline bool AsksForType(const KeyToSync& key) {
  return key.type == KeyType::kNone && (key.big || key.form == SyncForm::kTypewise);
}

// Appends what is to be asked next: MEMORY USAGE, TYPE, or MULTI … EXEC, whose reply has
// the value's (or the chunk's) and the expiry's as its elements; `by_script` a script
// replies the same two (and of a hash whose fields may have expiries): a store without memory
// queues nothing, but it still reads. Returns how many replies come before the one that counts.
uint32_t AppendSyncRead(const KeyToSync& key, std::string& out);

}  // namespace crossfade::replication
