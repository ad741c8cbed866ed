// Chunks: what a big hash, set or sorted set is copied by, so that neither store is
// busy with it for long (design §3). The copy begins with a DEL; its end brings the
// expiry. In between the key is dirty, and of the effects on it only those by value are
// applied, which are right whatever is there already. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replication/compare/key_state.h"
#include "replication/effects.h"

namespace crossfade::replication {

constexpr bool HasChunks(KeyType type) {
  return type == KeyType::kHash || type == KeyType::kSet || type == KeyType::kZset;
}

// Appends HSCAN, SSCAN or ZSCAN.
void AppendChunkRead(KeyType type, std::string_view key, std::string_view cursor, uint32_t elements,
                     std::string& out);

struct Chunk {
  std::string_view cursor;   // of the next one; "0": this is the last. In the reply
  int64_t deadline_ms = -1;  // -1: no expiry; -2: there is no key any more
  bool last() const { return cursor == "0"; }
};

// `scanned` is the reply to AppendChunkRead, `expiry_reply` that to PEXPIRETIME, read
// with it at once. The effect of the last chunk is MULTI … EXEC. False: an error, or not
// what these commands reply. Without a key there is no effect.
bool DeriveChunk(KeyType type, std::string_view key, bool first, std::string_view scanned,
                 std::string_view expiry_reply, Chunk& chunk, Effect& effect);

// Makes of the effect derived of a command on a key of this type one by value, of whose
// reply nothing but an error counts. False when there is none.
bool MakeByValue(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                 KeyType type, Effect& effect);

}  // namespace crossfade::replication
