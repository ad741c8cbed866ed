#include "replication/journal/recovery.h"

#include <algorithm>

#include "config/limits.h"

namespace crossfade::replication {

void Recovery::Spoil(std::string reason) {
  if (spoilt_.empty()) spoilt_ = std::move(reason);
}

void Recovery::Read(std::string_view bytes, bool last) {
  SegmentReader reader(bytes);
  found_ = true;
  const std::optional<SegmentHeader> header = reader.ReadHeader();
  if (!header) {
    // One that was begun and has no block yet says nothing.
    if (!last || reader.end() != SegmentEnd::kTorn) Spoil("a segment's header is damaged");
    return;
  }
  if (header->pair != pair_) {
    other_pair_ = header->pair;
    return;
  }
  const bool begins = generations_.empty() || generations_.back().number != header->generation;
  if (begins) {
    generations_.emplace_back();
    generations_.back().number = header->generation;
    generations_.back().first_index = generations_.back().next_index = header->index;
  }
  Generation& generation = generations_.back();
  if (header->index != generation.next_index) Spoil("a segment is missing");
  generation.next_index = header->index + 1;
  generation.mode = header->mode;
  // A machine that does not say which boot it is may have been restarted.
  generation.other_boot = header->boot != boot_ || boot_ == BootId{};
  if (!ReadBlocks(reader)) return;
  if (reader.end() == SegmentEnd::kDamaged) {
    Spoil("a block is damaged at byte " + std::to_string(reader.offset()) + " of segment " +
          std::to_string(header->generation) + "-" + std::to_string(header->index));
  } else if (reader.end() == SegmentEnd::kTorn && !last) {
    Spoil("a segment ends too early");
  }
}

bool Recovery::ReadBlocks(SegmentReader& reader) {
  ReadBlock block;
  while (reader.Next(block)) {
    if (!Apply(block)) {
      Spoil("a block's records are not understood");
      return false;
    }
  }
  return true;
}

bool Recovery::Apply(const ReadBlock& block) {
  Generation& generation = generations_.back();
  if (generation.any_block && block.header.number != generation.next_block) {
    Spoil("a block is missing");
  }
  generation.any_block = true;
  generation.next_block = block.header.number + 1;
  generation.next_intent = block.header.first_intent;
  generation.closed = false;
  ++blocks_;
  RecordReader records(block.records);
  Record record;
  while (records.Next(record)) ApplyRecord(record);
  generation.low_water = std::max(generation.low_water, block.header.low_water);
  generation.oldest_needed = block.header.oldest_segment;
  if (generation.written.size() > generation.prune_at) {
    std::erase_if(generation.written,
                  [&](const auto& write) { return write.second <= generation.low_water; });
    generation.prune_at = std::max(kPruneFrom, 2 * generation.written.size());
  }
  return !records.malformed();
}

void Recovery::ApplyRecord(const Record& record) {
  Generation& generation = generations_.back();
  switch (record.tag) {
    case RecordTag::kWrite:
    case RecordTag::kWriteMany:
      for (const JournalKey& key : record.keys) {
        generation.written[{key.db, std::string(key.name)}] = generation.next_intent;
      }
      ++generation.next_intent;
      return;
    case RecordTag::kWriteAll:
      generation.written_all = generation.next_intent++;
      return;
    case RecordTag::kSkip:
      generation.next_intent += record.count;
      return;
    case RecordTag::kDirty:
      generation.dirty.insert({record.keys[0].db, std::string(record.keys[0].name)});
      return;
    case RecordTag::kClean:
      generation.dirty.erase({record.keys[0].db, std::string(record.keys[0].name)});
      return;
    case RecordTag::kState:
      if (!TellsOfKeys(record.state.claim)) generation.dirty.clear();
      generation.has_state = true;
      generation.state = record.state;
      return;
    case RecordTag::kClosed:
      generation.closed = true;
      return;
  }
}

// A generation that has not said of the follower what it knows adds to what the
// one before says.
Recovered Recovery::Finish() {
  Recovered recovered;
  recovered.blocks = blocks_;
  if (suspect_) {
    recovered.claim = FollowerClaim::kOurs;
    recovered.reason = "it could not be written when the proxy ended";
    for (const Generation& of : generations_) {
      recovered.generation = std::max(recovered.generation, of.number);
    }
    return recovered;
  }
  if (!found_) return recovered;
  std::set<RecoveredKey> dirty;
  bool any_state = false, all = false, other_boot = false;
  for (const Generation& generation : generations_) {
    recovered.generation = std::max(recovered.generation, generation.number);
    if (generation.has_state) {
      any_state = true;
      recovered.state = generation.state;
    }
    recovered.closed = generation.closed;
    // What ended in order was on the disk before it ended.
    other_boot = other_boot || (generation.other_boot && !generation.closed &&
                                generation.mode != JournalMode::kDisk);
    all = all || generation.written_all > generation.low_water;
    if (generation.first_index > generation.oldest_needed) Spoil("a segment is missing");
    dirty.insert(generation.dirty.begin(), generation.dirty.end());
    for (const auto& [key, number] : generation.written) {
      if (number > generation.low_water) dirty.insert(key);
    }
  }
  recovered.claim = any_state ? recovered.state.claim : FollowerClaim::kNothing;
  // What it said may have been lost with the machine.
  if (!any_state && spoilt_.empty() && !other_boot) return recovered;
  if (!spoilt_.empty()) {
    recovered.reason = spoilt_;
  } else if (other_boot) {
    recovered.reason = "the machine was restarted, and journal.mode is not disk";
  } else if (all) {
    recovered.reason = "a command on all keys was under way";
  } else if (dirty.size() > limits::kDirtyKeysMax) {
    recovered.reason = "more keys are open than can be kept";
  } else if (!TellsOfKeys(recovered.claim)) {
    recovered.reason = "the follower was not up to date when the proxy ended";
  }
  if (!recovered.reason.empty()) {
    if (recovered.claim != FollowerClaim::kNothing) recovered.claim = FollowerClaim::kOurs;
    return recovered;
  }
  recovered.dirty.assign(dirty.begin(), dirty.end());
  return recovered;
}

}  // namespace crossfade::replication
