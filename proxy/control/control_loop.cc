#include "proxy/control/control_loop.h"

#ifndef ASIO_STANDALONE
#define ASIO_STANDALONE
#endif
#ifdef __SANITIZE_THREAD__
// The sanitizer does not model fences and g++ warns of each; the scheduler's mutex
// orders the handlers as well.
#define ASIO_DISABLE_FENCED_BLOCK
#endif
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "proxy/control/config_watch.h"
#include "proxy/control/log.h"
#include "proxy/control/reloader.h"

namespace crossfade::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// An editor's save is several events; a change takes effect within 100 ms of the
// first even if they go on.
constexpr milliseconds kDebounce{20};
constexpr milliseconds kDebounceMax{60};
// A folder that vanished is looked for again this often.
constexpr milliseconds kWatchRetry{1'000};

}  // namespace

struct ControlLoop::Impl {
  Impl(DataPlane& data_plane, config::PlanPtr plan, Options options)
      : plane(data_plane),
        reloader(std::move(options.config_path), data_plane, std::move(plan),
                 std::move(options.applied)),
        signals(io, SIGTERM, SIGINT, SIGHUP),
        watch(reloader.Path()),
        events(io),
        debounce(io),
        retry(io) {}

  void AwaitSignal();
  void OnSignal(int number);
  void StartWatch();
  void AwaitEvents();
  void OnEvents();
  void ArmWatch();
  void OnFileChanged();
  void BeginStop(const std::string& cause);
  void FinishStop(const StopReport& report);
  // False when the loop has ended and will not run the task.
  bool Post(std::function<void()> task);
  void Close();

  DataPlane& plane;
  Reloader reloader;
  asio::io_context io{1};
  asio::signal_set signals;
  ConfigWatch watch;
  asio::posix::stream_descriptor events;
  asio::steady_timer debounce;
  asio::steady_timer retry;
  steady_clock::time_point first_event{};
  bool reload_pending = false;
  bool watch_failed = false;
  std::atomic<bool> stopping{false};
  std::thread stopper;
  Ending ending;
  std::mutex post_mutex;
  bool closed = false;
};

void ControlLoop::Impl::AwaitSignal() {
  signals.async_wait([this](const asio::error_code& error, int number) {
    if (error) return;
    AwaitSignal();
    OnSignal(number);
  });
}

void ControlLoop::Impl::OnSignal(int number) {
  if (number == SIGHUP) {
    if (!stopping) reloader.Reload("signal");
    return;
  }
  const char* name = number == SIGTERM ? "SIGTERM" : "SIGINT";
  if (!stopping) {
    BeginStop(name);
    return;
  }
  log::Warn("stopping at once, the mirror log is not drained", {{"cause", name}});
  ending.at_once = true;
  io.stop();
}

void ControlLoop::Impl::StartWatch() {
  const Status opened = watch.Open();
  if (watch.Descriptor() < 0) {
    log::Warn("reload by hand: the file is not watched", {{"reason", opened.error().message}});
    return;
  }
  // The descriptor is the watch's; the stream only waits for it.
  events.assign(watch.Descriptor());
  if (!opened) ArmWatch();
  AwaitEvents();
}

void ControlLoop::Impl::AwaitEvents() {
  events.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this](const asio::error_code& error) {
                      if (error) return;
                      OnEvents();
                      AwaitEvents();
                    });
}

void ControlLoop::Impl::OnEvents() {
  if (!watch.Drain() || stopping) return;
  const auto now = steady_clock::now();
  if (!reload_pending) first_event = now;
  reload_pending = true;
  debounce.expires_at(std::min(now + kDebounce, first_event + kDebounceMax));
  debounce.async_wait([this](const asio::error_code& error) {
    if (error || !reload_pending) return;
    reload_pending = false;
    OnFileChanged();
  });
}

void ControlLoop::Impl::ArmWatch() {
  const Status armed = watch.Arm();
  if (armed) {
    watch_failed = false;
    return;
  }
  if (!watch_failed)
    log::Warn("the configuration is not watched", {{"reason", armed.error().message}});
  watch_failed = true;
  retry.expires_after(kWatchRetry);
  retry.async_wait([this](const asio::error_code& error) {
    if (error || stopping) return;
    ArmWatch();
    // It may have changed while nobody looked.
    if (!watch_failed) OnFileChanged();
  });
}

void ControlLoop::Impl::OnFileChanged() {
  if (stopping) return;
  // First, so that a change during the load is an event again.
  ArmWatch();
  if (!watch_failed) reloader.Reload("file");
}

void ControlLoop::Impl::BeginStop(const std::string& cause) {
  stopping = true;
  const milliseconds limit = reloader.Current()->settings.limits.stop_timeout;
  log::Info("stopping: no new clients, draining the mirror log",
            {{"cause", cause}, {"limit_ms", static_cast<uint64_t>(limit.count())}});
  // On a thread of its own, so that a second signal is heard.
  stopper = std::thread([this, limit] {
    const StopReport report = plane.Stop(limit);
    asio::post(io, [this, report] { FinishStop(report); });
  });
}

void ControlLoop::Impl::FinishStop(const StopReport& report) {
  ending.report = report;
  if (report.drained) {
    log::Info("stopped", {{"clients_closed", report.clients_closed}});
  } else {
    log::Warn("stopped with the follower behind", {{"log_entries", report.entries_left},
                                                   {"dirty_keys", report.dirty_keys_left},
                                                   {"clients_closed", report.clients_closed}});
  }
  io.stop();
}

bool ControlLoop::Impl::Post(std::function<void()> task) {
  std::lock_guard lock(post_mutex);
  if (closed) return false;
  asio::post(io, std::move(task));
  return true;
}

void ControlLoop::Impl::Close() {
  {
    std::lock_guard lock(post_mutex);
    closed = true;
  }
  signals.cancel();
  debounce.cancel();
  retry.cancel();
  if (events.is_open()) {
    events.cancel();
    events.release();
  }
  // What was posted before gets its answer: by now, that the proxy is stopping.
  do {
    io.restart();
  } while (io.poll() > 0);
}

ControlLoop::ControlLoop(DataPlane& plane, config::PlanPtr plan, Options options)
    : impl_(std::make_unique<Impl>(plane, std::move(plan), std::move(options))) {}

ControlLoop::~ControlLoop() {
  if (impl_->stopper.joinable()) impl_->stopper.join();
}

ControlLoop::Ending ControlLoop::Run() {
  impl_->AwaitSignal();
  impl_->StartWatch();
  const auto work = asio::make_work_guard(impl_->io);
  impl_->io.run();
  impl_->Close();
  if (!impl_->ending.at_once && impl_->stopper.joinable()) impl_->stopper.join();
  return impl_->ending;
}

void ControlLoop::RequestStop() {
  impl_->Post([impl = impl_.get()] {
    if (!impl->stopping) impl->BeginStop("request");
  });
}

ReloadOutcome ControlLoop::Reload() {
  std::promise<ReloadOutcome> promise;
  std::future<ReloadOutcome> future = promise.get_future();
  const auto refuse = [this] {
    ReloadOutcome outcome;
    outcome.reason = "the proxy is stopping";
    outcome.epoch = CurrentPlan()->epoch;
    outcome.digest = CurrentPlan()->digest;
    return outcome;
  };
  // The task ends before this call does, so it may use its frame.
  const bool posted = impl_->Post(
      [&] { promise.set_value(impl_->stopping ? refuse() : impl_->reloader.Reload("api")); });
  return posted ? future.get() : refuse();
}

config::PlanPtr ControlLoop::CurrentPlan() const { return impl_->reloader.Current(); }
ReloadHistory ControlLoop::Reloads() const { return impl_->reloader.History(); }
bool ControlLoop::Stopping() const { return impl_->stopping; }
std::string ControlLoop::ConfigPath() const { return impl_->reloader.Path(); }

}  // namespace crossfade::proxy
