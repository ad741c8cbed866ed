// Session: the client's part.
#include <algorithm>

#include "routing/commands/keys.h"
#include "routing/resp/reply.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

constexpr size_t kPipeline = 5;  // commands that a client has unanswered at most

}  // namespace

Session::Session(Worker& worker, uint64_t id)
    : worker_(worker), process_(worker.process()), env_(process_.world.env), id_(id) {
  budget_us_ = env_.random.Pick<int64_t>({0, 0, 0, 2'000, 20'000, 200'000});
}

void Session::Begin() { Think(); }

void Session::Think() {
  process_.After(env_.random.Between(1, process_.world.config.think_us), [this] {
    if (!process_.world.busy) return;
    SendCommands();
    Think();
  });
}

void Session::SendCommands() {
  World& world = process_.world;
  if (env_.random.OneIn(2'000)) Disconnect();
  if (world.config.dbs > 1 && env_.random.OneIn(40)) {
    Issue select;
    select.commands = {env_.random.OneIn(2) ? "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n"
                                            : "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"};
    input_.push_back(std::move(select));
  }
  for (uint64_t n = env_.random.Pick<uint64_t>({1, 1, 2, 3}); n > 0; --n) {
    if (input_.size() + issued_.size() >= kPipeline) break;
    Issue issue;
    issue.commands = NextCommands(world, world.uid());
    ++world.counts.commands;
    input_.push_back(std::move(issue));
  }
  Pump();
}

std::string Session::Describe() const {
  std::string text = "session " + std::to_string(id_) + " paused " + std::to_string(paused_) +
                     " in flight " + std::to_string(in_flight_);
  if (!input_.empty()) text += " next " + Printable(input_.front().commands[0]);
  if (!issued_.empty()) text += " awaits " + Printable(issued_.front().commands[0]);
  return text;
}

void Session::TakeReply(std::string_view frame) {
  --in_flight_;
  const Issue issue = std::move(issued_.front());
  issued_.pop_front();
  if (!issue.failed) Judge(issue, frame);
}

void Session::ForEachKey(const Issue& issue, const std::function<void(const KeyId&)>& f) const {
  std::vector<std::string_view> args;
  std::vector<routing::KeyPosition> positions;
  for (const std::string& command : issue.commands) {
    SplitRequest(command, args);
    routing::ExtractKeys(*routing::CommandTable::Redis70().Find(args), args, positions);
    for (const routing::KeyPosition& key : positions) {
      const uint32_t db = key.db == routing::kSameDb ? issue.db : static_cast<uint32_t>(key.db);
      f({db, std::string(args[key.arg])});
    }
  }
}

// What the client has been told, it must not be told older things than.
void Session::Judge(const Issue& issue, std::string_view frame) {
  ++process_.world.counts.checked;
  if (issue.on_follower) return JudgeFollowerRead(issue, frame);
  const History& history = process_.world.history;
  ForEachKey(issue, [&](const KeyId& key) {
    const size_t version = history.VersionAt(key, issue.stamp);
    size_t& floor = floors_[key];
    if (version < floor) {
      env_.Violation("session " + std::to_string(id_) + " went back on " + key.name +
                     " by the authority's reply to " + Printable(issue.commands[0]));
    }
    floor = std::max(floor, version);
  });
}

void Session::JudgeFollowerRead(const Issue& issue, std::string_view frame) {
  if (issue.amnesty || process_.world.authority_forgot) return;
  std::vector<std::string_view> args;
  SplitRequest(issue.commands[0], args);
  if (args[0] != "MGET") return JudgeKey(issue, {issue.db, std::string(args[1])}, args, frame);
  const char* p = frame.data();
  routing::ReadHead(p, p + frame.size());
  std::string_view rest(p, static_cast<size_t>(frame.data() + frame.size() - p));
  for (size_t i = 1; i < args.size(); ++i) {
    const std::string_view element = routing::FirstValue(rest);
    rest.remove_prefix(element.size());
    JudgeKey(issue, {issue.db, std::string(args[i])}, {}, element);
  }
}

void Session::JudgeKey(const Issue& issue, const KeyId& key, Args args, std::string_view reply) {
  const World& world = process_.world;
  const History& history = world.history;
  size_t& floor = floors_[key];
  ReadSeen read{key, args, reply, issue.sent_us - issue.budget_us, floor};
  if (issue.budget_us == 0) {
    read.from_version = std::max(floor, history.VersionAt(key, issue.sent_stamp));
  }
  const std::optional<size_t> found = history.Find(read, world.ToleranceMs());
  const std::string what = "follower read by session " + std::to_string(id_) + " of db" +
                           std::to_string(key.db) + " " + Printable(issue.commands[0]) +
                           ", budget " + std::to_string(issue.budget_us) + ", sent at " +
                           std::to_string(issue.sent_us) + "us #" +
                           std::to_string(issue.sent_stamp) + ", gave " + Printable(reply);
  if (!found) {
    ReadSeen old = read;
    old.from_us = 0;
    old.from_version = 0;
    const bool stale = history.Find(old, world.ToleranceMs()).has_value();
    return env_.Violation((stale ? "too old a " : "never true: ") + what + ", session had seen " +
                          std::to_string(floor) + "; versions:" + history.Show(key, 6));
  }
  for (size_t version = 1; version <= *found; ++version) {
    const uint64_t tag = history.VersionsOf(key)[version - 1].tag;
    if (tag >> 32 != id_ || (tag & 0xFFFFFFFF) <= issue.number) continue;
    return env_.Violation("before its time: " + what + "; versions:" + history.Show(key, 6));
  }
  floor = std::max(floor, *found);
}

}  // namespace crossfade::sim
