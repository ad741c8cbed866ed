#include "tests/sim/connection.h"

#include <algorithm>

namespace crossfade::sim {

Connection::Connection(Env& env, Store& store, ConnectionUser& user, int64_t slow_us, uint32_t db)
    : env_(env), store_(&store), user_(&user), slow_us_(slow_us) {
  state_.db = db;
  store_->Attach(this);
}

Connection::~Connection() { Forget(); }

void Connection::Forget() {
  if (store_ != nullptr) std::exchange(store_, nullptr)->Detach(this);
}

void Connection::Send(std::string_view command, uint64_t tag) {
  on_the_way_.push_back({std::string(command), tag});
  last_arrival_us_ = std::max(last_arrival_us_, env_.scheduler.now_us() + env_.Delay(slow_us_));
  env_.scheduler.At(last_arrival_us_, [self = shared_from_this()] { self->Arrive(false); });
}

void Connection::Arrive(bool late) {
  if (store_ == nullptr) return;
  const int64_t now = env_.scheduler.now_us();
  if (user_ == nullptr) {
    if (!late) {
      last_late_us_ = std::max(last_late_us_, now + later_us_);
      env_.scheduler.At(last_late_us_, [self = shared_from_this()] { self->Arrive(true); });
      return;
    }
    if (to_arrive_ == 0) return Forget();
    --to_arrive_;
  } else if (late) {
    return;
  }
  if (store_->paused_until_us() > now) {
    if (user_ == nullptr) ++to_arrive_;
    env_.scheduler.At(store_->paused_until_us() + 1,
                      [self = shared_from_this(), late] { self->Arrive(late); });
    return;
  }
  const Command command = std::move(on_the_way_.front());
  on_the_way_.pop_front();
  if (user_ == nullptr && env_.tracing) env_.Trace("  late, of a lost connection:");
  std::string reply = store_->Execute(state_, command.bytes, command.tag);
  if (user_ == nullptr) return;
  last_reply_us_ = std::max(last_reply_us_, now + env_.Delay(slow_us_));
  env_.scheduler.At(last_reply_us_,
                    [self = shared_from_this(), reply = std::move(reply), stamp = store_->stamp()] {
                      if (self->user_ != nullptr) self->user_->OnReply(reply, stamp);
                    });
}

void Connection::Cut() {
  if (user_ == nullptr) return;
  user_ = nullptr;
  to_arrive_ = env_.random.Below(on_the_way_.size() + 1);
  later_us_ = env_.random.Pick<int64_t>({0, 0, 3'000, 30'000, 200'000});
}

void Connection::Kill() { Forget(); }

void Connection::Reset() {
  store_ = nullptr;  // which has forgotten it
  on_the_way_.clear();
  if (user_ == nullptr) return;
  env_.scheduler.After(env_.Delay(slow_us_), [self = shared_from_this()] {
    if (ConnectionUser* user = std::exchange(self->user_, nullptr)) user->OnReset();
  });
}

}  // namespace crossfade::sim
