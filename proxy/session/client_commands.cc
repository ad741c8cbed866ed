// Session: CLIENT. It is about the proxy's clients, those of all workers, and
// never about its connections to the stores. Error texts are those of Redis 7.0.
#include <algorithm>

#include "proxy/mirror_events.h"
#include "proxy/session/session.h"
#include "proxy/worker/ask_workers.h"
#include "proxy/worker/worker.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;
using routing::IsToken;

namespace {

constexpr std::string_view kSyntaxError = "ERR syntax error";
constexpr int64_t kLongestPauseMs = 1'000'000'000'000;

// No spaces or newlines: the lists of clients must stay readable.
bool IsPlainWord(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::optional<ClientType> TypeNamed(std::string_view name) {
  if (IsToken(name, "normal")) return ClientType::kNormal;
  if (IsToken(name, "pubsub")) return ClientType::kPubsub;
  if (IsToken(name, "master")) return ClientType::kMaster;
  if (IsToken(name, "slave") || IsToken(name, "replica")) return ClientType::kReplica;
  return std::nullopt;
}

struct DescribedClient {
  uint64_t id;
  std::string line;
};

std::string Lines(std::vector<std::vector<DescribedClient>>& of_workers) {
  std::vector<DescribedClient*> clients;
  for (auto& of_worker : of_workers) {
    for (DescribedClient& client : of_worker) clients.push_back(&client);
  }
  std::sort(clients.begin(), clients.end(),
            [](const auto* a, const auto* b) { return a->id < b->id; });
  std::string text;
  for (const DescribedClient* client : clients) text += client->line;
  return text;
}

}  // namespace

// The session is not read from meanwhile, and what is asked counts as in flight,
// so that it lasts until the reply.
template <class Answer>
Session::Step Session::AskAll(std::function<Answer(Worker&)> ask,
                              std::function<std::string(std::vector<Answer>&)> reply) {
  const ReplyTo to = NewReply(Source::kAuthority, {});
  PauseFor(kAsking);
  GatherFromWorkers<Answer>(worker_, std::move(ask),
                            [this, to, reply = std::move(reply)](std::vector<Answer>& answers) {
                              Resume(kAsking);
                              Deliver(to, worker_.KeepForTurn(reply(answers)));
                            });
  return Step::kTaken;
}

Session::Step Session::ClientCommand(const routing::CommandSpec& spec, Args args) {
  std::string text;
  switch (spec.id) {
    case CommandId::kClientList:
      return ClientList(args);
    case CommandId::kClientKill:
      return ClientKill(args);
    case CommandId::kClientPause:
      return ClientPauseCommand(args);
    case CommandId::kClientUnpause:
      worker_.core().client_pause.End();
      return SpreadClientPause();
    case CommandId::kClientUnblock:
      return ClientUnblock(args);
    case CommandId::kClientSetname:
      ClientSetName(args[2]);
      return Step::kDone;
    case CommandId::kClientGetname:
      if (extras().name.empty()) {
        text = NilReply();
      } else {
        routing::AppendBulk(text, extras().name);
      }
      break;
    case CommandId::kClientId:
      routing::AppendInteger(text, static_cast<int64_t>(id_));
      break;
    case CommandId::kClientInfo:
      Describe(InHand(args), text);
      text = VerbatimReply(text);
      break;
    case CommandId::kClientReply:
      ClientReply(args);
      return Step::kDone;
    case CommandId::kClientNoEvict:
      ClientFlag(args[2], &Extras::no_evict);
      return Step::kDone;
    case CommandId::kClientGetredir:
      routing::AppendInteger(text,
                             pinned_ && pinned_->tracking.on ? pinned_->tracking.redirect : -1);
      break;
    case CommandId::kClientTrackinginfo:
      return TrackingInfo(spec, args);
    default:
      ClientNewer(args);
      return Step::kDone;
  }
  Reply(text);
  return Step::kDone;
}

// Those that Redis 7.0 does not have, but that clients of newer ones send.
void Session::ClientNewer(Args args) {
  const bool no_touch = IsToken(args[1], "NO-TOUCH");
  const std::string name = no_touch ? "client|no-touch" : "client|setinfo";
  if (args.size() != (no_touch ? 3 : 4)) {
    return ReplyError(ClientError::kArity,
                      "ERR wrong number of arguments for '" + name + "' command");
  }
  if (no_touch) return ClientFlag(args[2], &Extras::no_touch);
  const bool library = IsToken(args[2], "LIB-NAME");
  if (!library && !IsToken(args[2], "LIB-VER")) {
    return ReplyError(ClientError::kRefused,
                      "ERR Unrecognized option '" + Printable(args[2]) + "'");
  }
  if (!IsPlainWord(args[3])) {
    return ReplyError(ClientError::kRefused,
                      "ERR " + std::string(library ? "lib-name" : "lib-ver") +
                          " cannot contain spaces, newlines or special characters.");
  }
  (library ? extras().library : extras().library_version) = args[3];
  Reply("+OK\r\n");
}

void Session::ClientSetName(std::string_view name) {
  if (!IsPlainWord(name)) {
    return ReplyError(ClientError::kRefused,
                      "ERR Client names cannot contain spaces, newlines or special characters.");
  }
  extras().name = name;
  extras().plan_epoch = 0;  // routes may match the name
  Reply("+OK\r\n");
}

void Session::ClientReply(Args args) {
  if (IsToken(args[2], "ON")) {
    reply_mode_ &= static_cast<uint8_t>(~(kRepliesOff | kSkipReply));
    Reply("+OK\r\n");
  } else if (IsToken(args[2], "OFF")) {
    reply_mode_ |= kRepliesOff;
  } else if (IsToken(args[2], "SKIP")) {
    if ((reply_mode_ & kRepliesOff) == 0) reply_mode_ |= kSkipReply;
  } else {
    ReplyError(ClientError::kRefused, kSyntaxError);
  }
}

void Session::ClientFlag(std::string_view value, bool Extras::*flag) {
  if (!IsToken(value, "ON") && !IsToken(value, "OFF")) {
    return ReplyError(ClientError::kRefused, kSyntaxError);
  }
  extras().*flag = IsToken(value, "ON");
  Reply("+OK\r\n");
}

// ---- About other clients

RequestInHand Session::InHand(Args args) const {
  RequestInHand in_hand{id_, 0, 0};
  in_hand.input_bytes = static_cast<size_t>(worker_.batch.e - worker_.batch.p);
  for (const std::string_view arg : args) in_hand.argument_bytes += arg.size();
  return in_hand;
}

Session::Step Session::ClientList(Args args) {
  ClientFilter filter;
  std::vector<uint64_t> ids;
  if (args.size() == 4 && IsToken(args[2], "TYPE")) {
    filter.type = TypeNamed(args[3]);
    if (!filter.type) {
      ReplyError(ClientError::kRefused, "ERR Unknown client type '" + Printable(args[3]) + "'");
      return Step::kDone;
    }
  } else if (args.size() > 3 && IsToken(args[2], "ID")) {
    for (const std::string_view arg : args.subspan(3)) {
      int64_t id = 0;
      if (!routing::ParseRedisInteger(arg, id)) {
        ReplyError(ClientError::kRefused, "ERR Invalid client ID");
        return Step::kDone;
      }
      ids.push_back(static_cast<uint64_t>(id));
    }
    std::sort(ids.begin(), ids.end());
  } else if (args.size() != 2) {
    ReplyError(ClientError::kRefused, kSyntaxError);
    return Step::kDone;
  }
  using Described = std::vector<DescribedClient>;
  return AskAll<Described>(
      [filter, ids, in_hand = InHand(args)](Worker& worker) {
        Described clients;
        for (const auto& session : worker.sessions()) {
          const bool listed =
              ids.empty() || std::binary_search(ids.begin(), ids.end(), session->id());
          if (!listed || !session->Matches(filter)) continue;
          clients.push_back({session->id(), {}});
          session->Describe(in_hand, clients.back().line);
        }
        return clients;
      },
      [this](std::vector<Described>& of_workers) { return VerbatimReply(Lines(of_workers)); });
}

// False when an error was sent instead.
bool Session::ParseClientFilter(Args args, ClientFilter& filter) {
  const auto refuse = [this](const std::string& text) {
    ReplyError(ClientError::kRefused, text);
    return false;
  };
  filter.except = id_;
  for (size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) return refuse(std::string(kSyntaxError));
    const std::string_view value = args[i + 1];
    if (IsToken(args[i], "ID")) {
      int64_t id = 0;
      if (!routing::ParseRedisInteger(value, id) || id < 1) {
        return refuse("ERR client-id should be greater than 0");
      }
      filter.id = static_cast<uint64_t>(id);
    } else if (IsToken(args[i], "TYPE")) {
      filter.type = TypeNamed(value);
      if (!filter.type) return refuse("ERR Unknown client type '" + Printable(value) + "'");
    } else if (IsToken(args[i], "ADDR")) {
      filter.address = value;
    } else if (IsToken(args[i], "LADDR")) {
      filter.local_address = value;
    } else if (IsToken(args[i], "USER")) {
      const Accounts* accounts = worker_.plan().accounts.get();
      if (accounts != nullptr && accounts->Find(value) == nullptr) {
        return refuse("ERR No such user '" + Printable(value) + "'");
      }
      filter.user = value;
    } else if (IsToken(args[i], "SKIPME") && IsToken(value, "YES")) {
      filter.except = id_;
    } else if (IsToken(args[i], "SKIPME") && IsToken(value, "NO")) {
      filter.except = 0;
    } else {
      return refuse(std::string(kSyntaxError));
    }
  }
  return true;
}

Session::Step Session::ClientKill(Args args) {
  ClientFilter filter;
  const bool old_form = args.size() == 3;
  if (old_form) {
    filter.address = args[2];
  } else if (!ParseClientFilter(args, filter)) {
    return Step::kDone;
  }
  // Whom the authority knows it alone could tell: here, those who are connected.
  const bool stranger = filter.user && worker_.plan().accounts == nullptr &&
                        *filter.user != kDefaultUser && *filter.user != user();
  const std::string no_such_user =
      stranger ? "-ERR No such user '" + Printable(*filter.user) + "'\r\n" : "";
  return AskAll<int64_t>(
      [filter, asker = id_](Worker& worker) {
        int64_t killed = 0;
        for (const auto& session : worker.sessions()) {
          if (!session->Matches(filter)) continue;
          ++killed;
          if (session->id() == asker) {
            session->CloseBehindReplies();
          } else {
            session->Close();
          }
        }
        return killed;
      },
      [old_form, no_such_user](std::vector<int64_t>& of_workers) {
        int64_t killed = 0;
        for (const int64_t count : of_workers) killed += count;
        if (killed == 0 && !no_such_user.empty()) return no_such_user;
        if (old_form) return std::string(killed > 0 ? "+OK\r\n" : "-ERR No such client\r\n");
        std::string text;
        routing::AppendInteger(text, killed);
        return text;
      });
}

Session::Step Session::ClientUnblock(Args args) {
  const bool has_reason = args.size() == 4;
  if (args.size() > 4) return RefuseSubcommand(args);
  const bool as_error = has_reason && IsToken(args[3], "ERROR");
  if (has_reason && !as_error && !IsToken(args[3], "TIMEOUT")) {
    ReplyError(ClientError::kRefused, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    return Step::kDone;
  }
  int64_t id = 0;
  if (!routing::ParseRedisInteger(args[2], id)) {
    ReplyError(ClientError::kRefused, "ERR value is not an integer or out of range");
    return Step::kDone;
  }
  if (id < 1) {
    Reply(":0\r\n");
    return Step::kDone;
  }
  const ReplyTo to = NewReply(Source::kAuthority, {});
  PauseFor(kAsking);
  const auto answer = [this, to](bool unblocked) {
    worker_.Post([this, to, unblocked] {
      Resume(kAsking);
      Deliver(to, unblocked ? ":1\r\n" : ":0\r\n");
    });
  };
  Worker& theirs = worker_.WorkerOf(static_cast<uint64_t>(id));
  theirs.Post([&theirs, id, as_error, answer] {
    Session* session = theirs.blocked().Find(static_cast<uint64_t>(id));
    if (session == nullptr) return answer(false);
    session->Unblock(as_error, answer);
  });
  return Step::kTaken;
}

// ---- CLIENT PAUSE

Session::Step Session::RefuseSubcommand(Args args) {
  ReplyError(ClientError::kArity, "ERR unknown subcommand or wrong number of arguments for '" +
                                      Printable(args[1].substr(0, 128)) + "'. Try CLIENT HELP.");
  return Step::kDone;
}

Session::Step Session::ClientPauseCommand(Args args) {
  if (args.size() > 4) return RefuseSubcommand(args);
  PauseMode mode = PauseMode::kAll;
  if (args.size() == 4 && IsToken(args[3], "WRITE")) {
    mode = PauseMode::kWrites;
  } else if (args.size() == 4 && !IsToken(args[3], "ALL")) {
    ReplyError(ClientError::kRefused, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    return Step::kDone;
  }
  int64_t ms = 0;
  if (!routing::ParseRedisInteger(args[2], ms)) {
    ReplyError(ClientError::kRefused, "ERR timeout is not an integer or out of range");
    return Step::kDone;
  }
  if (ms < 0) {
    ReplyError(ClientError::kRefused, "ERR timeout is negative");
    return Step::kDone;
  }
  const int64_t now_us = Worker::ClockUs();
  const int64_t until_us = now_us + std::min(ms, kLongestPauseMs) * 1'000;
  worker_.core().client_pause.Begin(mode, until_us, now_us);
  return SpreadClientPause();
}

// In force on all workers before the reply; inside EXEC, right behind it.
Session::Step Session::SpreadClientPause() {
  if (worker_.capture == nullptr) {
    return AskAll<int>([](Worker& worker) { return worker.AdoptClientPause(), 1; },
                       [](auto&) { return std::string("+OK\r\n"); });
  }
  AskWorkers(
      worker_, [](Worker& worker) { worker.AdoptClientPause(); }, [] {});
  Reply("+OK\r\n");
  return Step::kDone;
}

// What has entered the gate goes on: others wait for it.
bool Session::HeldByClientPause(const routing::CommandSpec& spec, Args args) const {
  if (worker_.client_pause() == PauseMode::kNone || gate_held_) return false;
  return worker_.client_pause() == PauseMode::kAll || MayWrite(spec, args);
}

bool Session::MayWrite(const routing::CommandSpec& spec, Args args) const {
  if (spec.id == CommandId::kExec) return transaction_ && transaction_->may_replicate;
  return MayReplicate(spec, args);
}

Session::Step Session::PostponeCommand() {
  if (peer_closed_) {  // as Redis does when it sees the end of a client that it holds
    Close();
    return Step::kPaused;
  }
  PauseFor(kClientPause);
  worker_.Postpone(this);
  return Step::kPaused;
}

}  // namespace crossfade::proxy
