#include "tests/support/load.h"

#include <poll.h>

#include <algorithm>
#include <deque>
#include <sstream>

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSilence = std::chrono::seconds(30);

}  // namespace

struct Load::Connection {
  Connection(uint16_t port, uint64_t seed, const RandomOptions& options)
      : client(port), commands(seed, options), depths(seed ^ 0x9e3779b97f4a7c15u) {}

  PipelinedClient client;
  RandomCommands commands;
  std::mt19937_64 depths;
  std::deque<RandomCommand> unanswered;
  bool multi_refused = false;  // what follows runs outside of a transaction
  bool failed = false;
};

Load::Load(LoadOptions options) : options_(std::move(options)) {}

Load::~Load() { Stop(); }

void Load::Start() {
  for (int i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(
        options_.port, options_.seed * 1000 + static_cast<uint64_t>(i), options_.commands));
  }
  thread_ = std::thread([this] { Loop(); });
}

bool Load::AwaitAnswered(uint64_t more, std::chrono::milliseconds timeout) {
  const uint64_t wanted = answered() + more;
  const auto deadline = Clock::now() + timeout;
  while (answered() < wanted) {
    if (Clock::now() > deadline || stop_) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

LoadReport Load::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  report_.answered = answered();
  connections_.clear();
  return report_;
}

LoadReport Load::Run(uint64_t commands) {
  sent_max_ = commands;
  Start();
  thread_.join();
  return Stop();
}

void Load::Fail(std::string what) {
  if (report_.failures.size() < kFailuresMax) report_.failures.push_back(std::move(what));
}

// A new batch once the last one is answered.
void Load::Refill(Connection& connection) {
  if (!connection.unanswered.empty() || connection.failed || stop_) return;
  auto depth =
      static_cast<uint64_t>(connection.depths() % static_cast<uint64_t>(options_.max_pipeline)) + 1;
  if (connection.depths() % 3 == 0) depth = 1;
  for (; depth > 0 && sent_ < sent_max_; --depth) {
    connection.unanswered.push_back(connection.commands.Next());
    connection.client.Send(connection.unanswered.back().args);
    ++sent_;
  }
  connection.client.Flush();
}

void Load::Check(Connection& connection, const Value& reply) {
  RandomCommand& command = connection.unanswered.front();
  const std::string& name = command.args.front();
  if (name == "MULTI") connection.multi_refused = !reply.ok();
  if (connection.multi_refused) command.replies = kAnyReply;
  if (name == "EXEC" || name == "DISCARD") connection.multi_refused = false;
  if (reply.kind == Value::Kind::kError) {
    ++report_.errors;
    ++report_.error_texts[reply.text.substr(0, 60)];
    if (options_.tolerated && options_.tolerated(reply.text)) {
      ++report_.tolerated_errors;
      return;
    }
  }
  if (!IsPlausible(command, reply)) Fail(Render(command.args) + " -> " + Render(reply));
}

void Load::Take(Connection& connection) {
  connection.client.Fill();
  Value reply;
  uint64_t taken = 0;
  while (!connection.failed && connection.client.Next(reply)) {
    if (connection.unanswered.empty()) {
      Fail("a reply that nobody asked for: " + Render(reply));
      connection.failed = true;
      break;
    }
    Check(connection, reply);
    connection.unanswered.pop_front();
    ++taken;
  }
  answered_ += taken;
  if (connection.client.lost() && !connection.failed) {
    connection.failed = true;
    if (options_.losable) return;
    Fail("lost a connection (" + connection.client.why_lost() + ") with " +
         std::to_string(connection.unanswered.size()) + " unanswered" +
         (connection.unanswered.empty() ? ""
                                        : ", first " + Render(connection.unanswered.front().args)));
  }
}

void Load::Loop() {
  const auto started = Clock::now();
  auto last_reply = started;
  uint64_t last_answered = 0;
  std::vector<pollfd> polled;
  while (true) {
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    const bool paced =
        options_.commands_per_second != 0 &&
        static_cast<double>(sent_) > seconds * static_cast<double>(options_.commands_per_second);
    polled.clear();
    bool waiting = false;
    for (const auto& connection : connections_) {
      if (!paced) Refill(*connection);
      const bool open = !connection->failed;
      waiting |= open && !connection->unanswered.empty();
      const int events = POLLIN | (connection->client.wants_write() ? POLLOUT : 0);
      polled.push_back({open ? connection->client.fd() : -1, static_cast<short>(events), 0});
    }
    const bool all_failed =
        std::ranges::all_of(connections_, [](const auto& c) { return c->failed; });
    if (all_failed || (!waiting && (stop_ || sent_ >= sent_max_))) break;
    ::poll(polled.data(), polled.size(), paced ? 1 : 50);
    for (size_t i = 0; i < polled.size(); ++i) {
      if ((polled[i].revents & POLLOUT) != 0) connections_[i]->client.Flush();
      if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Take(*connections_[i]);
    }
    if (answered_ != last_answered || !waiting) {
      last_answered = answered_;
      last_reply = Clock::now();
    } else if (Clock::now() - last_reply > kSilence) {
      for (const auto& connection : connections_) {
        if (connection->unanswered.empty()) continue;
        Fail("no reply for 30 s to " + Render(connection->unanswered.front().args));
      }
      break;
    }
  }
  stop_ = true;
}

std::string Describe(const LoadReport& report) {
  std::ostringstream out;
  out << report.answered << " answered, " << report.errors << " errors, " << report.tolerated_errors
      << " of them expected";
  for (const std::string& failure : report.failures) out << "\n  " << failure;
  return out.str();
}

}  // namespace crossfade::test
