#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "proxy/admin/format.h"
#include "proxy/snapshot/snapshot_file.h"
#include "proxy/snapshot/snapshot_maker.h"
#include "replication/snapshot/reader.h"
#include "tools/cli/commands.h"
#include "tools/cli/key_report.h"
#include "tools/cli/store_choice.h"

namespace crossfade::cli {
namespace {

using proxy::FormatBytes;
using proxy::FormatCount;
using proxy::SnapshotFile;
using replication::SnapshotPart;

class SnapshotRun {
 public:
  SnapshotRun(const Arguments& arguments, StoreChoice store)
      : arguments_(arguments),
        store_(std::move(store)),
        part_path_(arguments.file + ".part"),
        report_(arguments.json) {}

  int Run();

 private:
  Status Open();
  Status Begin(const proxy::StoreFacts& facts);
  Status GoOn(const SnapshotPart& part, const proxy::StoreFacts& facts);
  Status Start(const proxy::StoreFacts& facts);
  Status Make(proxy::StoreClient& client, const proxy::StoreFacts& facts);
  Progress Where(const proxy::SnapshotMaker& maker, const proxy::StoreFacts& facts) const;
  int GiveUp(const std::string& message);
  int Tell(uint64_t vanished);

  const Arguments& arguments_;
  const StoreChoice store_;
  const std::string part_path_;
  KeyReport report_;
  StopSignals signals_;
  std::unique_ptr<SnapshotFile> file_;
  std::optional<replication::SnapshotWriter> writer_;
  replication::SnapshotPosition from_;
  bool has_functions_ = false;
  bool whole_ = false;
  bool made_ = false;  // the file is ours, and worth going on with
  uint64_t vanished_ = 0;
};

int SnapshotRun::GiveUp(const std::string& message) {
  std::string text = signals_.raised() ? "interrupted" : message;
  if (made_) {
    text += "; " + part_path_ + " is kept with " + FormatCount(writer_->totals().keys) +
            " keys read: go on with --resume";
  }
  report_.Error(text);
  return kCouldNotRun;
}

Status SnapshotRun::Open() {
  if (proxy::FileExists(arguments_.file)) {
    return Fail(arguments_.file + " is there already; name another file");
  }
  if (!arguments_.resume && proxy::FileExists(part_path_)) {
    return Fail(part_path_ +
                " is there already, of a snapshot that was not finished; go on with "
                "--resume, or remove it");
  }
  auto file = SnapshotFile::Open(part_path_);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  return {};
}

Status SnapshotRun::Start(const proxy::StoreFacts& facts) {
  if (const Status emptied = file_->Truncate(0); !emptied) return emptied;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  replication::SnapshotHeader header;
  header.created_unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  header.run_id = facts.run_id;
  header.version = facts.version;
  header.role = store_.role;
  header.address = store_.endpoint.Display();
  return writer_->Begin(header);
}

Status SnapshotRun::GoOn(const SnapshotPart& part, const proxy::StoreFacts& facts) {
  if (part.header.run_id != facts.run_id) {
    if (part.header.address != store_.endpoint.Display()) {
      return Fail(part_path_ + " is of another store, " + part.header.address +
                  "; name another file, or remove it");
    }
    report_.Note("another process answers at " + store_.Display() + " than the one that " +
                 part_path_ + " was read from: it starts again");
    return Start(facts);
  }
  if (!part.whole && !part.rest.empty()) report_.Note(part_path_ + ": " + part.rest);
  report_.Note("going on behind " + FormatCount(part.totals.keys) + " keys of " + part_path_);
  whole_ = part.whole;
  from_ = part.position;
  has_functions_ = part.has_functions;
  writer_->GoOn(part.totals, part.position);
  return file_->Truncate(part.good_bytes);
}

Status SnapshotRun::Begin(const proxy::StoreFacts& facts) {
  writer_.emplace(*file_);
  if (file_->size() == 0) {
    if (arguments_.resume) report_.Note("there is no " + part_path_ + ": it starts");
    return Start(facts);
  }
  replication::SnapshotReader header(*file_);
  if (const Status read = header.ReadHeader(); !read) {
    if (header.unreadable()) return read;
    report_.Note(part_path_ + ": " + read.error().message + ": it starts again");
    return Start(facts);
  }
  file_->Rewind();
  const Result<SnapshotPart> part = replication::ReadPart(*file_);
  if (!part) return tl::unexpected(part.error());
  return GoOn(*part, facts);
}

Progress SnapshotRun::Where(const proxy::SnapshotMaker& maker,
                            const proxy::StoreFacts& facts) const {
  Progress progress;
  progress.label = "snapshot";
  progress.done = writer_->totals().keys + writer_->totals().refused + maker.vanished();
  progress.total = facts.keys;
  progress.errors = writer_->totals().refused;
  progress.note = "db " + std::to_string(maker.db());
  return progress;
}

Status SnapshotRun::Make(proxy::StoreClient& client, const proxy::StoreFacts& facts) {
  proxy::SnapshotMaker maker(client, facts, *writer_);
  // Looking at the clock for every key would be felt.
  constexpr uint32_t kShowEach = 64;
  uint32_t calls = 0;
  maker.progressed = [&] {
    if (++calls % kShowEach == 0) report_.Show(Where(maker, facts));
  };
  maker.refused = [this](uint32_t db, std::string_view name, std::string_view reason) {
    report_.Refused(db, name, reason);
  };
  report_.Show(Where(maker, facts));
  if (const Status made = maker.Make(from_, has_functions_); !made) {
    return maker.file_failed() ? made : Fail(store_.Display() + ": " + made.error().message);
  }
  if (const Status finished = writer_->Finish(); !finished) return finished;
  vanished_ = maker.vanished();
  Progress progress = Where(maker, facts);
  progress.total = progress.done;
  progress.note.clear();
  report_.Finish(progress);
  return {};
}

int SnapshotRun::Tell(uint64_t vanished) {
  const replication::SnapshotTotals& totals = writer_->totals();
  std::string text = arguments_.file + ": " + FormatCount(totals.keys) + " keys of " +
                     store_.Display() + ", " + FormatBytes(totals.payload_bytes) + " of dumps in " +
                     FormatBytes(file_->size());
  if (vanished > 0) text += "; " + FormatCount(vanished) + " vanished meanwhile";
  if (totals.refused > 0) {
    text += "; " + FormatCount(totals.refused) + " could not be read and are missing";
  }
  report_.Done(text, {{"event", "done"},
                      {"file", arguments_.file},
                      {"store", store_.Display()},
                      {"keys", totals.keys},
                      {"refused", totals.refused},
                      {"vanished", vanished},
                      {"payload_bytes", totals.payload_bytes},
                      {"file_bytes", file_->size()}});
  return totals.refused > 0 ? kFailed : kDone;
}

int SnapshotRun::Run() {
  if (const Status opened = Open(); !opened) return GiveUp(opened.error().message);
  const bool fresh = file_->size() == 0;
  Result<proxy::StoreClient> client = ConnectTo(store_, signals_);
  Result<proxy::StoreFacts> facts = client
                                        ? proxy::LearnStore(*client)
                                        : Result<proxy::StoreFacts>(tl::unexpected(client.error()));
  if (!facts) {
    if (fresh) std::remove(part_path_.c_str());
    return GiveUp(client ? store_.Display() + ": " + facts.error().message : facts.error().message);
  }
  if (const Status begun = Begin(*facts); !begun) return GiveUp(begun.error().message);
  made_ = true;
  if (!whole_) {
    if (const Status made = Make(*client, *facts); !made) return GiveUp(made.error().message);
  }
  if (const Status published = file_->Publish(arguments_.file); !published) {
    return GiveUp(published.error().message);
  }
  return Tell(vanished_);
}

}  // namespace

int RunSnapshot(const Arguments& arguments) {
  Result<StoreChoice> store = ChooseStore(arguments);
  if (!store) {
    PrintError(store.error().message);
    return kCouldNotRun;
  }
  return SnapshotRun(arguments, std::move(*store)).Run();
}

}  // namespace crossfade::cli
