// The intent journal's bytes: segments of checksummed blocks of records, as
// FORMAT.md describes them. Pure functions; nothing here reads a file or a clock.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::replication {

using BootId = std::array<uint8_t, 16>;

enum class JournalMode : uint8_t {
  kProcess = 1,  // survives a crash of the proxy
  kDisk = 2,     // survives a crash of the machine
};

// What the journal says of the follower.
enum class FollowerClaim : uint8_t {
  kNothing = 0,
  kOurs = 1,  // written by us, for this pair of stores; how far is not known
  kLive = 2,  // as the authority, but for the intents that are not done
  kPart = 3,  // so are the partitions that the catalog calls finished
};
// Whether it says which keys are not as the authority's.
inline bool TellsOfKeys(FollowerClaim claim) {
  return claim == FollowerClaim::kLive || claim == FollowerClaim::kPart;
}
const char* Name(FollowerClaim claim);

struct JournalState {
  FollowerClaim claim = FollowerClaim::kNothing;
  bool undeclared_ran = false;  // a script that may write keys it does not declare
  int64_t clock_offset_ms = 0;  // the authority's clock minus the follower's
  std::string authority_run_id, follower_run_id;
  bool operator==(const JournalState&) const = default;
};

struct SegmentHeader {
  JournalMode mode = JournalMode::kProcess;
  uint64_t generation = 0;  // rises with every start, and when a failed journal begins anew
  uint64_t index = 0;       // within the generation
  BootId boot{};
  int64_t created_unix_ms = 0;
  std::string pair;  // which two stores, readable
};

struct BlockHeader {
  uint64_t number = 0;        // running, within the generation
  uint64_t first_intent = 0;  // of its first write
  uint64_t low_water = 0;     // all writes up to it are done
  int64_t unix_ms = 0;
  uint64_t oldest_segment = 0;  // those below are not needed
};

std::string EncodeSegmentHeader(const SegmentHeader& header);
// Appends the block: header, compressed where that is shorter, checksum.
void AppendBlock(const BlockHeader& header, std::string_view records, std::string& out);

// ---- Records

enum class RecordTag : uint8_t {
  kWrite = 1,      // an intent with one key
  kWriteMany = 2,  // an intent with any number of keys
  kWriteAll = 3,   // an intent that may concern every key
  kSkip = 4,       // numbers that were given to no intent
  kDirty = 5,      // a key became dirty
  kClean = 6,      // its sync is applied
  kState = 7,
  kClosed = 8,  // the proxy ended in order; nothing comes behind
};
const char* Name(RecordTag tag);

struct JournalKey {
  uint32_t db = 0;
  std::string_view name;
};

void AppendWrite(JournalKey key, std::string& out);
void AppendWriteMany(const std::vector<JournalKey>& keys, std::string& out);
void AppendTag(RecordTag tag, std::string& out);  // kWriteAll, kClosed
void AppendSkip(uint64_t count, std::string& out);
void AppendKey(RecordTag tag, JournalKey key, std::string& out);  // kDirty, kClean
void AppendState(const JournalState& state, std::string& out);

struct Record {
  RecordTag tag{};
  std::vector<JournalKey> keys;  // in the block's bytes
  uint64_t count = 0;            // of kSkip
  JournalState state;            // of kState
};

// Reads a block's records one by one.
class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : bytes_(bytes) {}
  // False at the end, and when what follows is no record.
  bool Next(Record& record);
  bool malformed() const { return malformed_; }

 private:
  bool ReadKey(JournalKey& key);
  bool ReadBody(Record& record);

  std::string_view bytes_;
  bool malformed_ = false;
};

// ---- Reading a segment

// What became of the end of a segment's bytes.
enum class SegmentEnd : uint8_t {
  kWhole,
  kTorn,     // the last block was never written whole, so that nothing of it was sent
  kDamaged,  // bytes changed after they were written: what follows is not known
};

struct ReadBlock {
  BlockHeader header;
  size_t offset = 0;
  size_t stored_bytes = 0;
  std::string_view records;  // until the next block is read
};

class SegmentReader {
 public:
  explicit SegmentReader(std::string_view bytes) : bytes_(bytes) {}
  // Nothing when the header is torn or damaged: see end().
  std::optional<SegmentHeader> ReadHeader();
  bool Next(ReadBlock& block);
  SegmentEnd end() const { return end_; }
  size_t offset() const { return at_; }

 private:
  bool StopAt(SegmentEnd end);

  std::string_view bytes_;
  size_t at_ = 0;
  SegmentEnd end_ = SegmentEnd::kWhole;
  std::string records_;
};

}  // namespace crossfade::replication
