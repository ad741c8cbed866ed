// A verification that found a difference of every kind, and the folder that it goes to.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "proxy/artifacts/verify_run.h"

namespace crossfade::proxy {

inline constexpr int64_t kSomeMs = 1'769'860'800'042;  // 2026-01-31T12:00:00.042Z

class TemporaryDir {
 public:
  TemporaryDir() {
    path_ = (std::filesystem::temp_directory_path() / "crossfade_runs_XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void Overwrite(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline RunFacts SampleFacts() {
  RunFacts facts;
  facts.plan_digest = std::string(64, 'd');
  facts.plan_epoch = 3;
  facts.stage = "ramp";
  facts.authority = {"legacy", "10.0.0.1:6379", "6.2.1", "run-a"};
  facts.follower = {"new", "10.0.0.2:6379", "7.0.15", "run-b"};
  return facts;
}

inline replication::Difference SampleDifference(int i) {
  replication::Difference difference;
  difference.db = static_cast<uint32_t>(i);
  difference.key = std::string("a|`<b>\0\xff", 8) + std::to_string(i);
  difference.kind = static_cast<replication::DifferenceKind>(i % 5);
  if (difference.kind != replication::DifferenceKind::kExtra) {
    difference.authority = {true, replication::KeyType::kHash, 0xabcdef, 17, kSomeMs + 5};
  }
  if (difference.kind != replication::DifferenceKind::kMissing) {
    difference.follower = {true, replication::KeyType::kNone, 0x123456, 2'000, -1};
  }
  return difference;
}

inline Delta SampleDelta(int i, DeltaAction action) {
  return {7, kSomeMs + 100 + i, action, SampleDifference(i)};
}

inline VerifyReport SamplePass() {
  VerifyReport pass;
  pass.id = 7;
  pass.state = PassState::kRunning;
  pass.started_unix_ms = kSomeMs;
  return pass;
}

// Ended: `differences` of 100 keys differ, in equal parts of each kind.
inline VerifyReport EndedPass(VerifyReport pass, uint64_t differences) {
  using replication::VerifyResult;
  pass.state = PassState::kDone;
  pass.ended_unix_ms = pass.started_unix_ms + 2'000;
  pass.keys_walked = 210;
  pass.keys_selected = 105;
  pass.counters.results[static_cast<size_t>(VerifyResult::kMatched)] = 100 - differences;
  pass.counters.results[static_cast<size_t>(VerifyResult::kDiffered)] = differences;
  pass.counters.results[static_cast<size_t>(VerifyResult::kTooBig)] = 3;
  for (uint64_t& kind : pass.counters.kinds) kind = differences / pass.counters.kinds.size();
  return pass;
}

// A whole run's folder.
inline std::string WriteSampleRun(const std::string& dir, int differences) {
  VerifyReport pass = SamplePass();
  auto run = VerifyRun::Begin(dir, pass, SampleFacts());
  EXPECT_TRUE(run) << run.error().message;
  if (!run) return "";
  for (int i = 0; i < differences; ++i) {
    EXPECT_TRUE((*run)->Take(SampleDelta(i, DeltaAction::kFound)));
  }
  const auto path = (*run)->End(EndedPass(pass, static_cast<uint64_t>(differences)), SampleFacts());
  EXPECT_TRUE(path) << path.error().message;
  return path.value_or("");
}

}  // namespace crossfade::proxy
