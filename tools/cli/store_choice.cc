#include "tools/cli/store_choice.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>

#include "config/address.h"
#include "config/loader.h"
#include "config/tls.h"

namespace crossfade::cli {
namespace {

// Of a reply: a large key takes its time.
constexpr std::chrono::milliseconds kPatience{60'000};

std::atomic<proxy::Interrupt*> interrupt_of_signals{nullptr};
std::atomic<bool> signal_raised{false};

void OnSignal(int) {
  const int before = errno;
  signal_raised.store(true);
  if (proxy::Interrupt* interrupt = interrupt_of_signals.load()) interrupt->Raise();
  errno = before;
}

// With the system's authorities.
Status AddTls(config::Endpoint& endpoint) {
  auto tls = std::make_shared<config::TlsSettings>(*endpoint.tls);
  const auto made = config::MakeStoreContext({}, *tls);
  if (!made) return Fail("--url: TLS: " + made.error().message);
  endpoint.tls = std::move(tls);
  return {};
}

}  // namespace

std::string StoreChoice::Display() const {
  return (role.empty() ? "" : role + " ") + endpoint.Display();
}

Result<StoreChoice> ChooseStore(const Arguments& arguments) {
  StoreChoice choice;
  if (!arguments.url.empty()) {
    Result<config::Endpoint> endpoint = config::ParseStoreUrl(arguments.url);
    if (!endpoint) return Fail("--url: expected " + endpoint.error().message);
    if (endpoint->tls) {
      if (const Status added = AddTls(*endpoint); !added) return tl::unexpected(added.error());
    }
    choice.endpoint = std::move(*endpoint);
    return choice;
  }
  const Result<config::Settings> settings = config::LoadSettings(arguments.config);
  if (!settings) return tl::unexpected(settings.error());
  choice.role = arguments.store.empty() ? "legacy" : arguments.store;
  choice.endpoint = choice.role == "legacy" ? settings->legacy : settings->new_store;
  choice.connect_timeout = settings->limits.connect_timeout;
  return choice;
}

StopSignals::StopSignals() {
  signal_raised.store(false);
  interrupt_of_signals.store(&interrupt_);
  struct sigaction action {};
  action.sa_handler = &OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

StopSignals::~StopSignals() {
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
  interrupt_of_signals.store(nullptr);
}

bool StopSignals::raised() const { return signal_raised.load(); }

Result<proxy::StoreClient> ConnectTo(const StoreChoice& store, const StopSignals& signals) {
  const proxy::StoreLink link(store.role, store.endpoint);
  auto client =
      proxy::StoreClient::Connect(link, store.connect_timeout, signals.interrupt(), kPatience);
  if (!client) return Fail(store.Display() + ": " + client.error().message);
  return client;
}

}  // namespace crossfade::cli
