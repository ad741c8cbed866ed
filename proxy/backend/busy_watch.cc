#include "proxy/backend/busy_watch.h"

#include <string_view>
#include <utility>

namespace crossfade::proxy {
namespace {

constexpr int64_t kPauseUs = 100'000;

}  // namespace

void BusyWatch::Ask(const StoreLink& store, int64_t now_us,
                    std::function<void(std::string)> answer) {
  if (now_us < not_before_us_.load(std::memory_order_relaxed)) return;
  if (asking_.exchange(true)) return;
  not_before_us_.store(now_us + kPauseUs, std::memory_order_relaxed);
  std::vector<std::string> ping;
  ping.emplace_back("PING");
  side_.Ask(store, std::nullopt, std::move(ping),
            [this, answer = std::move(answer)](std::string reply) {
              asking_.store(false);
              const std::string_view line = std::string_view(reply).substr(0, reply.find('\r'));
              answer(std::string(line.starts_with("-BUSY ") ? line.substr(1) : ""));
            });
}

}  // namespace crossfade::proxy
