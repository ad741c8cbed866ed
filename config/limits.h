// Limits that are not settings: named constants in one place, with what happens
// at each of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crossfade::limits {

// A bigger configuration file, or more routes, is refused.
inline constexpr size_t kSettingsFileMax = 1024 * 1024;
inline constexpr size_t kRoutesMax = 256;
// A bigger file of certificates or keys is refused: no bundle of authorities is.
inline constexpr size_t kTlsFileMax = 4 * 1024 * 1024;
// More users, or more rules or patterns of one user, are refused.
inline constexpr size_t kUsersMax = 10'000;
inline constexpr size_t kUserRulesMax = 1'000;

// Redis's own protocol limits; past them the client gets Redis's error text.
inline constexpr size_t kInlineMax = 64 * 1024;
inline constexpr int64_t kArgumentsMax = 2'147'483'647;
inline constexpr int64_t kArgumentsMaxUnauthenticated = 10;

// A silent TCP client is probed after this long, and closed if it does not answer.
inline constexpr int kClientKeepAliveSeconds = 300;

// Bytes asked of one recv from a client, straight into the lane's block.
inline constexpr size_t kClientReadBytes = 16 * 1024;
inline constexpr size_t kBlockBytes = 128 * 1024;
inline constexpr size_t kStoreReadBytes = 256 * 1024;
// What a place for a reply that waits keeps of its memory: there are many places.
inline constexpr size_t kKeptReplyBytes = 1024;
// Bytes of TLS records asked of one recv; what one turn decrypts for one connection.
inline constexpr size_t kTlsReadBytes = 32 * 1024;
inline constexpr size_t kTlsTurnBytes = 256 * 1024;
// From this size on a request's bytes are shared between the authority's and
// the follower's connection; smaller ones are copied once.
inline constexpr size_t kShareBytes = 4 * 1024;

// A session with more unanswered commands, or a lane with more unsent bytes, is
// not read from until half of it is answered.
inline constexpr uint32_t kSessionInFlightMax = 16 * 1024;
inline constexpr size_t kLaneUnsentMax = 8 * 1024 * 1024;
// A session whose unsent replies exceed this is not read from.
inline constexpr size_t kSessionOutputPause = 1024 * 1024;

// Logins of clients at the stores, per worker; one more is refused. A login's
// lanes are closed when no session has been on them for so long.
inline constexpr size_t kStoreUsersMax = 1024;
inline constexpr int64_t kStoreUserIdleUs = 30'000'000;
// Addresses whose wrong passwords are remembered (over it some are forgotten),
// and how long an attempt is made to wait at most.
inline constexpr size_t kAuthAddressesMax = 4096;
inline constexpr int64_t kAuthDelayMaxUs = 2'000'000;

// What the applier keeps unanswered on the follower; what is above waits in the log.
inline constexpr uint32_t kApplierWindowEntries = 2048;
inline constexpr size_t kApplierWindowBytes = 2 * 1024 * 1024;

// Key syncs that are being read or wait in the log; the others wait their turn.
inline constexpr uint32_t kSyncsUnderWay = 512;
inline constexpr size_t kSyncLogBytes = 16 * 1024 * 1024;
// Of a key that is copied in chunks: what one asks for at first, how many bytes it is
// then made to bring, and how many copies are begun before one is made of the whole.
inline constexpr uint32_t kChunkElements = 10;
inline constexpr uint32_t kChunkElementsMax = 1'000;
inline constexpr size_t kChunkBytes = 128 * 1024;
inline constexpr uint8_t kChunkedCopiesMax = 4;
// One that expires so soon is copied whole.
inline constexpr int64_t kChunkDeadlineMs = 60'000;
// The backfill's marks keep this far ahead of the key syncs.
inline constexpr size_t kDirtyAhead = 20'000;
// Over this many dirty keys the partitions that have the most leave live: of these keys
// only the names are kept, in the backfill's spool, and they are copied again.
inline constexpr size_t kDirtyKeysMax = 1'000'000;

// Keys handed in to be verified; those that are being read or wait in the log for
// their comparison, and of what size together. Nothing new is read while the log is
// longer than so.
inline constexpr size_t kVerifyQueued = 8 * 1024;
inline constexpr uint32_t kVerifyUnderWay = 512;
inline constexpr uint64_t kVerifyBytesUnderWay = 16 * 1024 * 1024;
inline constexpr size_t kVerifyLogBytes = 8 * 1024 * 1024;
// A value whose dump is longer, or whose state is, is not compared type by type.
inline constexpr uint64_t kVerifyDumpBytes = 4 * 1024 * 1024;
inline constexpr size_t kVerifyStateBytes = 64 * 1024 * 1024;
// A key that is lost on the way more often is given up. Differences that wait to be
// taken: nothing more is read until they are.
inline constexpr uint8_t kVerifyLossesMax = 5;
inline constexpr size_t kDifferencesWaiting = 4096;
// Keys that differ and are not repaired; with more no key is read from the follower.
inline constexpr size_t kSuspectKeysMax = 100'000;

// Names of written keys that wait for the backfill's spool; past them its disk does
// not keep up, and the backfill begins again.
inline constexpr size_t kWrittenNameBytes = 64 * 1024 * 1024;

// Quarantined keys that the API lists, and that outlast the process.
inline constexpr size_t kQuarantinedShown = 1'000;
inline constexpr size_t kQuarantinedKept = 10'000;

// Past this, and past twice what it was when each name was in it once, the spool is
// written anew with each name once: so long may it be on the disk, and half of it again
// meanwhile.
inline constexpr uint64_t kSpoolCompactFrom = 256 * 1024 * 1024;
// What the spool gathers before it writes.
inline constexpr size_t kSpoolBufferBytes = 16 * 1024 * 1024;

// With more writes between the oldest that is not done and the newest, the log
// becomes dirty keys, as when it outgrows its memory.
inline constexpr uint64_t kIntentsOpenMax = 4'000'000;
// Keys that are dirty for long and are recorded again with one block of the journal.
inline constexpr size_t kRecordedAgainAtOnce = 10'000;

// Clients that wait in blocking commands have their keys looked at in so many
// parts, one every few milliseconds: each about once a second. So many share a question.
inline constexpr size_t kBlockedPollParts = 100;
inline constexpr size_t kBlockedPollAtOnce = 16;

// Scripts and functions that are remembered, and their texts; past either the one
// used least recently is forgotten.
inline constexpr size_t kScriptsMax = 4096;
inline constexpr size_t kScriptTextBytes = 32 * 1024 * 1024;
// A script with more keys is not replayed if it may set deadlines: each is asked.
inline constexpr size_t kScriptDeadlinesMax = 64;
// Scripts that the status lists.
inline constexpr size_t kScriptsShown = 100;

inline constexpr uint32_t kDatabasesMax = 16 * 1024;
inline constexpr uint32_t kHashSlots = 16'384;
inline constexpr uint32_t kPartitions = 1'024;

}  // namespace crossfade::limits
