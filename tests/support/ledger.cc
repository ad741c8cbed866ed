#include "tests/support/ledger.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <deque>

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSilence = std::chrono::seconds(30);
constexpr size_t kFailuresMax = 20;
constexpr int kStrings = 20;  // of each connection
constexpr int kShared = 3;    // hashes and counters of all
constexpr int kDepthMax = 20;

int64_t Number(const Value& value) {
  return value.kind == Value::Kind::kString ? std::strtoll(value.text.c_str(), nullptr, 10)
                                            : value.integer;
}

}  // namespace

struct Ledger::Connection {
  explicit Connection(int its_number) : number(its_number) {}
  int number;
  std::unique_ptr<PipelinedClient> client;
  bool selected = false;
  std::deque<Sent> unanswered;
  Clock::time_point last_try{};
};

Ledger::Ledger(uint64_t seed, int connections) : random_(seed), count_(connections) {}

Ledger::~Ledger() { Stop(); }

void Ledger::Start(uint16_t port, bool losable) {
  port_ = port;
  losable_ = losable;
  ++round_;
  lists_.clear();
  stop_ = false;
  for (int i = 0; i < count_; ++i) {
    connections_.push_back(std::make_unique<Connection>(i));
    Reconnect(*connections_.back());
  }
  thread_ = std::thread([this] { Loop(); });
}

void Ledger::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  connections_.clear();
}

void Ledger::Fail(std::string what) {
  if (failures_.size() < kFailuresMax) failures_.push_back(std::move(what));
}

void Ledger::Reconnect(Connection& connection) {
  connection.unanswered.clear();
  connection.selected = false;
  connection.last_try = Clock::now();
  connection.client = std::make_unique<PipelinedClient>(port_);
}

std::string Ledger::FieldOf(const std::string& key, int connection) const {
  return key + "/" + std::to_string(connection);
}

// A new batch once the last one is answered.
void Ledger::Refill(Connection& connection) {
  if (stop_ || connection.client->lost() || !connection.unanswered.empty()) return;
  if (!connection.selected) {
    connection.client->Send({"SELECT", std::to_string(kDb)});
    connection.unanswered.push_back({Kind::kSelect, "", 0});
    return;
  }
  const std::string own = std::to_string(connection.number);
  const auto pick = [this](int below) {
    return static_cast<int>(random_() % static_cast<uint64_t>(below));
  };
  const auto send = [&](Kind kind, const std::string& key, int64_t version, const Args& args) {
    connection.client->Send(args);
    connection.unanswered.push_back({kind, key, version});
  };
  for (int depth = pick(kDepthMax) + 1; depth > 0; --depth) {
    const std::string string = "string:" + own + ":" + std::to_string(pick(kStrings));
    const std::string shared = std::to_string(pick(kShared));
    switch (pick(8)) {
      case 0:
      case 1: {
        const int64_t version = ++strings_[string].sent;
        send(Kind::kSet, string, version, {"SET", string, std::to_string(version)});
        break;
      }
      case 2: {
        const std::string key = "hash:" + shared;
        const int64_t version = ++fields_[FieldOf(key, connection.number)].sent;
        send(Kind::kField, key, version, {"HSET", key, own, std::to_string(version)});
        break;
      }
      case 3:
        ++counts_["count:" + shared].sent;
        send(Kind::kCount, "count:" + shared, 1, {"INCR", "count:" + shared});
        break;
      case 4: {
        const std::string key = "list:" + own + ":" + std::to_string(round_);
        auto& list = lists_[key];
        const int64_t version = list.empty() ? 1 : list.rbegin()->first + 1;
        list[version] = false;
        send(Kind::kPush, key, version, {"RPUSH", key, std::to_string(version)});
        break;
      }
      case 5: {
        const std::string key = "pair:" + own;
        const int64_t version = ++strings_[key + ":a"].sent;
        strings_[key + ":b"].sent = version;
        send(Kind::kOther, "", 0, {"MULTI"});
        send(Kind::kOther, "", 0, {"SET", key + ":a", std::to_string(version)});
        send(Kind::kOther, "", 0, {"SET", key + ":b", std::to_string(version)});
        send(Kind::kPair, key, version, {"EXEC"});
        break;
      }
      default:
        send(Kind::kGet, string, 0, {"GET", string});
    }
  }
}

void Ledger::Judge(Connection& connection, const Sent& sent, const Value& reply) {
  if (!reply.ok()) return;  // its fate is not known, or it was refused
  switch (sent.kind) {
    case Kind::kSet:
      strings_[sent.key].acknowledged = sent.version;
      break;
    case Kind::kField:
      fields_[FieldOf(sent.key, connection.number)].acknowledged = sent.version;
      break;
    case Kind::kCount:
      ++counts_[sent.key].acknowledged;
      break;
    case Kind::kPush:
      if (const auto list = lists_.find(sent.key); list != lists_.end()) {
        list->second[sent.version] = true;
      }
      break;
    case Kind::kPair:
      if (reply.kind != Value::Kind::kArray || reply.elements.size() != 2) return;
      strings_[sent.key + ":a"].acknowledged = sent.version;
      strings_[sent.key + ":b"].acknowledged = sent.version;
      break;
    case Kind::kGet: {
      const Entry& entry = strings_[sent.key];
      const int64_t read = Number(reply);
      if (read < entry.acknowledged || read > entry.sent) {
        Fail("GET " + sent.key + " -> " + Render(reply) + ", acknowledged before: " +
             std::to_string(entry.acknowledged) + ", sent: " + std::to_string(entry.sent));
      }
      return;
    }
    case Kind::kSelect:
      connection.selected = true;
      return;
    case Kind::kOther:
      return;
  }
  ++acknowledged_;
}

void Ledger::Take(Connection& connection) {
  connection.client->Fill();
  Value reply;
  while (!connection.unanswered.empty() && connection.client->Next(reply)) {
    Judge(connection, connection.unanswered.front(), reply);
    connection.unanswered.pop_front();
  }
  if (connection.client->lost() && !losable_) {
    Fail("lost a connection: " + connection.client->why_lost());
  }
}

void Ledger::Loop() {
  auto last_reply = Clock::now();
  uint64_t last = acknowledged_;
  std::vector<pollfd> polled;
  while (true) {
    polled.clear();
    bool waiting = false;
    for (const auto& connection : connections_) {
      const bool lost = connection->client->lost();
      if (lost && !stop_ && Clock::now() - connection->last_try > std::chrono::milliseconds(10)) {
        Reconnect(*connection);
      }
      Refill(*connection);
      connection->client->Flush();
      const bool open = !connection->client->lost();
      waiting |= open && !connection->unanswered.empty();
      const int events = POLLIN | (connection->client->wants_write() ? POLLOUT : 0);
      polled.push_back({open ? connection->client->fd() : -1, static_cast<short>(events), 0});
    }
    if (stop_ && !waiting) return;
    ::poll(polled.data(), polled.size(), 5);
    for (size_t i = 0; i < polled.size(); ++i) {
      if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Take(*connections_[i]);
    }
    if (acknowledged_ != last || !waiting) {
      last = acknowledged_;
      last_reply = Clock::now();
    } else if (Clock::now() - last_reply > kSilence) {
      return Fail("nothing was acknowledged for 30 s");
    }
  }
}

std::vector<std::string> Ledger::Check(uint16_t store) const {
  std::vector<std::string> wrong;
  RedisClient client(store);
  client.Call({"SELECT", std::to_string(kDb)});
  const auto compare = [&wrong](const std::string& key, const Entry& entry, const Value& value) {
    const int64_t held = Number(value);
    if (value.ok() && held >= entry.acknowledged && held <= entry.sent) return;
    wrong.push_back(key + " is " + Render(value) + ", acknowledged " +
                    std::to_string(entry.acknowledged) + ", sent " + std::to_string(entry.sent));
  };
  for (const auto& [key, entry] : strings_) compare(key, entry, client.Call({"GET", key}));
  for (const auto& [key, entry] : counts_) compare(key, entry, client.Call({"GET", key}));
  for (const auto& [key, entry] : fields_) {
    const size_t slash = key.find('/');
    compare(key, entry, client.Call({"HGET", key.substr(0, slash), key.substr(slash + 1)}));
  }
  for (const auto& [key, versions] : lists_) {
    std::map<int64_t, bool> left = versions;
    int64_t before = 0;
    for (const Value& element : client.Call({"LRANGE", key, "0", "-1"}).elements) {
      const int64_t version = Number(element);
      if (version <= before || left.erase(version) == 0) {
        wrong.push_back(key + " has " + std::to_string(version) + " behind " +
                        std::to_string(before));
      }
      before = version;
    }
    for (const auto& [version, acknowledged] : left) {
      if (acknowledged) wrong.push_back(key + " lacks " + std::to_string(version));
    }
  }
  return wrong;
}

}  // namespace crossfade::test
