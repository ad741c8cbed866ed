#include "proxy/admin/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "tests/proxy/admin/fakes.h"
#include "tests/proxy/admin/http_exchange.h"

namespace crossfade::proxy {
namespace {

using nlohmann::json;
using test::Exchange;
using test::HttpCall;

class AdminServerTest : public ::testing::Test {
 protected:
  void StartWith(const std::string& token) {
    server_ = std::make_unique<AdminServer>(test::Loopback(0), token);
    const Status bound = server_->Bind();
    ASSERT_TRUE(bound) << bound.error().message;
    server_->Start(plane_, control_);
  }
  void SetUp() override { StartWith(""); }

  Exchange Get(const std::string& path) { return HttpCall(server_->Port(), "GET", path); }
  Exchange Post(const std::string& headers = "", const std::string& body = "") {
    return HttpCall(server_->Port(), "POST", "/api/v1/reload", headers, body);
  }
  static std::string ErrorOf(const Exchange& exchange) {
    const json document = json::parse(exchange.body, nullptr, false);
    return document.is_object() ? document.value("error", "") : "not JSON: " + exchange.body;
  }

  test::FakePlane plane_;
  test::FakeControl control_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, HealthIsOkWhileTheProcessLives) {
  plane_.SetNotReady("no authority");
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(AdminServerTest, ReadinessGivesTheReason) {
  EXPECT_EQ(Get("/readyz").status, 200);
  plane_.SetNotReady("legacy 127.0.0.1:7001: connection refused");
  const Exchange down = Get("/readyz");
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(down.body, "not ready: legacy 127.0.0.1:7001: connection refused\n");
  plane_.SetNotReady("");
  control_.SetStopping(true);
  EXPECT_EQ(Get("/readyz").status, 503);
}

TEST_F(AdminServerTest, TheDashboardNeedsNothingFromElsewhere) {
  const Exchange page = Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.head.find("text/html"), std::string::npos);
  EXPECT_NE(page.head.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.body.find("http://"), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  EXPECT_EQ(page.body.find("/*@"), std::string::npos) << "a part was not put in";
  EXPECT_NE(page.body.find("prefers-color-scheme"), std::string::npos);
  EXPECT_NE(page.body.find("/api/v1/status"), std::string::npos);
  EXPECT_NE(page.body.find("</html>"), std::string::npos);
}

TEST_F(AdminServerTest, StatusHasTheSnapshotAndThePlan) {
  const Exchange answer = Get("/api/v1/status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("application/json"), std::string::npos);
  const json status = json::parse(answer.body);
  EXPECT_EQ(status["stage"], "ramp");
  EXPECT_EQ(status["dirty_keys"], 5);
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["routes"][0]["name"], "canary");
}

TEST_F(AdminServerTest, ThePlanComesWithoutSecrets) {
  const json report = json::parse(Get("/api/v1/report").body);
  EXPECT_EQ(report["dir"], "/srv/runs");
  EXPECT_EQ(report["last"], "/srv/runs/one");
  EXPECT_EQ(report["state"], "failed");
  EXPECT_EQ(report["reason"], "the disk is full");
  const json plan = json::parse(Get("/api/v1/plan").body);
  EXPECT_EQ(plan["digest"], control_.CurrentPlan()->digest);
  const std::string text = plan["text"];
  EXPECT_NE(text.find("stores.legacy.password = (secret)\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("sha256:"), std::string::npos);
}

TEST_F(AdminServerTest, MetricsHaveTheirContentType) {
  const Exchange answer = Get("/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(answer.body.find("\ncrossfade_dirty_keys 5\n"), std::string::npos);
}

TEST_F(AdminServerTest, ReloadAnswersWhatChangedOrWhyNot) {
  control_.SetOutcome({true, "", {"reads.follower: 0% -> 25%"}, 4, "digest"});
  Exchange answer = Post();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["changes"][0], "reads.follower: 0% -> 25%");
  control_.SetOutcome({false, "crossfade.yaml:3: unknown key", {}, 3, "digest"});
  answer = Post("", "{}");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(ErrorOf(answer), "crossfade.yaml:3: unknown key");
  EXPECT_EQ(control_.ReloadCalls(), 2);
}

TEST_F(AdminServerTest, AWebPageCanNotReload) {
  EXPECT_EQ(Post("Origin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(Post("Sec-Fetch-Site: cross-site\r\n").status, 403);
  EXPECT_EQ(Post("Host: evil.example\r\n").status, 403);
  EXPECT_EQ(control_.ReloadCalls(), 0);
}

TEST_F(AdminServerTest, ATokenIsNeededWhereOneIsSet) {
  StartWith("s3cret");
  const Exchange without = Post();
  EXPECT_EQ(without.status, 401);
  EXPECT_NE(without.head.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_EQ(Post("Authorization: Bearer wrong\r\n").status, 401);
  EXPECT_EQ(control_.ReloadCalls(), 0);
  EXPECT_EQ(Post("Authorization: Bearer s3cret\r\n").status, 200);
  EXPECT_EQ(control_.ReloadCalls(), 1);
  EXPECT_EQ(Get("/api/v1/status").status, 200);
}

TEST_F(AdminServerTest, ResumePassesTheReasonOn) {
  const auto resume = [this](const std::string& body) {
    return HttpCall(server_->Port(), "POST", "/api/v1/resume", "", body);
  };
  const Exchange answer = resume("{\"reason\": \"evictions are off\"}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"done\":\"done so\"}");
  EXPECT_EQ(plane_.resumed(), "evictions are off");
  for (const char* body : {"", "{", "[]", "{\"reason\": 1}"}) {
    EXPECT_EQ(resume(body).status, 200) << body;
    EXPECT_EQ(plane_.resumed(), "") << body;
  }
}

TEST_F(AdminServerTest, OrdersToTheBackfillArePassedOn) {
  using Action = BackfillOrder::Action;
  const auto order = [this](const std::string& body) {
    return HttpCall(server_->Port(), "POST", "/api/v1/backfill", "", body);
  };
  EXPECT_EQ(order(R"({"action": "pause"})").body, "{\"done\":\"ordered so\"}");
  const Exchange refused = order(R"({"action": "start"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.body, "{\"error\":\"it can't begin\"}");
  EXPECT_EQ(order(R"({"action": "throttle", "keys_per_second": 500, "bytes_per_second": "1MiB",
                      "max_authority_p99": "2ms"})")
                .status,
            200);
  const std::vector<BackfillOrder> orders = plane_.orders();
  ASSERT_EQ(orders.size(), 3u);
  EXPECT_EQ(orders[0].action, Action::kPause);
  EXPECT_EQ(orders[2].action, Action::kThrottle);
  EXPECT_EQ(orders[2].bounds.keys_per_second, 500u);
  EXPECT_EQ(orders[2].bounds.bytes_per_second, 1u << 20);
  EXPECT_EQ(orders[2].bounds.max_authority_p99, std::chrono::milliseconds(2));
  for (const char* body : {"", "{", "[]", "{}", R"({"action": "stop"})", R"({"action": 1})",
                           R"({"action": "throttle", "keys_per_second": -1})",
                           R"({"action": "throttle", "bytes_per_second": 10})",
                           R"({"action": "throttle", "max_authority_p99": {}})"}) {
    const Exchange answer = order(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_NE(answer.body.find("expected"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(plane_.orders().size(), 3u);
}

TEST_F(AdminServerTest, OrdersAboutKeysArePassedOn) {
  const auto post = [this](const std::string& path, const std::string& body) {
    return HttpCall(server_->Port(), "POST", path, "", body);
  };
  EXPECT_EQ(post("/api/v1/sync", R"({"keys": ["a"]})").body, "{\"done\":\"done about keys\"}");
  EXPECT_EQ(post("/api/v1/quarantine", R"({"action": "accept", "all": true})").status, 200);
  EXPECT_EQ(post("/api/v1/sync", "{}").status, 400);
  EXPECT_EQ(post("/api/v1/quarantine", R"({"action": "drop"})").status, 400);
  const std::vector<KeyOrder> orders = plane_.key_orders();
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0].keys, std::vector<std::string>{"a"});
  EXPECT_EQ(orders[1].action, KeyOrder::Action::kAccept);
  const json list = json::parse(Get("/api/v1/quarantine").body, nullptr, false);
  EXPECT_EQ(list["quarantined"], 1'000);
  EXPECT_EQ(list["keys"][0]["key"], "k");
}

// Some streams that are open, and what each has brought so far.
class EventStreams {
 public:
  EventStreams(uint16_t port, int count) {
    const std::string request = "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    for (int i = 0; i < count; ++i) {
      streams_.push_back(test::ConnectLoopback(port));
      EXPECT_GT(send(streams_.back(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    }
  }
  ~EventStreams() {
    for (const int stream : streams_) close(stream);
  }
  // Until so many events have come, or the stream has ended.
  std::string Read(size_t stream, size_t events) {
    std::string text;
    char buffer[16 * 1024];
    size_t seen = 0;
    while (seen < events) {
      const ssize_t size = recv(streams_[stream], buffer, sizeof buffer, 0);
      if (size <= 0) break;
      text.append(buffer, static_cast<size_t>(size));
      seen = 0;
      for (size_t at = 0; (at = text.find("event: status\ndata: {", at)) != std::string::npos;
           ++at) {
        ++seen;
      }
    }
    return text;
  }

 private:
  std::vector<int> streams_;
};

TEST_F(AdminServerTest, EventsTellTheStatusAgainAndAgain) {
  EventStreams streams(server_->Port(), 4);
  for (size_t i = 0; i < 4; ++i) {
    const std::string text = streams.Read(i, 2);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 200")) << text.substr(0, 100);
    EXPECT_NE(text.find("text/event-stream"), std::string::npos);
    EXPECT_NE(text.find("\"backfill\""), std::string::npos);
  }
  EXPECT_EQ(Get("/api/v1/events").status, 503) << "one too many";
  EXPECT_EQ(Get("/api/v1/status").status, 200);
  server_->Stop();
  EXPECT_TRUE(streams.Read(0, SIZE_MAX).ends_with("0\r\n\r\n")) << "it is ended in order";
}

TEST_F(AdminServerTest, UnknownPathsAndMethodsGetJsonErrors) {
  EXPECT_EQ(Get("/nothing").status, 404);
  EXPECT_EQ(ErrorOf(Get("/nothing")), "no such path: /nothing");
  const Exchange wrong = HttpCall(server_->Port(), "POST", "/api/v1/status");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: GET"), std::string::npos);
  EXPECT_EQ(ErrorOf(wrong), "/api/v1/status takes GET");
  EXPECT_EQ(Get("/api/v1/reload").status, 405);
  EXPECT_EQ(ErrorOf(HttpCall(server_->Port(), "DELETE", "/")), "/ takes GET");
  EXPECT_EQ(control_.ReloadCalls(), 0);
}

TEST_F(AdminServerTest, HugeBodiesAreRefused) {
  const Exchange large = Post("", std::string(100 * 1024, 'x'));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(ErrorOf(large), "the body is too large: at most 65536 bytes");
  // Announced only: it is refused without waiting for it.
  const Exchange huge = test::ExchangeBytes(
      server_->Port(),
      "POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(huge.status, 413);
  EXPECT_EQ(control_.ReloadCalls(), 0);
}

TEST_F(AdminServerTest, MalformedRequestsGetJsonErrors) {
  const Exchange garbage = test::ExchangeBytes(server_->Port(), "not http at all\r\n\r\n");
  EXPECT_EQ(garbage.status, 400);
  EXPECT_EQ(ErrorOf(garbage), "malformed request");
  EXPECT_EQ(Get("/" + std::string(9000, 'a')).status, 414);
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(AdminServerTest, SilentConnectionsDoNotStopTheOthers) {
  std::vector<int> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(test::ConnectLoopback(server_->Port()));
  EXPECT_EQ(Get("/healthz").status, 200);
  for (const int descriptor : silent) close(descriptor);
}

TEST_F(AdminServerTest, EachConnectionServesOneRequest) {
  const Exchange answer =
      HttpCall(server_->Port(), "GET", "/healthz", "Connection: keep-alive\r\n");
  EXPECT_EQ(answer.status, 200);  // the exchange ends when the server closes
}

TEST_F(AdminServerTest, ManyCallersAtOnceAreAllAnswered) {
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < 24; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        if (Get("/api/v1/status").status == 200) ++answered;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, 120);
}

TEST_F(AdminServerTest, ATakenAddressIsAnError) {
  AdminServer second(test::Loopback(server_->Port()), "");
  const Status bound = second.Bind();
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().message,
            "admin.listen: can't listen on 127.0.0.1:" + std::to_string(server_->Port()) +
                ": Address already in use");
}

TEST_F(AdminServerTest, AfterStopNothingAnswers) {
  const uint16_t port = server_->Port();
  server_->Stop();
  EXPECT_EQ(HttpCall(port, "GET", "/healthz").status, 0);
}

}  // namespace
}  // namespace crossfade::proxy
