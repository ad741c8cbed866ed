#include "proxy/backend/store_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "config/limits.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kFirstBackoffUs = 10'000;
constexpr int64_t kLongestBackoffUs = 500'000;
constexpr int64_t kRefusedBackoffUs = 1'000'000;
constexpr int kVectors = 64;

// The greeting's steps, in the order of the commands sent; each waits for its reply.
enum Step {
  kStepAuth,
  kStepHello,
  kStepName,
  kStepId,
  kStepInfo,
  kStepSelect,
  kStepPing,
  kStepKill,
  kStepLogin,
  kStepMulti,
  kStepExec
};

std::string_view InfoField(std::string_view info, std::string_view field) {
  const size_t at = info.find(field);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + field.size());
  return rest.substr(0, rest.find_first_of("\r\n"));
}

}  // namespace

StoreConnection::StoreConnection(EventLoop& loop, StoreLink& link, Options options,
                                 StoreConnectionOwner& owner)
    : loop_(loop), link_(link), options_(std::move(options)), owner_(owner) {}

StoreConnection::~StoreConnection() { Close(); }

void StoreConnection::Open(int64_t now_us) {
  if (state_ == State::kClosed) Connect(now_us);
}

void StoreConnection::Connect(int64_t now_us) {
  now_us_ = now_us;
  state_ = State::kConnecting;
  deadline_us_ = now_us + options_.connect_timeout_us;
  const std::optional<Address> address = link_.address();
  if (!address) return Fail("its address is not known yet");
  const Result<int> fd = StartConnect(*address);
  if (!fd) return Fail(fd.error().message);
  stream_ = Stream(*fd);
  loop_.Add(*fd, this);
  WatchWrites(true);
}

void StoreConnection::Connected() {
  const int error = ConnectError(stream_.fd());
  if (error != 0) return Fail(std::strerror(error));
  const config::TlsPtr tls = link_.tls();
  if (!tls) {
    WatchWrites(false);
    return Greet();
  }
  state_ = State::kHandshake;
  stream_.StartTls(TlsStream::Connecting(stream_.fd(), tls));
  Handshake();
}

void StoreConnection::Handshake() {
  const TlsStream::Progress progress = stream_.tls()->Handshake();
  if (progress == TlsStream::Progress::kFailed) return Fail(stream_.Problem());
  const bool blocked = progress == TlsStream::Progress::kWantsWrite;
  if (blocked != watching_writes_) WatchWrites(blocked);
  if (progress != TlsStream::Progress::kDone) return;
  Greet();
  Read();  // of what came with the last of the handshake no event tells
}

void StoreConnection::WatchWrites(bool watch) {
  watching_writes_ = watch;
  loop_.WatchWrites(stream_.fd(), this, watch);
}

void StoreConnection::Greet() {
  if (options_.bare) {
    state_ = State::kReady;
    error_.clear();
    backoff_us_ = 0;
    return owner_.OnStoreReady();
  }
  state_ = State::kGreeting;
  const config::Endpoint& endpoint = link_.endpoint();
  std::string text;
  if (!endpoint.password.empty()) {
    if (endpoint.user.empty()) {
      routing::AppendCommand(text, {"AUTH", endpoint.password});
    } else {
      routing::AppendCommand(text, {"AUTH", endpoint.user, endpoint.password});
    }
  }
  greeting_step_ = endpoint.password.empty() ? kStepHello : kStepAuth;
  const bool resp3 = options_.protocol == Protocol::kResp3;
  if (resp3) routing::AppendCommand(text, {"HELLO", "3"});
  routing::AppendCommand(text, {"CLIENT", "SETNAME", options_.name});
  routing::AppendCommand(text, {"CLIENT", "ID"});
  routing::AppendCommand(text, {"INFO", "server"});
  routing::AppendCommand(text, {"SELECT", std::to_string(options_.db)});
  routing::AppendCommand(text, {"PING"});
  if (stream_.Send(text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    Fail("the greeting could not be sent");
  }
}

void StoreConnection::ReadGreeting() {
  while (state_ == State::kGreeting) {
    const int64_t length = scanner_.Scan(in_.begin(), in_.end());
    if (length == routing::ReplyScanner::kIncomplete) return;
    if (length < 0) return Fail("it does not speak the Redis protocol");
    std::string problem;
    const bool fine = TakeGreetingReply({in_.begin(), static_cast<size_t>(length)}, problem);
    in_.Consume(static_cast<size_t>(length));
    if (!fine) return Fail(problem);
  }
}

bool StoreConnection::TakeGreetingReply(std::string_view frame, std::string& problem) {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  if (greeting_step_ == kStepHello && options_.protocol == Protocol::kResp2) ++greeting_step_;
  const int step = greeting_step_++;
  if (step >= kStepLogin) return TakeLoginReply(step, head, problem);
  if (head.IsError()) {
    static constexpr const char* kCommands[] = {"AUTH", "HELLO 3", "CLIENT SETNAME", "CLIENT ID",
                                                "INFO", "SELECT",  "PING",           "CLIENT KILL"};
    const bool gone = step == kStepKill && head.text.find("No such client") != head.text.npos;
    if (!gone) {
      problem = std::string("it refused ") + kCommands[step] + ": " + std::string(head.text);
      return false;
    }
  }
  switch (step) {
    case kStepId:
      client_id_ = head.number;
      return true;
    case kStepInfo:
      run_id_ = InfoField(head.text, "run_id:");
      version_ = InfoField(head.text, "redis_version:");
      return true;
    case kStepPing:
      if (former_id_ != 0 && former_run_id_ == run_id_) {
        std::string text;
        routing::AppendCommand(text, {"CLIENT", "KILL", "ID", std::to_string(former_id_)});
        if (stream_.Send(text.data(), text.size()) < 0) {
          problem = "its connection was lost";
          return false;
        }
        return true;
      }
      return GreetAsLogin(problem);
    case kStepKill:
      return GreetAsLogin(problem);
    default:
      return true;
  }
}

// All before was done as the address names us, the db selected too: whether the
// user may is asked when it does, and who was in a db before AUTH stays there.
bool StoreConnection::GreetAsLogin(std::string& problem) {
  former_id_ = 0;
  if (!options_.login) {
    FinishGreeting();
    return true;
  }
  greeting_step_ = kStepLogin;
  std::string text;
  routing::AppendCommand(text, {"AUTH", options_.login->name, options_.login->password});
  if (ask_multi_) {
    routing::AppendCommand(text, {"MULTI"});
    routing::AppendCommand(text, {"EXEC"});
  }
  if (stream_.Send(text.data(), text.size()) == static_cast<ssize_t>(text.size())) return true;
  problem = "the login could not be sent";
  return false;
}

bool StoreConnection::TakeLoginReply(int step, const routing::ReplyHead& head,
                                     std::string& problem) {
  if (step < kStepMulti && head.IsError()) {
    refusing_ = true;
    refused_ = head.text;
    problem = "it refused the user '" + options_.login->name + "': " + refused_;
    return false;
  }
  if (step == kStepMulti) may_multi_ = !head.IsError();
  if (step == kStepExec && may_multi_ && head.IsError()) {
    // It can't leave the transaction that it has begun.
    ask_multi_ = may_multi_ = false;
    refusing_ = true;
    problem = "it refused EXEC: " + std::string(head.text);
    return false;
  }
  if (!ask_multi_) may_multi_ = false;
  if (greeting_step_ == (ask_multi_ ? kStepExec + 1 : kStepMulti)) {
    ask_multi_ = true;
    FinishGreeting();
  }
  return true;
}

void StoreConnection::FinishGreeting() {
  refused_.clear();
  state_ = State::kReady;
  error_.clear();
  backoff_us_ = 0;
  link_.Greeted(run_id_, version_);
  link_.ready.fetch_add(1, std::memory_order_relaxed);
  link_.greetings.fetch_add(1, std::memory_order_relaxed);
  owner_.OnStoreReady();
}

void StoreConnection::WantMore() {
  if (std::exchange(more_queued_, true)) return;
  owner_.OnStoreHasMore();
}

void StoreConnection::OnEvents(const Readiness& ready) {
  if (state_ == State::kConnecting) {
    if (ready.writable || ready.failed) Connected();
    return;
  }
  peer_closed_ = peer_closed_ || ready.peer_closed;
  if (state_ == State::kHandshake) return Handshake();
  if (ready.writable && watching_writes_) {
    WatchWrites(false);
    Flush();
    if (!stream_.open()) return;
  }
  if (ready.readable || ready.failed) Read();
}

void StoreConnection::Read() {
  if (!stream_.open()) return;
  if (read_in_turn_ == loop_.turn()) return WantMore();
  read_in_turn_ = loop_.turn();
  size_t room = 0;
  char* to = in_.Room(limits::kStoreReadBytes / 4, room);
  const ssize_t n = stream_.Receive(to, room);
  if (n <= 0) {
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0 && errno == EINTR) return WantMore();
    std::string reason = n == 0 ? "it closed the connection" : stream_.Problem();
    if (state_ == State::kGreeting && !stream_.tls()) {
      reason += " without an answer (a TLS port? its url is rediss://)";
    }
    return Drop(reason);
  }
  if (!stream_.Drained(static_cast<size_t>(n), room) || peer_closed_) WantMore();
  in_.Commit(static_cast<size_t>(n));
  if (state_ == State::kGreeting) ReadGreeting();
  if (state_ == State::kReady && in_.size() > 0) owner_.OnStoreBytes();
}

void StoreConnection::Flush() {
  if (state_ != State::kReady || watching_writes_) return;
  if (out_.unsent() == 0 || !owner_.MaySend()) return;
  while (out_.unsent() > 0) {
    iovec vectors[kVectors];
    const ssize_t n = stream_.Send(vectors, out_.Gather(vectors, kVectors));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Drop(stream_.Problem());
      return WatchWrites(true);
    }
    out_.Sent(static_cast<size_t>(n));
  }
}

void StoreConnection::Tick(int64_t now_us) {
  now_us_ = now_us;
  if (state_ == State::kWaiting && (now_us >= deadline_us_ || Overtaken())) Connect(now_us);
  if (now_us < deadline_us_) return;
  if (state_ == State::kConnecting || state_ == State::kGreeting) Fail("connecting timed out");
  if (state_ == State::kHandshake) Fail("the TLS handshake timed out: does it speak TLS?");
}

bool StoreConnection::Overtaken() const {
  return refused_.empty() && failed_at_ != link_.greetings.load(std::memory_order_relaxed);
}

const std::string& StoreConnection::error() const {
  static const std::string kNone;
  return Overtaken() ? kNone : error_;
}

void StoreConnection::Close() {
  if (!stream_.open()) return;
  loop_.Remove(stream_.fd(), this);
  stream_.Close();
  watching_writes_ = false;
  peer_closed_ = false;
  if (state_ == State::kReady && !options_.bare)
    link_.ready.fetch_sub(1, std::memory_order_relaxed);
}

void StoreConnection::Drop(std::string_view reason) {
  if (state_ != State::kReady) return Fail(reason);
  if (!options_.bare) link_.SetError(std::string(reason));
  Lose(reason);
}

void StoreConnection::Abandon(std::string_view reason) {
  if (state_ == State::kReady) Lose(reason);
}

void StoreConnection::Lose(std::string_view reason) {
  if (options_.kill_former) {
    former_id_ = client_id_;
    former_run_id_ = run_id_;
  }
  Close();
  state_ = State::kWaiting;
  deadline_us_ = now_us_;  // at once
  const std::string text(reason);
  owner_.OnStoreLost(text);
  in_.Clear();
  out_.Clear();
  scanner_.Reset();
}

// A login that was refused says nothing of the store: other connections have theirs.
void StoreConnection::Fail(std::string_view reason) {
  const std::string text(reason);
  const bool refusing = std::exchange(refusing_, false);
  Close();
  state_ = State::kWaiting;
  backoff_us_ = std::clamp(backoff_us_ * 2, kFirstBackoffUs, kLongestBackoffUs);
  if (refusing && !refused_.empty()) backoff_us_ = kRefusedBackoffUs;
  // Spread by the address, so that not all connections come back at once.
  const int64_t jitter = static_cast<int64_t>(reinterpret_cast<uintptr_t>(this) >> 6) % 16;
  deadline_us_ = now_us_ + backoff_us_ + backoff_us_ * jitter / 64;
  in_.Clear();
  scanner_.Reset();
  error_ = refusing ? "" : text;
  failed_at_ = link_.greetings.load(std::memory_order_relaxed);
  if (!refusing) {
    refused_.clear();
    if (!options_.bare) link_.SetError(text);
  }
  owner_.OnStoreUnreachable(text);
}

}  // namespace crossfade::proxy
