#include "routing/breaker.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"
#include "routing/policy/sampling.h"

namespace crossfade::routing {

Breaker::Breaker(const BreakerSettings& settings, uint64_t seed)
    : settings_(settings), random_(seed), backoff_us_(settings.backoff_us) {
  CROSSFADE_CHECK(settings.failures_to_open > 0 && settings.successes_to_close > 0);
  CROSSFADE_CHECK(settings.backoff_us > 0 && settings.backoff_max_us >= settings.backoff_us);
  CROSSFADE_CHECK(settings.jitter < config::kFullShare);
}

Breaker::Permit Breaker::AdmitProbe(int64_t now_us) {
  if (state_ == State::kOpen) {
    if (now_us < next_probe_us_) return {};
    state_ = State::kHalfOpen;
    ++round_;
    successes_ = 0;
    probing_ = false;
  }
  if (probing_) return {};
  probing_ = true;
  return {true, round_, true};
}

void Breaker::Succeeded(Permit permit) {
  if (!permit.allowed || permit.round != round_) return;
  if (!permit.probe) {
    failures_ = 0;
    return;
  }
  probing_ = false;
  if (++successes_ < settings_.successes_to_close) return;
  state_ = State::kClosed;
  ++round_;
  failures_ = 0;
  backoff_us_ = settings_.backoff_us;
}

void Breaker::Failed(Permit permit, int64_t now_us) {
  if (!permit.allowed || permit.round != round_) return;
  if (permit.probe || ++failures_ >= settings_.failures_to_open) Open(now_us);
}

void Breaker::Abandoned(Permit permit) {
  if (permit.probe && permit.round == round_) probing_ = false;
}

void Breaker::ConnectionLost(int64_t now_us) {
  if (state_ != State::kOpen) Open(now_us);
}

void Breaker::Open(int64_t now_us) {
  state_ = State::kOpen;
  ++round_;
  ++trips_;
  probing_ = false;
  const auto jitter_max =
      static_cast<uint64_t>(backoff_us_) * settings_.jitter / config::kFullShare;
  const uint64_t jitter = jitter_max == 0 ? 0 : NextRandom(random_) % (jitter_max + 1);
  next_probe_us_ = now_us + backoff_us_ - static_cast<int64_t>(jitter);
  backoff_us_ = std::min(backoff_us_ * 2, settings_.backoff_max_us);
}

const char* Name(Breaker::State state) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kOpen:
      return "open";
    case Breaker::State::kHalfOpen:
      return "half-open";
  }
  return "";
}

void LatencyTracker::Add(int64_t latency_us, int64_t now_us) {
  if (now_us > last_us_ && weight_ > 0) {
    const double kept =
        std::exp(-static_cast<double>(now_us - last_us_) / static_cast<double>(time_constant_us_));
    sum_ *= kept;
    weight_ *= kept;
  }
  last_us_ = std::max(last_us_, now_us);
  sum_ += static_cast<double>(latency_us);
  weight_ += 1;
}

double LatencyTracker::Weight(int64_t now_us) const {
  const auto age = static_cast<double>(std::max<int64_t>(now_us - last_us_, 0));
  return weight_ * std::exp(-age / static_cast<double>(time_constant_us_));
}

}  // namespace crossfade::routing
