#include "proxy/admin/http_server.h"

// The distribution's library is compiled with it, and the layout of its classes
// depends on it.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "config/check.h"
#include "config/limits.h"
#include "proxy/admin/backfill_api.h"
#include "proxy/admin/dashboard.h"
#include "proxy/admin/http_guard.h"
#include "proxy/admin/keys_api.h"
#include "proxy/admin/metrics.h"
#include "proxy/admin/status_json.h"
#include "proxy/admin/verify_api.h"
#include "proxy/admin/verify_json.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kThreads = 8;
// Connections that wait for a thread; past it accepting waits, and the kernel's
// backlog bounds the rest.
constexpr size_t kWaitingConnectionsMax = 64;
constexpr size_t kBodyMax = 64 * 1024;
// A body declared longer than this is not even read to its end.
constexpr uint64_t kDiscardMax = 1024 * 1024;
constexpr int kIoTimeoutSeconds = 5;
// Each keeps a thread; one more is refused.
constexpr int kEventStreamsMax = 4;
constexpr std::chrono::milliseconds kEventEvery{1'000};
constexpr char kJson[] = "application/json";

class BoundedPool final : public httplib::TaskQueue {
 public:
  BoundedPool() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> job) override {
    std::unique_lock lock(mutex_);
    space_.wait(lock, [this] { return jobs_.size() < kWaitingConnectionsMax; });
    jobs_.push_back(std::move(job));
    work_.notify_one();
  }

  void shutdown() override {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      space_.notify_one();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable space_;
  std::deque<std::function<void()>> jobs_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

struct Path {
  const char* path;
  const char* method;
};
constexpr Path kPaths[] = {{"/", "GET"},
                           {"/healthz", "GET"},
                           {"/readyz", "GET"},
                           {"/metrics", "GET"},
                           {"/api/v1/status", "GET"},
                           {"/api/v1/events", "GET"},
                           {"/api/v1/plan", "GET"},
                           {"/api/v1/reload", "POST"},
                           {"/api/v1/backfill", "POST"},
                           {"/api/v1/sync", "POST"},
                           {"/api/v1/quarantine", "GET or POST"},
                           {"/api/v1/resume", "POST"},
                           {"/api/v1/report", "GET"},
                           {"/api/v1/verify", "GET, POST, DELETE"},
                           {"/api/v1/verify/differences", "GET"}};

int64_t MonotonicMicroseconds() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

MutationHeaders HeadersOf(const httplib::Request& request) {
  return {request.get_header_value("Authorization"), request.get_header_value("Host"),
          request.get_header_value("Origin"), request.get_header_value("Sec-Fetch-Site")};
}

void Respond(httplib::Response& response, int status, const std::string& json) {
  response.status = status;
  response.set_content(json, kJson);
}

// Gives every error of the library, and unknown paths and methods, a JSON body.
void DescribeError(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty()) return;
  std::string message;
  if (response.status == 413) {
    message = "the body is too large: at most " + std::to_string(kBodyMax) + " bytes";
  } else if (response.status == 414) {
    message = "the request line is too long";
  } else if (response.status == 404) {
    message = "no such path: " + request.path.substr(0, 200);
    for (const Path& known : kPaths) {
      if (request.path != known.path) continue;
      response.status = 405;
      response.set_header("Allow", known.method);
      message = request.path + " takes " + known.method;
    }
  } else if (response.status >= 500) {
    message = "internal error";
  } else {
    message = "malformed request";
  }
  response.set_content(ErrorJson(message), kJson);
}

std::string StatusNow(DataPlane& plane, ControlPort& control) {
  StatusInput input;
  input.ready = plane.Ready(input.ready_reason);
  input.snapshot = plane.TakeSnapshot();
  input.sampled_us = MonotonicMicroseconds();
  input.plan = control.CurrentPlan();
  input.reloads = control.Reloads();
  input.config_path = control.ConfigPath();
  input.stopping = control.Stopping();
  return StatusJson(input);
}

uint64_t DeclaredLength(const httplib::Request& request) {
  return std::strtoull(request.get_header_value("Content-Length").c_str(), nullptr, 10);
}

}  // namespace

struct AdminServer::Impl {
  Impl(config::Endpoint endpoint, const std::string& token)
      : listen(std::move(endpoint)), guard(token, IsLoopback(listen.host)) {}

  void Configure();
  void AddPages(DataPlane& plane, ControlPort& control);
  void AddApi(DataPlane& plane, ControlPort& control);
  void AddEvents(DataPlane& plane, ControlPort& control);
  bool AwaitNextEvent();
  template <class Parse>
  void AddOrder(const char* path, DataPlane& plane, Parse parse);
  void AddVerify(DataPlane& plane);
  bool Refused(const httplib::Request& request, httplib::Response& response) const;

  config::Endpoint listen;
  HttpGuard guard;
  httplib::Server http;
  uint16_t port = 0;
  bool bound = false;
  std::thread thread;
  std::atomic<int> event_streams{0};
  std::mutex stop_mutex;
  std::condition_variable stopped;
  bool stop = false;
};

void AdminServer::Impl::Configure() {
  http.new_task_queue = [] { return new BoundedPool; };
  // The library's default is SO_REUSEPORT, which lets two proxies share the port.
  http.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  http.set_keep_alive_max_count(1);
  http.set_read_timeout(kIoTimeoutSeconds);
  http.set_write_timeout(kIoTimeoutSeconds);
  http.set_payload_max_length(kBodyMax);
  http.set_default_headers({{"Cache-Control", "no-store"},
                            {"X-Content-Type-Options", "nosniff"},
                            {"X-Frame-Options", "DENY"}});
  http.set_error_handler(httplib::Server::Handler(DescribeError));
  http.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
        Respond(response, 500, ErrorJson("internal error"));
      });
  http.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (DeclaredLength(request) <= kDiscardMax) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 413;
    DescribeError(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
}

void AdminServer::Impl::AddPages(DataPlane& plane, ControlPort& control) {
  http.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_header("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; script-src "
                        "'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
                        "form-action 'none'; frame-ancestors 'none'");
    const std::string_view page = DashboardPage();
    response.set_content(page.data(), page.size(), "text/html; charset=utf-8");
  });
  http.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  http.Get("/readyz", [&plane, &control](const httplib::Request&, httplib::Response& response) {
    std::string why;
    if (control.Stopping()) {
      why = "the proxy is stopping";
    } else if (plane.Ready(why)) {
      response.set_content("ready\n", "text/plain");
      return;
    }
    response.status = 503;
    response.set_content("not ready: " + why + "\n", "text/plain");
  });
  http.Get("/metrics", [&plane, &control](const httplib::Request&, httplib::Response& response) {
    response.set_content(RenderMetrics(plane.TakeSnapshot(), control.Reloads()),
                         kMetricsContentType);
  });
}

// Whether a change is not for this client to make; answered then.
bool AdminServer::Impl::Refused(const httplib::Request& request,
                                httplib::Response& response) const {
  const auto refusal = guard.CheckMutation(HeadersOf(request));
  if (!refusal) return false;
  if (refusal->status == 401) response.set_header("WWW-Authenticate", "Bearer");
  Respond(response, refusal->status, ErrorJson(refusal->message));
  return true;
}

// False: the server is ended.
bool AdminServer::Impl::AwaitNextEvent() {
  std::unique_lock lock(stop_mutex);
  return !stopped.wait_for(lock, kEventEvery, [this] { return stop; });
}

// The status, again and again, as server-sent events.
void AdminServer::Impl::AddEvents(DataPlane& plane, ControlPort& control) {
  http.Get("/api/v1/events", [this, &plane, &control](const httplib::Request&,
                                                      httplib::Response& response) {
    if (event_streams.fetch_add(1) >= kEventStreamsMax) {
      event_streams.fetch_sub(1);
      return Respond(response, 503,
                     ErrorJson("there are " + std::to_string(kEventStreamsMax) +
                               " streams of events, and may not be more"));
    }
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, &plane, &control, begun = false](size_t, httplib::DataSink& sink) mutable {
          if (begun && !AwaitNextEvent()) {
            sink.done();
            return true;
          }
          begun = true;
          const std::string event = "event: status\ndata: " + StatusNow(plane, control) + "\n\n";
          return sink.write(event.data(), event.size());
        },
        [this](bool) { event_streams.fetch_sub(1); });
  });
}

// What an operator orders: parsed, carried out, and answered.
template <class Parse>
void AdminServer::Impl::AddOrder(const char* path, DataPlane& plane, Parse parse) {
  http.Post(path,
            [this, &plane, parse](const httplib::Request& request, httplib::Response& response) {
              if (Refused(request, response)) return;
              const auto order = parse(request.body);
              if (!order) return Respond(response, 400, ErrorJson(order.error().message));
              const Result<std::string> done = plane.Order(*order);
              if (!done) return Respond(response, 409, ErrorJson(done.error().message));
              Respond(response, 200, DoneJson(*done));
            });
}

void AdminServer::Impl::AddApi(DataPlane& plane, ControlPort& control) {
  http.Get("/api/v1/status",
           [&plane, &control](const httplib::Request&, httplib::Response& response) {
             Respond(response, 200, StatusNow(plane, control));
           });
  http.Get("/api/v1/plan", [&control](const httplib::Request&, httplib::Response& response) {
    Respond(response, 200, PlanJson(*control.CurrentPlan()));
  });
  http.Post("/api/v1/resume",
            [this, &plane](const httplib::Request& request, httplib::Response& response) {
              if (Refused(request, response)) return;
              Respond(response, 200, DoneJson(plane.Resume(ReasonOf(request.body))));
            });
  AddOrder("/api/v1/backfill", plane, ParseBackfillOrder);
  AddOrder("/api/v1/sync", plane, ParseSyncOrder);
  AddOrder("/api/v1/quarantine", plane, ParseQuarantineOrder);
  http.Get("/api/v1/quarantine", [&plane](const httplib::Request&, httplib::Response& response) {
    Respond(response, 200, QuarantineJson(plane.Quarantined(limits::kQuarantinedShown)));
  });
  http.Post("/api/v1/reload",
            [this, &control](const httplib::Request& request, httplib::Response& response) {
              if (Refused(request, response)) return;
              const ReloadOutcome outcome = control.Reload();
              Respond(response, outcome.applied ? 200 : 409, ReloadJson(outcome));
            });
}

void AdminServer::Impl::AddVerify(DataPlane& plane) {
  http.Get("/api/v1/report", [&plane](const httplib::Request&, httplib::Response& response) {
    Respond(response, 200, ArtifactsJson(plane.TakeSnapshot()));
  });
  http.Get("/api/v1/verify", [&plane](const httplib::Request&, httplib::Response& response) {
    Respond(response, 200, VerifyJson(plane.VerifyReports()));
  });
  http.Get("/api/v1/verify/differences",
           [&plane](const httplib::Request&, httplib::Response& response) {
             Respond(response, 200, DeltasJson(plane.VerifyDeltas()));
           });
  http.Post("/api/v1/verify",
            [this, &plane](const httplib::Request& request, httplib::Response& response) {
              if (Refused(request, response)) return;
              const ApiAnswer answer = BeginVerify(plane, request.body);
              Respond(response, answer.status, answer.json);
            });
  http.Delete("/api/v1/verify",
              [this, &plane](const httplib::Request& request, httplib::Response& response) {
                if (Refused(request, response)) return;
                const ApiAnswer answer = CancelVerify(plane);
                Respond(response, answer.status, answer.json);
              });
}

AdminServer::AdminServer(const config::Endpoint& listen, const std::string& token)
    : impl_(std::make_unique<Impl>(listen, token)) {}

AdminServer::~AdminServer() { Stop(); }

Status AdminServer::Bind() {
  Impl& impl = *impl_;
  if (!impl.listen.unix_path.empty()) {
    return Fail("admin.listen: " + impl.listen.Display() + " is a Unix socket; expected HOST:PORT");
  }
  impl.Configure();
  errno = 0;
  if (impl.listen.port == 0) {
    const int port = impl.http.bind_to_any_port(impl.listen.host);
    impl.bound = port > 0;
    if (impl.bound) impl.port = static_cast<uint16_t>(port);
  } else {
    impl.bound = impl.http.bind_to_port(impl.listen.host, impl.listen.port);
    impl.port = impl.listen.port;
  }
  if (impl.bound) return {};
  const int error = errno;
  return Fail("admin.listen: can't listen on " + impl.listen.Display() + ": " +
              (error == 0 ? "the address is not usable" : std::strerror(error)));
}

void AdminServer::Start(DataPlane& plane, ControlPort& control) {
  Impl& impl = *impl_;
  CROSSFADE_CHECK(impl.bound && !impl.thread.joinable());
  impl.AddPages(plane, control);
  impl.AddApi(plane, control);
  impl.AddEvents(plane, control);
  impl.AddVerify(plane);
  impl.thread = std::thread([&impl] { impl.http.listen_after_bind(); });
  // Stop is ignored by a server that does not run yet.
  while (!impl.http.is_running()) std::this_thread::yield();
}

void AdminServer::Stop() {
  if (!impl_->thread.joinable()) return;
  {
    const std::lock_guard lock(impl_->stop_mutex);
    impl_->stop = true;
  }
  impl_->stopped.notify_all();
  impl_->http.stop();
  impl_->thread.join();
}

uint16_t AdminServer::Port() const { return impl_->port; }

}  // namespace crossfade::proxy
