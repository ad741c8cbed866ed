#include "tests/sim/lane.h"

#include "replication/sync_read.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

constexpr int64_t kCommandTimeoutUs = 500'000;

}  // namespace

Lane::Lane(Worker& worker, uint32_t db)
    : worker_(worker),
      process_(worker.process()),
      db_(db),
      id_(process_.lane_count++),
      connection_(process_, process_.authority, db, true, *this) {
  connection_.Open();
}

// Sent at the end of the worker's turn.
void Lane::Queue(std::string_view bytes, uint64_t tag) {
  out_.emplace_back(bytes, tag);
  if (std::exchange(flush_queued_, true)) return;
  process_.After(process_.world.env.random.Between(0, 30), [this] {
    flush_queued_ = false;
    Flush();
  });
}

void Lane::Flush() {
  if (!ready() || out_.empty()) return;
  if (process_.committer && !process_.committer->Commit(last_intent_)) return;
  for (const auto& [bytes, tag] : std::exchange(out_, {})) connection_.Send(bytes, tag);
}

void Lane::Push(Kind kind, bool is_read, ReplyTo to) {
  in_flight_.push_back({kind, is_read, to, process_.now_us()});
  ++next_;
}

void Lane::SendPlain(ReplyTo to, bool is_read, std::string_view request, uint32_t skipped,
                     uint64_t tag) {
  for (uint32_t i = 0; i < skipped; ++i) Push(Kind::kSkip, true, {});
  Push(Kind::kPlain, is_read, to);
  Queue(request, tag);
}

replication::WriteRecord& Lane::NewWrite() {
  writes_.push_back(std::make_unique<Write>());
  writes_.back()->record.db = db_;
  return writes_.back()->record;
}

void Lane::SendWrite(ReplyTo to, bool is_read, std::string_view request, uint32_t skipped,
                     uint64_t tag) {
  Write& write = *writes_.back();
  write.bytes.assign(request);
  write.record.request = write.bytes;
  last_intent_ = std::max(last_intent_, write.record.intent);
  for (uint32_t i = 0; i < skipped; ++i) Push(Kind::kSkip, true, {});
  Push(Kind::kWrite, is_read, to);
  Queue(request, tag);
}

void Lane::AskDeadline(std::string_view key) {
  std::string text;
  routing::AppendCommand(text, {"PEXPIRETIME", key});
  ++writes_.back()->record.deadlines_wanted;
  Push(Kind::kDeadline, true, {});
  Queue(text, 0);
}

void Lane::SendSync(const replication::KeyToSync& key) {
  std::string text;
  const uint32_t before = replication::AppendSyncRead(key, text);
  syncs_.push_back(key);
  for (uint32_t i = 0; i < before; ++i) Push(Kind::kSkip, true, {});
  Push(Kind::kSync, true, {});
  Queue(text, 0);
}

void Lane::SendVerify(replication::Verification::Slot slot) {
  std::string text;
  const uint32_t replies = process_.replicator.AskVerify(slot, text);
  verifies_.push_back(slot);
  for (uint32_t i = 0; i < replies; ++i) Push(Kind::kVerify, true, {});
  Queue(text, 0);
}

// ---- Replies

void Lane::OnStoreReply(std::string_view frame, uint64_t stamp) {
  if (in_flight_.empty()) return process_.world.env.Violation("a lane got a reply too many");
  const Item item = in_flight_.front();
  in_flight_.pop_front();
  switch (item.kind) {
    case Kind::kPlain:
      if (item.to.ordered != ReplyTo::kUnordered) item.to.session->SawKeysOf(item.to.ordered);
      item.to.session->Deliver(item.to, frame, stamp);
      return;
    case Kind::kSkip:
      return;
    case Kind::kWrite:
      return TakeWrite(item.to, frame, stamp);
    case Kind::kDeadline:
      return TakeDeadline(frame);
    case Kind::kSync:
      return TakeSync(frame, stamp);
    case Kind::kVerify:
      return TakeVerify(frame, stamp);
  }
}

void Lane::TakeWrite(ReplyTo to, std::string_view frame, uint64_t stamp) {
  replication::WriteRecord& write = writes_.front()->record;
  if (write.deadlines_wanted > 0) {
    held_reply_.assign(frame);
    write_to_ = to;
    write_stamp_ = stamp;
    return;
  }
  FinishWrite(to, frame, stamp);
}

void Lane::TakeDeadline(std::string_view frame) {
  replication::WriteRecord& write = writes_.front()->record;
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  const bool known = head.type == routing::ReplyType::kInteger;
  write.deadlines_unknown = write.deadlines_unknown || !known;
  write.deadlines.push_back(known ? head.number : -1);
  if (--write.deadlines_wanted > 0) return;
  const ReplyTo to = std::exchange(write_to_, {});
  const std::string reply = held_reply_;
  FinishWrite(to, reply, write_stamp_);
}

void Lane::FinishWrite(ReplyTo to, std::string_view reply, uint64_t stamp) {
  replication::WriteRecord& write = writes_.front()->record;
  process_.CheckOrder(write.keys.hashes(), write.keys.all(), stamp);
  const uint64_t seq =
      process_.replicator.FinishWrite(id_, write, reply, process_.world.env.UnixMs());
  if (process_.world.env.tracing) {
    process_.world.env.Trace("lane " + std::to_string(id_) + " finishes #" + std::to_string(stamp) +
                             " as entry " + std::to_string(seq));
  }
  if (seq != 0) process_.WantFeed();
  to.session->Saw(process_.replicator.log().head_seq(), 0);
  writes_.pop_front();
  to.session->Deliver(to, reply, stamp);
}

void Lane::TakeSync(std::string_view frame, uint64_t stamp) {
  replication::KeyToSync key = syncs_.front();
  syncs_.pop_front();
  const uint64_t hash = routing::KeyHash(key.db, key.name);
  replication::Replicator& replicator = process_.replicator;
  const uint64_t logged = replicator.log().head_seq();
  const replication::SyncStep step =
      replicator.TakeSyncReply(key, frame, std::to_string(process_.authority.run),
                               process_.now_us(), process_.world.env.UnixMs());
  if (step == replication::SyncStep::kAskMore) return SendSync(key);
  if (replicator.log().head_seq() != logged) {
    process_.CheckOrder(std::span(&hash, 1), false, stamp);
    process_.WantFeed();
  }
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
}

void Lane::TakeVerify(std::string_view frame, uint64_t stamp) {
  const replication::Verification::Slot slot = verifies_.front();
  replication::Replicator& replicator = process_.replicator;
  const uint64_t hash = replicator.verification().At(slot).hash;
  const replication::VerifyStep step = replicator.TakeVerifyReply(slot, frame);
  if (step == replication::VerifyStep::kMore) return;
  verifies_.pop_front();
  if (step == replication::VerifyStep::kAskMore) return SendVerify(slot);
  process_.CheckOrder(std::span(&hash, 1), false, stamp);
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  process_.WantFeed();
}

// ---- The connection

void Lane::OnStoreReady(bool other_process) {
  unreachable_ = false;
  HoldSyncs(false);
  if (other_process) {
    process_.world.authority_forgot = false;
    process_.replicator.LeaveLive("the authority was restarted");
  }
  ResumeWaiting();
}

void Lane::ResumeWaiting() {
  std::vector<Session*> sessions;
  sessions.swap(waiting_);
  for (Session* session : sessions) session->Resume(Session::kLane);
}

void Lane::HoldSyncs(bool hold) {
  if (std::exchange(uncertain_, hold) == hold) return;
  process_.replicator.HoldSyncs(hold);
  if (hold) lost_run_ = process_.authority.run;
}

void Lane::OnStoreUnreachable() {
  unreachable_ = true;
  // What was sent to a process that is no more is over.
  if (uncertain_ && process_.authority.run != lost_run_) HoldSyncs(false);
  ResumeWaiting();  // they will get the error
}

void Lane::OnStoreLost() {
  out_.clear();
  ++process_.world.counts.lanes_lost;
  std::vector<ReplyTo> failed;
  if (write_to_.session != nullptr) failed.push_back(write_to_);
  write_to_ = {};
  for (; !in_flight_.empty(); in_flight_.pop_front()) {
    const Item& item = in_flight_.front();
    if (item.kind == Kind::kPlain || item.kind == Kind::kWrite) {
      if (!item.is_read) HoldSyncs(true);
      failed.push_back(item.to);
    } else if (item.kind == Kind::kSync) {
      const uint64_t hash = routing::KeyHash(syncs_.front().db, syncs_.front().name);
      process_.replicator.SyncReadFailed(syncs_.front());
      process_.replicator.gate().Leave(id_, {std::span(&hash, 1), false});
      syncs_.pop_front();
    }
  }
  for (; !verifies_.empty(); verifies_.pop_front()) {
    const uint64_t hash = process_.replicator.verification().At(verifies_.front()).hash;
    process_.replicator.gate().Leave(id_, {std::span(&hash, 1), false});
    process_.replicator.VerifyReadFailed(verifies_.front());
  }
  for (; !writes_.empty(); writes_.pop_front()) {
    process_.replicator.LoseWrite(id_, writes_.front()->record);
  }
  for (const ReplyTo& to : failed) to.session->Fail(to);
}

void Lane::Tick() {
  if (!ready() || in_flight_.empty()) return;
  if (process_.now_us() - in_flight_.front().sent_us > kCommandTimeoutUs) connection_.Drop();
}

}  // namespace crossfade::sim
