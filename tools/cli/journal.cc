#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "config/values.h"
#include "proxy/admin/format.h"
#include "proxy/journal/segment_files.h"
#include "replication/journal/recovery.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

using replication::Record;
using replication::RecordTag;

void PrintKeys(const Record& record) {
  for (const replication::JournalKey& key : record.keys) {
    std::printf(" db%u \"%s\"", key.db, config::Escape(key.name).c_str());
  }
}

void PrintRecord(const Record& record, uint64_t& intent) {
  std::printf("    ");
  switch (record.tag) {
    case RecordTag::kWrite:
    case RecordTag::kWriteMany:
    case RecordTag::kWriteAll:
      std::printf("%llu %s", static_cast<unsigned long long>(intent++), Name(record.tag));
      break;
    case RecordTag::kSkip:
      intent += record.count;
      std::printf("skip %llu", static_cast<unsigned long long>(record.count));
      break;
    case RecordTag::kState:
      std::printf("state %s%s, clock offset %lld ms, authority %s, follower %s",
                  Name(record.state.claim),
                  record.state.undeclared_ran ? ", scripts with undeclared keys ran" : "",
                  static_cast<long long>(record.state.clock_offset_ms),
                  record.state.authority_run_id.c_str(), record.state.follower_run_id.c_str());
      break;
    case RecordTag::kDirty:
    case RecordTag::kClean:
    case RecordTag::kClosed:
      std::printf("%s", Name(record.tag));
      break;
  }
  PrintKeys(record);
  std::printf("\n");
}

void PrintEnd(const replication::SegmentReader& reader) {
  switch (reader.end()) {
    case replication::SegmentEnd::kWhole:
      return;
    case replication::SegmentEnd::kTorn:
      std::printf("  torn at byte %zu: the last block was not written whole\n", reader.offset());
      return;
    case replication::SegmentEnd::kDamaged:
      std::printf("  damaged at byte %zu: what follows is not known\n", reader.offset());
      return;
  }
}

// False when it is damaged. `header` gets what it began with.
bool PrintSegment(const std::string& name, std::string_view bytes,
                  std::optional<replication::SegmentHeader>& header) {
  replication::SegmentReader reader(bytes);
  header = reader.ReadHeader();
  std::printf("segment %s, %zu bytes", name.c_str(), bytes.size());
  if (header) {
    std::printf(", mode %s, created %s\n  %s\n",
                header->mode == replication::JournalMode::kDisk ? "disk" : "process",
                proxy::FormatTime(header->created_unix_ms).c_str(), header->pair.c_str());
  } else {
    std::printf("\n");
  }
  replication::ReadBlock block;
  while (reader.Next(block)) {
    std::printf("  block %llu at byte %zu, %s, %zu bytes, done up to %llu\n",
                static_cast<unsigned long long>(block.header.number), block.offset,
                proxy::FormatTime(block.header.unix_ms).c_str(), block.stored_bytes,
                static_cast<unsigned long long>(block.header.low_water));
    uint64_t intent = block.header.first_intent;
    replication::RecordReader records(block.records);
    Record record;
    while (records.Next(record)) PrintRecord(record, intent);
    if (records.malformed()) {
      std::printf("    what follows is no record\n");
      return false;
    }
  }
  PrintEnd(reader);
  return reader.end() != replication::SegmentEnd::kDamaged;
}

// On the machine's boot that the journal was written under.
void PrintVerdict(const replication::Recovered& recovered) {
  if (recovered.claim == replication::FollowerClaim::kLive) {
    std::printf(
        "a start on this boot of the machine would go on from here, with %zu keys to sync\n",
        recovered.dirty.size());
  } else if (recovered.claim == replication::FollowerClaim::kPart) {
    std::printf(
        "a start on this boot of the machine would go on with the backfill, with %zu keys to "
        "sync or copy\n",
        recovered.dirty.size());
  } else {
    std::printf("a start would compare all keys: %s\n", recovered.reason.empty()
                                                            ? "nothing is said of the follower"
                                                            : recovered.reason.c_str());
  }
}

int DumpFolder(const std::string& folder) {
  const auto names = proxy::SegmentFiles::List(folder);
  if (!names) {
    PrintError(names.error().message);
    return kCouldNotRun;
  }
  if (names->empty()) {
    PrintError(folder + " holds no segment of an intent journal (GENERATION-INDEX.intents)");
    return kCouldNotRun;
  }
  bool whole = true;
  std::optional<replication::Recovery> recovery;
  for (size_t i = 0; i < names->size(); ++i) {
    const proxy::SegmentName& name = (*names)[i];
    const Result<std::string> bytes = proxy::SegmentFiles::Read(folder, name);
    if (!bytes) {
      PrintError(bytes.error().message);
      return kCouldNotRun;
    }
    std::optional<replication::SegmentHeader> header;
    whole = PrintSegment(name.FileName(), *bytes, header) && whole;
    if (header && !recovery) recovery.emplace(header->pair, header->boot);
    const bool last = i + 1 == names->size() || (*names)[i + 1].generation != name.generation;
    if (recovery) recovery->Read(*bytes, last);
  }
  if (recovery) PrintVerdict(recovery->Finish());
  return whole ? kDone : kFailed;
}

}  // namespace

int RunJournal(const Arguments& arguments) {
  const std::filesystem::path path(arguments.file);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return DumpFolder(arguments.file);
  const Result<std::string> bytes = proxy::SegmentFiles::ReadFile(arguments.file);
  if (!bytes) {
    PrintError(bytes.error().message);
    return kCouldNotRun;
  }
  std::optional<replication::SegmentHeader> header;
  return PrintSegment(path.filename().string(), *bytes, header) ? kDone : kFailed;
}

}  // namespace crossfade::cli
