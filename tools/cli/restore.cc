#include <cstdio>
#include <memory>
#include <string>

#include "proxy/admin/format.h"
#include "proxy/snapshot/restore_target.h"
#include "proxy/snapshot/restorer.h"
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
using replication::SnapshotBlock;
using replication::SnapshotReader;
using replication::SnapshotTotals;

class RestoreRun {
 public:
  explicit RestoreRun(const Arguments& arguments)
      : arguments_(arguments), report_(arguments.json), mark_(arguments.file + ".restored") {}

  int Run();

 private:
  Status Check();
  int TellCheck();
  Status Prepare(proxy::StoreClient& client);
  void GoOn(const std::string& run_id);
  Status Restore(proxy::StoreClient& client);
  void Add(const proxy::RestoreCounts& counts, uint64_t blocks);
  Progress Where(const proxy::RestoreCounts& counts) const;
  int GiveUp(const std::string& message);
  int Tell();

  const Arguments& arguments_;
  StoreChoice store_;
  KeyReport report_;
  StopSignals signals_;
  std::unique_ptr<SnapshotFile> file_;
  replication::SnapshotHeader header_;
  SnapshotTotals totals_;  // of the file
  bool has_functions_ = false;
  proxy::RestoreMarkFile mark_;
  bool marked_ = false;
  replication::RestoreMark before_;  // what former runs have done
  replication::RestoreMark done_;    // and this one with them
  bool going_on_ = false;
  bool was_mirrored_ = false;
  std::string why_stopped_;
};

int RestoreRun::GiveUp(const std::string& message) {
  std::string text = signals_.raised() ? "interrupted" : message;
  if (marked_) {
    text += "; " + FormatCount(done_.restored) + " keys are restored: go on with --resume";
  }
  report_.Error(text);
  return kCouldNotRun;
}

// All of it, before anything is written.
Status RestoreRun::Check() {
  auto file = SnapshotFile::OpenToRead(arguments_.file);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  SnapshotReader reader(*file_);
  const auto wrong = [&](const Error& error) {
    if (reader.unreadable()) return Fail(error.message);
    return Fail(arguments_.file + " is " + error.message + "; nothing was restored");
  };
  Progress progress{"check", 0, file_->size(), 0, "bytes", ""};
  if (const Status read = reader.ReadHeader(); !read) return wrong(read.error());
  SnapshotBlock block;
  while (true) {
    const Result<bool> next = reader.Next(block);
    if (!next) return wrong(next.error());
    if (!*next) break;
    if (signals_.raised()) return Fail("interrupted");
    progress.done = reader.offset();
    report_.Show(progress);
  }
  header_ = reader.header();
  totals_ = reader.totals();
  has_functions_ = reader.has_functions();
  before_.snapshot = reader.id();
  return {};
}

int RestoreRun::TellCheck() {
  const std::string store = (header_.role.empty() ? "" : header_.role + " ") + header_.address;
  const std::string created = proxy::FormatTime(header_.created_unix_ms);
  std::string text = arguments_.file + " is whole: " + FormatCount(totals_.keys) + " keys of " +
                     store + " (redis " + header_.version + "), begun " + created + ", " +
                     FormatBytes(totals_.payload_bytes) + " of dumps in " +
                     FormatBytes(file_->size());
  if (has_functions_) text += ", with functions";
  if (totals_.refused > 0) {
    text += "; " + FormatCount(totals_.refused) + " keys could not be read and are missing";
  }
  report_.Done(text, {{"event", "whole"},
                      {"file", arguments_.file},
                      {"store", store},
                      {"version", header_.version},
                      {"run_id", header_.run_id},
                      {"created", created},
                      {"keys", totals_.keys},
                      {"refused", totals_.refused},
                      {"functions", has_functions_},
                      {"payload_bytes", totals_.payload_bytes},
                      {"file_bytes", file_->size()}});
  return kDone;
}

// Behind what a former run has restored, if that is still there.
void RestoreRun::GoOn(const std::string& run_id) {
  const auto former = mark_.Read();
  if (!former) {
    report_.Note("there is no " + mark_.path() + " to go on with: it starts");
  } else if (former->snapshot != before_.snapshot || former->blocks > totals_.blocks) {
    report_.Note(mark_.path() + " is of another snapshot: it starts again");
  } else if (former->run_id != run_id) {
    report_.Note("another process answers at " + store_.Display() +
                 " than the one that keys were restored into: it starts again");
  } else {
    before_ = *former;
    going_on_ = true;
    report_.Note("going on behind " + FormatCount(before_.restored) + " restored keys, block " +
                 std::to_string(before_.blocks) + " of " + std::to_string(totals_.blocks));
  }
}

Status RestoreRun::Prepare(proxy::StoreClient& client) {
  const Result<std::string> run_id = proxy::LearnRunId(client);
  if (!run_id) return tl::unexpected(run_id.error());
  before_.run_id = *run_id;
  if (arguments_.resume) GoOn(*run_id);
  if (const Status free = proxy::CheckNotOwned(client); !free) return free;
  if (!arguments_.replace && !going_on_) {
    if (const Status empty = proxy::CheckEmpty(client); !empty) return empty;
  }
  was_mirrored_ = proxy::WasMirrored(client);
  done_ = before_;
  const Status written = mark_.Write(done_);
  marked_ = written.has_value();
  if (!marked_) {
    report_.Note(written.error().message +
                 ": should it be interrupted, it can only start again, with --replace");
  }
  return {};
}

void RestoreRun::Add(const proxy::RestoreCounts& counts, uint64_t blocks) {
  done_.blocks = blocks;
  done_.restored = before_.restored + counts.restored;
  done_.expired = before_.expired + counts.expired;
  done_.refused = before_.refused + counts.refused;
}

Progress RestoreRun::Where(const proxy::RestoreCounts& counts) const {
  const uint64_t errors = before_.refused + counts.refused;
  const uint64_t done = before_.restored + counts.restored + before_.expired + counts.expired;
  return {"restore", done + errors, totals_.keys, errors, "keys", ""};
}

Status RestoreRun::Restore(proxy::StoreClient& client) {
  Result<proxy::Restorer> restorer = proxy::Restorer::Begin(client);
  if (!restorer) return tl::unexpected(restorer.error());
  // Looking at the clock for every key would be felt.
  constexpr uint32_t kShowEach = 64;
  uint32_t calls = 0;
  restorer->progressed = [&](const proxy::RestoreCounts& counts) {
    if (++calls % kShowEach == 0) report_.Show(Where(counts));
  };
  restorer->refused = [this](uint32_t db, std::string_view name, std::string_view reason) {
    report_.Refused(db, name, reason);
  };
  report_.Show(Where({}));
  file_->Rewind();
  SnapshotReader reader(*file_);
  if (const Status read = reader.ReadHeader(); !read) return read;
  SnapshotBlock block;
  while (true) {
    const Result<bool> next = reader.Next(block);
    if (!next) return Fail(arguments_.file + ": " + next.error().message);
    if (!*next) break;
    if (reader.totals().blocks <= before_.blocks) continue;
    const Result<bool> restored = restorer->Restore(block.records);
    if (!restored) return Fail(store_.Display() + ": " + restored.error().message);
    // A block that the store stopped in is restored again.
    Add(restorer->counts(), reader.totals().blocks - (*restored ? 0 : 1));
    why_stopped_ = restorer->why_stopped();
    if (!*restored) return {};
    if (marked_) marked_ = mark_.Write(done_).has_value();
  }
  report_.Finish(Where(restorer->counts()));
  return {};
}

int RestoreRun::Tell() {
  std::string text = FormatCount(done_.restored) + " keys of " + arguments_.file +
                     " restored into " + store_.Display();
  if (done_.expired > 0) text += "; " + FormatCount(done_.expired) + " had expired";
  if (done_.refused > 0) text += "; " + FormatCount(done_.refused) + " were refused";
  if (totals_.refused > 0) {
    text += "; " + FormatCount(totals_.refused) + " are missing in the file";
  }
  report_.Done(text, {{"event", why_stopped_.empty() ? "done" : "stopped"},
                      {"file", arguments_.file},
                      {"store", store_.Display()},
                      {"restored", done_.restored},
                      {"expired", done_.expired},
                      {"refused", done_.refused},
                      {"missing", totals_.refused}});
  if (!why_stopped_.empty()) {
    report_.Error(store_.Display() + " takes no more: " + why_stopped_ +
                  "; once it does, go on with --resume");
    return kFailed;
  }
  if (was_mirrored_) {
    report_.Note("a proxy has mirrored " + store_.Display() +
                 ": before it starts again, empty the other store and remove its journal.dir");
  }
  return done_.refused > 0 ? kFailed : kDone;
}

int RestoreRun::Run() {
  if (!arguments_.check) {
    Result<StoreChoice> store = ChooseStore(arguments_);
    if (!store) return GiveUp(store.error().message);
    store_ = std::move(*store);
  }
  if (const Status checked = Check(); !checked) return GiveUp(checked.error().message);
  if (arguments_.check) return TellCheck();
  Result<proxy::StoreClient> client = ConnectTo(store_, signals_);
  if (!client) return GiveUp(client.error().message);
  if (const Status prepared = Prepare(*client); !prepared) {
    return GiveUp(store_.Display() + ": " + prepared.error().message);
  }
  if (const Status restored = Restore(*client); !restored) {
    return GiveUp(restored.error().message);
  }
  if (why_stopped_.empty()) mark_.Remove();
  return Tell();
}

}  // namespace

int RunRestore(const Arguments& arguments) { return RestoreRun(arguments).Run(); }

}  // namespace crossfade::cli
