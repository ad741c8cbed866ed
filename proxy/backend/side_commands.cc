#include "proxy/backend/side_commands.h"

#include "proxy/backend/store_client.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{1'000};
// A client that asks faster than the store answers waits no longer for it.
constexpr size_t kJobsMax = 1'024;

std::string Run(const StoreLink& link, const std::optional<StoreLogin>& login,
                const std::vector<std::string>& command, const Interrupt& interrupt) {
  const auto failed = [&link](const std::string& reason) {
    return "-ERR crossfade: the " + link.role() + " store (authority) is not reachable: " + reason +
           "\r\n";
  };
  Result<StoreClient> store = StoreClient::Connect(link, kConnectTimeout, interrupt);
  if (!store) return failed(store.error().message);
  if (login) {
    const Result<StoreClient::Reply> known = store->Command({"AUTH", login->name, login->password});
    if (!known) return "-" + known.error().message + "\r\n";
  }
  const std::vector<std::string_view> args(command.begin(), command.end());
  const Result<StoreClient::Reply> reply = store->Ask(args);
  if (!reply) return failed(reply.error().message);
  std::string frame;
  AppendAsResp(frame, **reply);
  return frame;
}

}  // namespace

void SideCommands::Ask(const StoreLink& link, std::optional<StoreLogin> login,
                       std::vector<std::string> command, std::function<void(std::string)> answer) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;
    if (jobs_.size() < kJobsMax) {
      jobs_.push_back({&link, std::move(login), std::move(command), std::move(answer)});
      if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
      wake_.notify_one();
      return;
    }
  }
  answer("-ERR crossfade: too many such commands are waiting\r\n");
}

void SideCommands::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  interrupt_.Raise();
  if (thread_.joinable()) thread_.join();
}

void SideCommands::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.answer(proxy::Run(*job.link, job.login, job.command, interrupt_));
    lock.lock();
  }
}

}  // namespace crossfade::proxy
