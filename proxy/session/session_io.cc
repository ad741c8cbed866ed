// Session: receiving, replies, and closing.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/limits.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {

using replication::Block;
using replication::BlockRef;

Session::Session(Worker& worker, Stream stream, uint64_t id, std::string peer)
    : worker_(worker), stream_(std::move(stream)), id_(id), last_active_us_(worker.now_us()) {
  const size_t colon = peer.rfind(':');
  std::string_view host = std::string_view(peer).substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  extras().address = routing::ParseIpAddress(host);
  extras().peer = std::move(peer);
  extras().created_us = worker.now_us();
  BeginAnonymous();
}

Session::~Session() {
  if (blocked_) {  // the worker has stopped
    const std::lock_guard lock(worker_.core().mutex);
    replication::WaitingTable& waiting = worker_.core().waiting;
    if (replication::Waiter* waiter = waiting.Find(id_)) waiting.Remove(*waiter);
  }
  worker_.store_users().Release(key_.user, worker_.now_us());
}

Session::Extras& Session::extras() {
  if (!extras_) extras_ = std::make_unique<Extras>();
  return *extras_;
}

const std::string& Session::peer() const {
  static const std::string kUnknown;
  return extras_ ? extras_->peer : kUnknown;
}

void Session::OnEvents(const Readiness& ready) {
  if (ready.writable && watching_writes_) {
    watching_writes_ = false;
    worker_.loop().WatchWrites(stream_.fd(), this, false);
    worker_.QueueFlush(this);
  }
  if (!ready.readable && !ready.failed) return;
  readable_ = true;
  peer_closed_ = peer_closed_ || ready.peer_closed;
  if (paused_ == 0) {
    Pump();
  } else if (ready.failed || (peer_closed_ && WaitsForNothingElse())) {
    Close();
  } else if (blocked_ && peer_closed_) {
    EndWait(WaitEnd::kGone);  // as Redis: it will not have the reply
  }
}

// For a long time, perhaps, and for itself alone: Redis too lets who has gone go.
bool Session::WaitsForNothingElse() const {
  if ((paused_ & kClientPause) != 0) return true;
  if ((paused_ & kAuth) != 0) return worker_.auth_desk().Delays(this);
  return pinned_ && pinned_->awaited == Pinned::Awaited::kWait;
}

bool Session::MayIdle() const {
  return blocked_ != nullptr || (pinned_ && (pinned_->reasons & ~Pinned::kWatch) != 0);
}

// ---- Receiving

void Session::Pump() {
  if (closed_ || closing_ || paused_ != 0) return;
  if (input_size() > 0 && !decoder_) ConsumeInput();
  if (closed_ || closing_ || paused_ != 0 || !readable_) return;
  if (decoder_) {
    ReadLarge();
  } else {
    ReadSmall();
  }
  if (readable_ && paused_ == 0 && !closed_ && !closing_) worker_.QueuePump(this);
}

// One recv; false when there is nothing to go on with.
bool Session::Receive(char* to, size_t room, size_t& received) {
  const ssize_t n = stream_.Receive(to, room);
  if (n <= 0) {
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      readable_ = errno == EINTR;
    } else if (n == 0 && !idle()) {
      closing_ = true;  // it will say no more, but may want its replies
    } else {
      Close();
    }
    return false;
  }
  received = static_cast<size_t>(n);
  // The end of the input is told with the last bytes, and never again.
  if (stream_.Drained(received, room) && !peer_closed_) readable_ = false;
  last_active_us_ = worker_.now_us();
  return true;
}

// Straight into the lane's queue, behind what is left of the request before.
void Session::ReadSmall() {
  if (lane_ == nullptr) lane_ = &worker_.LaneOf(key_);
  const size_t kept = input_size();
  size_t room = 0;
  char* to = lane_->out().Reserve(kept + limits::kClientReadBytes, room);
  room = std::min(room, kept + 4 * limits::kClientReadBytes);
  if (kept > 0) std::memcpy(to, input_begin_, kept);
  size_t received = 0;
  if (!Receive(to + kept, room - kept, received)) return;
  input_.Reset();
  input_begin_ = input_end_ = nullptr;
  worker_.batch.in_place = true;
  Consume(to, to + kept + received);
}

// The rest of a large request, into a block of its own that the lane and the
// mirror log will share.
void Session::ReadLarge() {
  // Of a long string exactly the rest is read, so that its block holds nothing else.
  const size_t kept = input_size();
  const size_t missing = decoder_->needed() - kept;
  const size_t wanted = missing >= limits::kShareBytes ? missing : limits::kClientReadBytes;
  const auto capacity = static_cast<size_t>(input_->data() + input_->capacity() - input_begin_);
  if (capacity - kept < std::min(wanted, limits::kShareBytes) || capacity - kept < missing) {
    BlockRef larger(Block::Make(missing == wanted ? kept + missing : 2 * kept + wanted));
    std::memcpy(larger->data(), input_begin_, kept);
    input_ = std::move(larger);
    input_begin_ = input_->data();
    input_end_ = input_begin_ + kept;
  }
  const auto free = static_cast<size_t>(input_->data() + input_->capacity() - input_end_);
  const size_t room = missing >= limits::kShareBytes ? missing : free;
  size_t received = 0;
  if (!Receive(input_end_, room, received)) return;
  input_end_ += received;
  const size_t bound = worker_.limits().request_bytes;
  const auto outcome = decoder_->Decode(input_begin_, input_end_, static_cast<int64_t>(bound));
  if (outcome == routing::RequestDecoder::Outcome::kIncomplete) {
    if (decoder_->needed() > bound + limits::kInlineMax) {
      refused_text_ = "ERR Protocol error: the request is larger than limits.request";
      RefuseInput();
    }
    return;
  }
  decoder_.reset();
  ConsumeInput();
}

void Session::ConsumeInput() {
  worker_.batch.in_place = false;
  BlockRef block = std::move(input_);
  char* const begin = input_begin_;
  char* const end = input_end_;
  input_begin_ = input_end_ = nullptr;
  worker_.input_block = block.get();
  Consume(begin, end);
  worker_.input_block = nullptr;
}

// Takes the requests in [p, e) one by one, as far as they are whole and the
// session is not paused; the rest is kept.
void Session::Consume(const char* p, const char* e) {
  Worker::Batch& batch = worker_.batch;
  batch.p = p;
  batch.e = e;
  routing::RequestDecoder& decoder = worker_.decoder;
  const auto bound = static_cast<int64_t>(worker_.limits().request_bytes);
  while (batch.p < batch.e && !closed_ && !closing_) {
    const char* begin = batch.p;
    const auto outcome = decoder.Decode(begin, batch.e, bound);
    if (outcome == routing::RequestDecoder::Outcome::kIncomplete) break;
    if (outcome == routing::RequestDecoder::Outcome::kMalformed) {
      refused_text_ = decoder.error();
      RefuseInput();
      break;
    }
    batch.next = begin + decoder.length();
    if (outcome == routing::RequestDecoder::Outcome::kRequest) {
      std::string_view request(begin, decoder.length());
      if (decoder.was_inline()) {
        worker_.inline_request.clear();
        routing::AppendCommand(worker_.inline_request, routing::Args(decoder.args()));
        request = worker_.inline_request;
        Protect(batch.p);
      }
      const Step step = Dispatch(routing::Args(decoder.args()), request);
      if (step != Step::kDone) {
        if (step == Step::kTaken) batch.p = batch.next;
        break;
      }
    }
    batch.p = batch.next;
  }
  if (pinned_) worker_.QueueLaneFlush(pinned_->lane.get());
  const bool incomplete = decoder.in_progress();
  decoder.Reset();
  if (closed_ || closing_) return;
  KeepInput(batch.p, batch.e);
  if (incomplete && paused_ == 0 && input_size() >= limits::kShareBytes) {
    decoder_ = std::make_unique<routing::RequestDecoder>();
    decoder_->Decode(input_begin_, input_end_, bound);
  }
}

// What has been received and not taken lies where the lane's next bytes go:
// before anything else is queued there, all from `from` on is moved aside.
void Session::Protect(const char* from) {
  Worker::Batch& batch = worker_.batch;
  if (!batch.in_place) return;
  const auto p = batch.p - from, next = batch.next - from;
  batch.detached.assign(from, static_cast<size_t>(batch.e - from));
  const char* moved = batch.detached.data();
  batch.e = moved + batch.detached.size();
  batch.next = moved + next;
  if (p >= 0) batch.p = moved + p;
  batch.in_place = false;
}

void Session::KeepInput(const char* p, const char* e) {
  const auto size = static_cast<size_t>(e - p);
  if (size == 0) {
    input_.Reset();
    input_begin_ = input_end_ = nullptr;
    return;
  }
  Block* from = worker_.input_block;
  if (from != nullptr && p >= from->data() && e <= from->data() + from->capacity() &&
      from->Unshared()) {
    input_ = BlockRef::Share(from);
    input_begin_ = from->data() + (p - from->data());
  } else {
    BlockRef block(Block::Make(size));
    std::memcpy(block->data(), p, size);
    input_ = std::move(block);
    input_begin_ = input_->data();
  }
  input_end_ = input_begin_ + size;
}

// The error is the last thing the client gets, behind what it is owed.
void Session::RefuseInput() {
  closing_ = true;
  input_.Reset();
  input_begin_ = input_end_ = nullptr;
  decoder_.reset();
  if (in_flight_ > 0) return;
  ReplyError(ClientError::kProtocol, refused_text_);
  refused_text_.clear();
}

// ---- Replies

void Session::Deliver(ReplyTo to, std::string_view frame) {
  if (to.ordered != ReplyTo::kUnordered) {
    ordered_->Complete(to.ordered, frame, [this](std::string_view reply) {
      --in_flight_;
      AddReply(reply);
    });
    if ((paused_ & kFollower) != 0 && ordered_->unanswered(Source::kFollower) == 0) {
      Resume(kFollower);
    }
  } else {
    --in_flight_;
    const bool awaited = pinned_ && pinned_->awaited != Pinned::Awaited::kNothing;
    if (!awaited || !TakeAwaited(frame)) AddReply(frame);
  }
  if (in_flight_ == 0) OnDrained();
}

void Session::AddReply(std::string_view frame) {
  if (reply_mode_ != 0 && !TakeReplyMode(frame)) return;  // for one that has gone too
  AddFrame(frame);
}

// Whatever CLIENT REPLY says: a message is no reply.
void Session::AddFrame(std::string_view frame) {
  if (closed_ || overflowed_) return;
  if (reply_ == nullptr && !output_) {
    reply_ = frame.data();
    reply_size_ = frame.size();
    worker_.QueueFlush(this);
  } else if (reply_ != nullptr && reply_ + reply_size_ == frame.data()) {
    reply_size_ += frame.size();
  } else {
    AddOutput(frame);
  }
}

// Behind what is there: from then on all is copied until it is sent.
void Session::AddOutput(std::string_view bytes) {
  if (!output_) output_ = worker_.TakeBuffer();
  if (reply_ != nullptr) {
    output_->append(reply_, reply_size_);
    reply_ = nullptr;
  }
  output_->append(bytes);
  worker_.QueueFlush(this);
  // Closed by the flush: the replication lock may be held here.
  overflowed_ = output_->size() - output_sent_ > worker_.limits().client_output_bytes;
}

void Session::Fail(ReplyTo to, ClientError kind, std::string_view text) {
  worker_.CountError(kind);
  worker_.error_text.assign("-ERR ").append(text).append("\r\n");
  Deliver(to, worker_.KeepForTurn(worker_.error_text));
}

void Session::Reply(std::string_view text) {
  if (worker_.capture != nullptr) {
    worker_.capture->append(text);
    return;
  }
  if (closed_ || (reply_mode_ != 0 && Suppressed())) return;
  AddOutput(text);
}

// Whether CLIENT REPLY keeps the next reply from the client.
bool Session::Suppressed() {
  if ((reply_mode_ & (kRepliesOff | kSkipReply)) == 0) return false;
  reply_mode_ &= static_cast<uint8_t>(~kSkipReply);
  worker_.QueueFlush(this);  // which closes it when it is to be
  return true;
}

void Session::ReplyError(ClientError kind, std::string_view text) {
  worker_.CountError(kind);
  worker_.error_text.assign("-").append(text).append("\r\n");
  Reply(worker_.error_text);
}

void Session::Flush() {
  flush_queued = false;
  if (closed_) return;
  if (overflowed_) {
    worker_.CountError(ClientError::kOutputLimit);
    return Close();
  }
  if (!watching_writes_) SendOutput();
  if (closed_) return;
  if (worker_.plan().mirrors && !worker_.plan().ordered()) {
    const Core& core = worker_.core();
    Saw(core.head_seq.load(std::memory_order_relaxed),
        core.last_intent.load(std::memory_order_relaxed));
  }
  const size_t unsent = output_ ? output_->size() - output_sent_ : 0;
  // Not while it waits at the gate or is inside: others may be waiting for it.
  if (unsent > limits::kSessionOutputPause && !gate_held_) {
    PauseFor(kOutput);
  } else if ((paused_ & kOutput) != 0 && unsent < limits::kSessionOutputPause / 2) {
    Resume(kOutput);
  }
  const bool waits = blocked_ && output_ == nullptr && reply_ == nullptr;
  if (closing_ && (idle() || waits)) Close();
}

void Session::SendOutput() {
  const bool direct = reply_ != nullptr && !output_;
  if (reply_ != nullptr && output_) {
    output_->append(reply_, reply_size_);
    reply_ = nullptr;
  }
  const char* data = direct ? reply_ : output_ ? output_->data() + output_sent_ : nullptr;
  const size_t size = direct ? reply_size_ : output_ ? output_->size() - output_sent_ : 0;
  if (size == 0) return;
  ssize_t n = stream_.Send(data, size);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) return Close();
    n = 0;
  }
  const auto sent = static_cast<size_t>(n);
  reply_ = nullptr;
  if (sent == size) {
    if (output_) worker_.GiveBuffer(std::move(output_));
    output_sent_ = 0;
    return;
  }
  if (direct) {
    output_ = worker_.TakeBuffer();
    output_->assign(data + sent, size - sent);
  } else {
    output_sent_ += sent;
    if (output_sent_ > output_->size() / 2) {
      output_->erase(0, output_sent_);
      output_sent_ = 0;
    }
  }
  watching_writes_ = true;
  worker_.loop().WatchWrites(stream_.fd(), this, true);
}

// ---- Waiting and ending

void Session::PauseFor(Pause reason) { paused_ |= reason; }

void Session::Resume(uint16_t reasons) {
  if ((paused_ & reasons) == 0) return;
  paused_ &= static_cast<uint16_t>(~reasons);
  if (paused_ == 0 && !closed_) worker_.QueuePump(this);
}

void Session::OnDrained() {
  if (ordered_ && ordered_->empty()) worker_.GiveOrdered(std::move(ordered_));
  UnpinIfFree();
  if (closed_) return worker_.Forget(this);
  if (!refused_text_.empty()) return RefuseInput();
  Resume(kDrain | kFollower);
}

void Session::Saw(uint64_t seq, uint64_t intent) {
  seen_seq_ = std::max(seen_seq_, seq);
  seen_intent_ = std::max(seen_intent_, intent);
}

void Session::SawKeysOf(uint64_t ordered) {
  const replication::Replicator& replicator = worker_.core().replicator;
  const bool other_lanes = worker_.core().lane_count.load(std::memory_order_relaxed) > 1;
  for (const uint64_t hash : ordered_->keys(ordered)) {
    Saw(replicator.SeenSeq(hash), other_lanes ? replicator.SeenIntent(hash) : 0);
  }
}

void Session::CloseWhenIdle() {
  closing_ = true;
  if (blocked_) return EndWait(WaitEnd::kGone);
  if (idle() || WaitsForNothingElse()) Close();
}

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  worker_.loop().Remove(stream_.fd(), this);
  stream_.Close();
  LeaveGate();
  if (lane_ != nullptr && (paused_ & kLane) != 0) lane_->StopWaiting(this);
  if ((paused_ & kClientPause) != 0) worker_.StopPostponing(this);
  if ((paused_ & kAuth) != 0) worker_.auth_desk().Forget(this);
  // The store may be about to answer for long (WAIT): nobody listens any more.
  if (pinned_ && in_flight_ > 0 && (pinned_->reasons & ~Pinned::kWatch) != 0) {
    pinned_->lane->connection().Abandon("its client has gone");
  }
  input_.Reset();
  input_begin_ = input_end_ = nullptr;
  decoder_.reset();
  transaction_.reset();
  if (blocked_) EndWait(WaitEnd::kGone);
  reply_ = nullptr;
  if (output_) worker_.GiveBuffer(std::move(output_));
  worker_.stats().closed.Add();
  UnpinIfFree();
  if (in_flight_ == 0) worker_.Forget(this);
}

}  // namespace crossfade::proxy
