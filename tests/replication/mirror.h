// Mirror: a replicator whose lanes and follower are played by hand. A test says
// what is sent and what the stores reply, and sees what the follower gets.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replication/replicator.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"
#include "routing/slot.h"

namespace crossfade::test {

using Lines = std::vector<std::string>;

class RecordedEvents final : public replication::ReplicatorEvents, public replication::GateWaiter {
 public:
  void OnDrift(replication::Drift reason, uint32_t db, std::string_view key) override {
    drifts.push_back(std::string(Name(reason)) + " " + std::to_string(db) + " " + std::string(key));
  }
  void OnShadow(const replication::ShadowObservation& observation) override {
    shadows.push_back(observation.result);
    shadow_key = observation.key;
    shadow_route = observation.route;
  }
  void OnSyncRefused(uint32_t db, std::string_view key, std::string_view) override {
    refused.push_back(std::to_string(db) + " " + std::string(key));
  }
  void OnCopyWanted(std::string_view reason) override { copies.emplace_back(reason); }
  void OnApplierMustReconnect(std::string_view reason) override { reconnects.emplace_back(reason); }
  void OnGateEntered(uint64_t ticket) override { entered.push_back(ticket); }

  Lines drifts, refused, copies, reconnects;
  std::vector<replication::ShadowResult> shadows;
  std::vector<uint64_t> entered;
  std::string shadow_key;
  uint32_t shadow_route = 0;
};

inline Lines Words(std::string_view line) {
  Lines words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

inline std::string Encoded(std::string_view line) {
  const Lines words = Words(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  std::string bytes;
  routing::AppendCommand(bytes, args);
  return bytes;
}

// Every command in `bytes`, as a line of words.
inline Lines Decoded(std::string_view bytes) {
  Lines lines;
  routing::RequestDecoder decoder;
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end &&
         decoder.Decode(p, end, INT64_MAX / 2) == routing::RequestDecoder::Outcome::kRequest) {
    std::string line;
    for (const std::string_view arg : decoder.args()) {
      if (!line.empty()) line += ' ';
      line += arg;
    }
    lines.push_back(line);
    p += decoder.length();
  }
  EXPECT_EQ(p, end) << "what is sent is not made of whole commands";
  return lines;
}

inline std::string Bulk(std::string_view text) {
  std::string frame;
  routing::AppendBulk(frame, text);
  return frame;
}

class Mirror {
 public:
  static constexpr uint64_t kMemory = uint64_t{64} << 20;

  // A write that has been sent on a lane.
  struct Sent {
    std::string bytes;
    replication::LaneId lane = 0;
    replication::WriteRecord record;
  };

  explicit Mirror(uint64_t memory = kMemory)
      : replicator(routing::CommandTable::Redis70(), events, memory) {}

  // Both stores are empty, and mirroring has begun.
  void GoLive() {
    replicator.SetUnfinished();
    replicator.FollowerReady();
    replicator.BeginCopy();
    replicator.FinishCopy();
    ASSERT_TRUE(replicator.live());
  }

  // Fills in the record as a lane does; several lines are a transaction. The
  // bytes of a `shared` one lie in a block, as those of a large request do.
  std::unique_ptr<Sent> Prepare(std::initializer_list<std::string_view> lines,
                                replication::LaneId lane = 0, uint32_t db = 0) {
    auto sent = std::make_unique<Sent>();
    sent->lane = lane;
    sent->record.db = db;
    std::vector<uint64_t> hashes;
    bool all = false;
    for (const std::string_view line : lines) {
      const Lines words = Words(line);
      const std::vector<std::string_view> args(words.begin(), words.end());
      const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(args);
      EXPECT_NE(spec, nullptr) << line;
      std::vector<routing::KeyPosition> positions;
      const routing::Keys keys = routing::ExtractKeys(*spec, args, positions);
      all = all || keys == routing::Keys::kAll;
      for (const routing::KeyPosition& key : positions) {
        hashes.push_back(routing::KeyHash(
            key.db == routing::kSameDb ? db : static_cast<uint32_t>(key.db), args[key.arg]));
      }
      sent->bytes += Encoded(line);
      sent->record.spec = lines.size() == 1 ? spec : nullptr;
    }
    sent->record.keys.Set(hashes, all);
    sent->record.request = sent->bytes;
    return sent;
  }
  std::unique_ptr<Sent> Send(std::string_view line, replication::LaneId lane = 0, uint32_t db = 0) {
    return SendPrepared(Prepare({line}, lane, db));
  }
  std::unique_ptr<Sent> SendPrepared(std::unique_ptr<Sent> sent) {
    EXPECT_TRUE(replicator.gate().TryEnter(sent->lane, sent->record.keys.gate()));
    replicator.BeginWrite(sent->record, {{}, sent->bytes}, now_us);
    return sent;
  }
  std::unique_ptr<Sent> SendShadow(std::string_view line, uint32_t db = 0) {
    auto sent = Prepare({line}, 0, db);
    sent->record.shadow = true;
    sent->record.route = 3;
    return SendPrepared(std::move(sent));
  }
  uint64_t Reply(Sent& sent, std::string_view reply, std::vector<int64_t> deadlines = {}) {
    sent.record.deadlines = std::move(deadlines);
    return replicator.FinishWrite(sent.lane, sent.record, reply, unix_ms);
  }
  // Sent and answered.
  uint64_t Do(std::string_view line, std::string_view reply, std::vector<int64_t> deadlines = {},
              uint32_t db = 0) {
    const auto sent = Send(line, 0, db);
    return Reply(*sent, reply, std::move(deadlines));
  }
  void Lose(Sent& sent) { replicator.LoseWrite(sent.lane, sent.record); }

  // What the follower gets now.
  Lines Feed() {
    std::vector<replication::Piece> pieces;
    replicator.Feed(pieces);
    std::string bytes;
    for (const replication::Piece& piece : pieces) {
      EXPECT_GE(piece.data, piece.block->data());
      EXPECT_LE(piece.data + piece.size, piece.block->data() + piece.block->capacity());
      bytes.append(piece.data, piece.size);
    }
    return Decoded(bytes);
  }
  void Follower(std::initializer_list<std::string_view> replies) {
    for (const std::string_view reply : replies) {
      replicator.OnFollowerReply(reply, now_us, unix_ms);
    }
  }
  // Fed, and answered with these.
  Lines Apply(std::initializer_list<std::string_view> replies) {
    Lines lines = Feed();
    Follower(replies);
    return lines;
  }

  // Which keys are to be read now, as "db name".
  Lines SyncsWanted() {
    Lines names;
    replication::KeyToSync key;
    while (replicator.NextSync(now_us, key)) {
      names.push_back(std::to_string(key.db) + " " + key.name);
      reading.push_back(key);
    }
    return names;
  }
  // The lane's reply for the next of them: the value, or that there is no key.
  uint64_t FinishSync(std::string_view value, int64_t expiry_ms = -1) {
    const replication::KeyToSync key = reading.front();
    reading.pop_front();
    const bool gone = value == kGone;
    replicator.FinishSync(key, gone ? "$-1\r\n" : Bulk(value),
                          ":" + std::to_string(gone ? -2 : expiry_ms) + "\r\n");
    return replicator.log().head_seq();
  }
  static constexpr std::string_view kGone = "(gone)";

  replication::ReadVerdict Read(std::string_view name, int64_t budget_us = 1'000'000,
                                uint64_t seen_seq = 0, uint64_t seen_intent = 0) const {
    const replication::Replicator::ReadKey key{name, routing::KeyHash(0, name)};
    return replicator.CheckRead(0, std::span(&key, 1), budget_us, seen_seq, seen_intent, now_us);
  }
  bool StillCounts(std::string_view name, uint64_t sent, uint64_t era) const {
    const replication::Replicator::ReadKey key{name, routing::KeyHash(0, name)};
    return replicator.ReadStillCounts(0, std::span(&key, 1), sent, era);
  }
  uint64_t Drift(replication::Drift reason) const {
    return replicator.counters().drift[static_cast<size_t>(reason)];
  }

  // Nothing is under way: then nothing may be counted as under way either.
  void ExpectQuiet() {
    EXPECT_TRUE(replicator.log().empty());
    EXPECT_EQ(replicator.log().bytes(), 0u);
    EXPECT_TRUE(replicator.stripes().Quiet());
    EXPECT_TRUE(replicator.intents().empty());
    EXPECT_EQ(replicator.intents().low_water(), replicator.intents().last());
    EXPECT_EQ(replicator.gate().in_flight(), 0u);
    EXPECT_EQ(replicator.gate().waiting(), 0u);
    EXPECT_EQ(replicator.syncs_under_way(), 0u);
    EXPECT_EQ(replicator.applied_seq(), replicator.log().head_seq());
    EXPECT_FALSE(replicator.AwaitsReply());
    EXPECT_TRUE(reading.empty());
  }
  // ... and every key is clean.
  void ExpectDrained() {
    ExpectQuiet();
    EXPECT_TRUE(replicator.dirty().empty());
    EXPECT_TRUE(replicator.Drained());
  }

  RecordedEvents events;
  replication::Replicator replicator;
  int64_t now_us = 1'000'000'000;
  int64_t unix_ms = 1'700'000'000'000;
  std::deque<replication::KeyToSync> reading;
};

}  // namespace crossfade::test
