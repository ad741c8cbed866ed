#include "tests/sim/follower_reader.h"

#include "routing/commands/keys.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

constexpr int64_t kCommandTimeoutUs = 500'000;

}  // namespace

// ---- FollowerReader

FollowerReader::FollowerReader(Worker& worker, uint32_t db)
    : process_(worker.process()),
      db_(db),
      connection_(process_, process_.follower, db, false, *this) {
  connection_.Open();
}

void FollowerReader::Send(ReplyTo to, std::string_view request, const FollowerReadTicket& ticket) {
  reads_.push_back({to, std::string(request), ticket, process_.now_us()});
  connection_.Send(request);
}

bool FollowerReader::Counts(const Read& read, std::string_view frame) {
  if (read.to.session->must_retry(read.to)) return false;
  if (frame.front() == '-') return false;
  std::vector<std::string_view> args;
  SplitRequest(read.request, args);
  std::vector<routing::KeyPosition> positions;
  routing::ExtractKeys(*routing::CommandTable::Redis70().Find(args), args, positions);
  std::vector<replication::Replicator::ReadKey> keys;
  for (const routing::KeyPosition& key : positions) {
    keys.push_back({args[key.arg], routing::KeyHash(db_, args[key.arg])});
  }
  if (!process_.replicator.ReadStillCounts(db_, keys, read.ticket.sent_seq, read.ticket.era)) {
    return false;
  }
  const bool pending = read.ticket.pending || process_.replicator.AnyPending(keys);
  return !pending || (keys.size() == 1 && !routing::IsEmptyReply(frame));
}

void FollowerReader::OnStoreReply(std::string_view frame, uint64_t) {
  if (reads_.empty()) return process_.world.env.Violation("a reader got a reply too many");
  const Read read = std::move(reads_.front());
  reads_.pop_front();
  if (Counts(read, frame)) {
    read.to.session->CheckClean(read.request);
    return read.to.session->Deliver(read.to, frame, 0);
  }
  ++process_.world.counts.follower_retries;
  read.to.session->RetryOnAuthority(read.to, read.request);
}

void FollowerReader::OnStoreReady(bool other_process) {
  if (other_process) process_.replicator.LeaveLive("the follower was restarted");
}

void FollowerReader::OnStoreLost() {
  for (; !reads_.empty(); reads_.pop_front()) {
    ++process_.world.counts.follower_retries;
    reads_.front().to.session->RetryOnAuthority(reads_.front().to, reads_.front().request);
  }
}

void FollowerReader::Tick() {
  const bool late =
      !reads_.empty() && process_.now_us() - reads_.front().sent_us > kCommandTimeoutUs;
  if (ready() && late) connection_.Drop();
}

// ---- Applier

Applier::Applier(Process& process)
    : process_(process), connection_(process, process.follower, 0, true, *this) {
  connection_.Open();
}

void Applier::Feed() {
  if (std::exchange(process_.applier_must_reconnect, false)) connection_.Drop();
  if (!ready()) return;
  pieces_.clear();
  process_.replicator.Feed(pieces_);
  if (pieces_.empty()) return;
  std::string bytes;
  for (const replication::Piece& piece : pieces_) bytes.append(piece.data, piece.size);
  last_reply_us_ = std::max(last_reply_us_, process_.now_us());
  connection_.Send(bytes);
}

void Applier::OnStoreReply(std::string_view frame, uint64_t) {
  process_.replicator.OnFollowerReply(frame, process_.now_us(), process_.world.env.UnixMs());
  last_reply_us_ = process_.now_us();
  process_.WantFeed();
}

void Applier::OnStoreReady(bool other_process) {
  process_.applier_must_reconnect = false;
  if (other_process) process_.replicator.LeaveLive("the follower was restarted");
  process_.replicator.FollowerReady();
  process_.WantFeed();
}

void Applier::OnStoreLost() { process_.replicator.FollowerLost(); }

void Applier::Tick() {
  const bool late = process_.now_us() - last_reply_us_ > kCommandTimeoutUs;
  if (ready() && process_.replicator.AwaitsReply() && late) connection_.Drop();
}

// ---- KeySyncer

void KeySyncer::Run() {
  Worker& worker = *process_.workers[0];
  replication::Replicator& replicator = process_.replicator;
  replication::KeyToSync key;
  while (replicator.NextSync(process_.now_us(), key)) {
    Lane& lane = worker.LaneOf(key.db);
    if (!lane.ready()) return replicator.SyncReadFailed(key);
    const uint64_t hash = routing::KeyHash(key.db, key.name);
    const replication::GateKeys keys{std::span(&hash, 1), false};
    if (replicator.gate().TryEnter(lane.id(), keys)) {
      lane.SendSync(key);
      continue;
    }
    const uint64_t ticket = replicator.gate().Wait(lane.id(), keys, &worker);
    worker.AwaitGate(ticket, [this, key, hash] { Read(key, hash); });
  }
}

// The key has entered the gate.
void KeySyncer::Read(const replication::KeyToSync& key, uint64_t hash) {
  Lane& lane = process_.workers[0]->LaneOf(key.db);
  if (lane.ready()) return lane.SendSync(key);
  process_.replicator.gate().Leave(lane.id(), {std::span(&hash, 1), false});
  process_.replicator.SyncReadFailed(key);
}

}  // namespace crossfade::sim
