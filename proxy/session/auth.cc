// Session: who its client is, and what that allows.
#include <utility>

#include "proxy/auth/accounts.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {

using routing::Args;
using routing::IsToken;

namespace {

constexpr std::string_view kNoAuth = "NOAUTH Authentication required.";
constexpr std::string_view kNoAuthForHello =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time";
constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you "
    "sure your configuration is correct?";

constexpr std::string_view kTooManyUsers =
    "ERR crossfade: too many different users of the stores are connected";
constexpr std::string_view kPinnedToUser =
    "ERR crossfade: the user of the store can't be changed by this while the client watches keys, "
    "tracks or is subscribed";

bool SameStoreLogin(const config::User& a, const config::User& b) {
  return a.store_user == b.store_user && a.store_password == b.store_password;
}

bool SameRules(const config::User& a, const config::User& b) {
  const auto same_key = [](const config::KeyRule& x, const config::KeyRule& y) {
    return x.Text() == y.Text();
  };
  return a.commands == b.commands && a.channels == b.channels &&
         std::equal(a.keys.begin(), a.keys.end(), b.keys.begin(), b.keys.end(), same_key);
}

// The name under which the store's address logs in.
std::string_view NameOf(const config::Endpoint& endpoint) {
  return endpoint.user.empty() ? kDefaultUser : std::string_view(endpoint.user);
}

}  // namespace

std::string_view Session::UserName() const {
  if (account_ != nullptr) return account_->user.name;
  if (!authenticated_) return kDefaultUser;
  const StoreLogin* login = worker_.store_users().Find(key_.user);
  return login != nullptr ? std::string_view(login->name)
                          : NameOf(worker_.core().authority().endpoint());
}

// ---- Who it is

// As whom it begins, and what a RESET makes of it. Nothing is in flight.
void Session::BeginAnonymous() {
  authenticated_ = false;
  restricted_ = true;
  account_ = nullptr;
  BecomeStoreUser(0);
  extras().plan_epoch = 0;
  const Accounts* accounts = worker_.plan().accounts.get();
  if (accounts == nullptr) {
    AuthDesk& desk = worker_.auth_desk();
    desk.Probe();
    restricted_ = desk.anonymous() != AuthDesk::Anonymous::kOpen ||
                  !worker_.core().authority().endpoint().password.empty();
  } else if (const Account* account = accounts->Initial()) {
    const std::optional<uint32_t> user = StoreUserOf(*account, "");
    if (!user) return;  // it may try by AUTH
    BecomeStoreUser(*user);
    account_ = account;
    restricted_ = !account->acl.unrestricted();
  }
}

std::optional<uint32_t> Session::StoreUserOf(const Account& account, std::string_view password) {
  const config::User& user = account.user;
  if (user.store_user.empty()) return 0;
  return StoreUserOf(user.store_user, user.store_password.empty()
                                          ? password
                                          : std::string_view(user.store_password));
}

// Who has the store address's own login is on the lanes that have it. Nothing:
// too many logins are in use. The number is held for the caller.
std::optional<uint32_t> Session::StoreUserOf(std::string_view name, std::string_view password) {
  const config::Endpoint& endpoint = worker_.core().authority().endpoint();
  if (!password.empty() && name == NameOf(endpoint) && password == endpoint.password) return 0;
  const uint32_t user = worker_.store_users().Acquire({std::string(name), std::string(password)});
  return user != 0 ? std::optional(user) : std::nullopt;
}

// The number is held for it; what it held before is given back.
void Session::BecomeStoreUser(uint32_t user) {
  const uint32_t former = key_.user;
  if (user != former) {
    LaneKey key = key_;
    key.user = user;
    UseLane(key);
  }
  worker_.store_users().Release(former, worker_.now_us());
}

// A password was set at the authority before it came.
void Session::RestrictAnonymous() {
  if (account_ == nullptr && !authenticated_) restricted_ = true;
}

void Session::OnPlanChanged(const Accounts* before) {
  const Accounts* now = worker_.plan().accounts.get();
  if (closed_ || (before == nullptr && now == nullptr)) return;
  if (before == nullptr || now == nullptr) return Close();  // it must say anew who it is
  if (account_ == nullptr) {
    if (in_flight_ == 0) BeginAnonymous();
    return;
  }
  const Account* account = now->Find(account_->user.name);
  if (account == nullptr || !SameStoreLogin(account_->user, account->user)) return Close();
  if (transaction_ && !SameRules(account_->user, account->user)) transaction_->failed = true;
  account_ = account;
  restricted_ = !account->acl.unrestricted();
}

// ---- What it may do

// Before anything else happens to the command; only where `restricted_` is set.
// kClosed: it was answered.
Session::Step Session::CheckAccess(const routing::CommandSpec& spec, Args args) {
  if ((spec.flags & routing::kNoAuth) != 0) return Step::kDone;
  if (account_ != nullptr) {
    const routing::Acl::Verdict verdict = account_->acl.Check(spec, args, worker_.positions);
    if (verdict == routing::Acl::Verdict::kAllowed) return Step::kDone;
    return RefuseAccess(ClientError::kNoPermission, routing::Acl::ErrorText(verdict, spec),
                        spec.id == routing::CommandId::kExec);
  }
  return StayAnonymous(kNoAuth, spec.id == routing::CommandId::kExec);
}

// Whether a client may go on without saying who it is. kClosed: it was told not to.
Session::Step Session::StayAnonymous(std::string_view refusal, bool exec) {
  if (worker_.plan().accounts != nullptr) return RefuseAccess(ClientError::kNoAuth, refusal, exec);
  AuthDesk& desk = worker_.auth_desk();
  switch (desk.anonymous()) {
    case AuthDesk::Anonymous::kClosed:
      desk.Probe();
      return RefuseAccess(ClientError::kNoAuth, refusal, exec);
    case AuthDesk::Anonymous::kUnknown:
      if (const std::string& error = desk.error(); !error.empty()) {
        return RefuseAccess(ClientError::kStoreUnavailable,
                            "ERR crossfade: the " + worker_.core().authority().role() +
                                " store (authority) is not reachable: " + error);
      }
      desk.AwaitAnonymous(this);
      PauseFor(kAuth);
      return Step::kPaused;
    case AuthDesk::Anonymous::kOpen:
      break;
  }
  // Our own login may be another: then it needs lanes of those who have none.
  if (!worker_.core().authority().endpoint().password.empty()) {
    const std::optional<uint32_t> user = StoreUserOf(kDefaultUser, "");
    if (!user) return RefuseAccess(ClientError::kRefused, kTooManyUsers);
    BecomeStoreUser(*user);
  }
  restricted_ = false;
  return Step::kDone;
}

// What a command that is refused on its way has begun is undone.
void Session::AbandonCommand() {
  LeaveGate();
  if (const std::unique_ptr<AuthAttempt> attempt = std::move(auth_);
      attempt && attempt->former_db) {
    LaneKey key = key_;
    key.db = *attempt->former_db;
    UseLane(key);
  }
  if (!pinned_) return;
  lane_ = pinned_->lane.get();
  pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
  pinned_->wait_written = pinned_->wait_refused = false;
  UnpinIfFree();
}

Session::Step Session::RefuseAccess(ClientError kind, std::string_view text, bool exec) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  AbandonCommand();
  if (transaction_) transaction_->failed = true;
  ReplyError(kind, exec ? AbortedExec(text) : std::string(text));
  return Step::kClosed;
}

// What the proxy does itself to other clients, a user of the stores may do whom the
// authority would let. kClosed: it was answered.
Session::Step Session::MayAdminister(const routing::CommandSpec& spec, Args args) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (!auth_) {
    auth_ = std::make_unique<AuthAttempt>();
    std::vector<std::string> question;
    for (const std::string_view word :
         {std::string_view("ACL"), std::string_view("DRYRUN"), UserName()}) {
      question.emplace_back(word);
    }
    question.insert(question.end(), args.begin(), args.end());
    worker_.core().side_commands.Ask(worker_.core().authority(), std::nullopt, std::move(question),
                                     [worker = &worker_, id = id_](std::string reply) {
                                       worker->Post([worker, id, reply = std::move(reply)] {
                                         for (const auto& session : worker->sessions()) {
                                           if (session->id() == id && !session->closed())
                                             session->OnAuthChecked(reply);
                                         }
                                       });
                                     });
  }
  if (auth_->reply.empty()) {
    PauseFor(kAuth);
    return Step::kPaused;
  }
  const std::string reply = std::move(std::exchange(auth_, nullptr)->reply);
  if (reply == "+OK\r\n") return Step::kDone;
  if (!reply.starts_with('-')) {
    return RefuseAccess(
        ClientError::kNoPermission,
        "NOPERM this user has no permissions to run the '" + spec.name + "' command");
  }
  return RefuseAccess(ClientError::kRefused,
                      "ERR crossfade: whether this user may run '" + spec.name +
                          "' is not known: " + reply.substr(1, reply.find('\r') - 1));
}

// ---- AUTH, and HELLO's

// The session is drained.
Session::Step Session::Auth(Args args) {
  if (args.size() > 3) {
    ReplyError(ClientError::kProtocol, "ERR syntax error");
    return Step::kDone;
  }
  const Step step = Authenticate(args.subspan(1), false);
  if (step == Step::kDone) Reply("+OK\r\n");
  return Unpaused(step);
}

// What stands in `name_and_password`: [name] password. kDone: it is who it says.
// kClosed: an error has been sent. kPaused: comes here again with the answer.
Session::Step Session::Authenticate(Args name_and_password, bool hello) {
  const bool named = name_and_password.size() == 2;
  const std::string_view name = named ? name_and_password[0] : kDefaultUser;
  const std::string_view password = name_and_password.back();
  if (!auth_) {
    auth_ = std::make_unique<AuthAttempt>();
    const int64_t delay = worker_.core().auth_guard.DelayUs(extras().peer, worker_.now_us());
    if (delay > 0 && peer_closed_) {
      Close();
      return Step::kPaused;
    }
    if (delay > 0) {
      worker_.auth_desk().Delay(this, worker_.now_us() + delay);
      PauseFor(kAuth);
      return Step::kPaused;
    }
  }
  const Accounts* accounts = worker_.plan().accounts.get();
  const Account* account = nullptr;
  if (accounts != nullptr) {
    const Account* initial = accounts->Initial();
    account = named || initial == nullptr ? accounts->Authenticate(name, password) : nullptr;
    auth_->reply = account != nullptr             ? "+OK\r\n"
                   : !named && initial != nullptr ? "-" + std::string(kNoPassword) + "\r\n"
                                                  : "-" + std::string(kWrongPass) + "\r\n";
  } else if (auth_->reply.empty()) {
    std::string request;
    if (named) {
      routing::AppendCommand(request, {"AUTH", name, password});
    } else {
      routing::AppendCommand(request, {"AUTH", password});
    }
    worker_.auth_desk().Check(this, std::move(request));
    PauseFor(kAuth);
    return Step::kPaused;
  }
  const std::unique_ptr<AuthAttempt> attempt = std::move(auth_);
  if (attempt->reply.front() == '-') return RefuseAuth(name, attempt->reply);
  return Accept(account, name, password, hello);
}

Session::Step Session::RefuseAuth(std::string_view name, std::string_view reply) {
  worker_.CountError(ClientError::kNoAuth);
  if (reply.starts_with("-WRONGPASS")) {
    worker_.stats().auth_failures.Add();
    worker_.core().auth_guard.Failed(extras().peer, name, worker_.now_us());
  }
  Reply(reply);
  return Step::kClosed;
}

Session::Step Session::Accept(const Account* account, std::string_view name,
                              std::string_view password, bool hello) {
  const std::optional<uint32_t> user =
      account != nullptr ? StoreUserOf(*account, password) : StoreUserOf(name, password);
  const config::Endpoint& endpoint = worker_.core().authority().endpoint();
  const bool moves = pinned_ && user && *user != key_.user;
  const bool cannot_move =
      hello || (user == 0u && endpoint.password.empty()) || (pinned_ && !lane_->ready());
  if (!user || (moves && cannot_move)) {
    if (user) worker_.store_users().Release(*user, worker_.now_us());
    ReplyError(ClientError::kRefused, user ? kPinnedToUser : kTooManyUsers);
    return Step::kClosed;
  }
  account_ = account;
  restricted_ = account != nullptr && !account->acl.unrestricted();
  authenticated_ = true;
  extras().plan_epoch = 0;  // routes may match the user
  if (!moves) {
    BecomeStoreUser(*user);
    return Step::kDone;
  }
  // Its own connection goes with it; the store's reply is the client's.
  const StoreLogin* login = worker_.store_users().Find(*user);
  std::string text;
  routing::AppendCommand(text, {"AUTH", login != nullptr ? login->name : NameOf(endpoint),
                                login != nullptr ? login->password : endpoint.password});
  pinned_->wanted_user = *user;
  SendOwn(Pinned::Awaited::kLogin, text);
  return Step::kTaken;
}

// The store's answer to that.
void Session::OwnLoginAnswered(bool fine) {
  StoreUsers& users = worker_.store_users();
  users.Release(fine ? key_.user : pinned_->wanted_user, worker_.now_us());
  if (!fine) {
    closing_ = true;  // who it is here is not who it is there
    return;
  }
  key_.user = pinned_->wanted_user;
  pinned_->lane->MovedTo(key_);
}

// ---- SELECT as a user of the stores, who may not have the right to: asked on a
// connection that is in that db.

Session::Step Session::SelectAsUser(uint32_t db) {
  LaneKey key = key_;
  if (!auth_) {
    auth_ = std::make_unique<AuthAttempt>();
    auth_->former_db = key_.db;
    key.db = db;
    UseLane(key);
  }
  if (lane_ == nullptr) lane_ = &worker_.LaneOf(key_);
  const std::string refused = lane_->connection().refused();
  const std::string error = lane_->connection().error();
  if (!lane_->ready() && refused.empty() && error.empty()) {
    lane_->Wait(this);
    PauseFor(kLane);
    return Step::kPaused;
  }
  const uint32_t former = *std::exchange(auth_, nullptr)->former_db;
  if (!lane_->ready()) {
    key.db = former;
    UseLane(key);
    ReplyError(ClientError::kNoPermission,
               refused.empty() ? "ERR crossfade: the " + worker_.core().authority().role() +
                                     " store (authority) is not reachable: " + error
                               : refused);
    return Step::kDone;
  }
  Ordering();
  std::string text;
  routing::AppendCommand(text, {"SELECT", std::to_string(db)});
  Protect(worker_.batch.next);
  lane_->SentPlain(NewReply(Source::kAuthority, {}), RequestClass::kOther, text.size());
  lane_->out().Append(text);
  RewriteNextReply([this, former](std::string_view reply) {
    if (reply.starts_with('-')) {
      LaneKey back = key_;
      back.db = former;
      UseLane(back);
    }
    return std::string(reply);
  });
  return Step::kTaken;
}

void Session::OnAuthDue() { Resume(kAuth); }

void Session::OnAuthChecked(std::string_view reply) {
  auth_->reply = reply;
  Resume(kAuth);
}

// Before HELLO does anything. kClosed: it was answered.
Session::Step Session::HelloAuth(Args args) {
  Step step = Step::kDone;
  for (size_t i = 2; i < args.size(); ++i) {
    if (IsToken(args[i], "SETNAME")) {
      ++i;
      continue;
    }
    if (IsToken(args[i], "AUTH") && i + 2 < args.size()) {
      step = Authenticate(args.subspan(i + 1, 2), true);
    }
    break;
  }
  if (step != Step::kDone || !restricted_ || account_ != nullptr) return step;
  return StayAnonymous(kNoAuthForHello, false);
}

}  // namespace crossfade::proxy
