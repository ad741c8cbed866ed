#include "proxy/mirror_events.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "proxy/core.h"

namespace crossfade::proxy {
namespace {

constexpr uint32_t kLinesPerSecond = 10;
constexpr size_t kShownBytes = 120;

int64_t SecondNow() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string Printable(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      text += c;
    } else {
      text += "\\x";
      text += kHex[byte >> 4];
      text += kHex[byte & 15];
    }
  }
  if (bytes.size() > kShownBytes) text += "…";
  return text;
}

bool MirrorEvents::LogPacer::Allow(uint64_t& held_back) {
  const int64_t now = SecondNow();
  if (now != second_) {
    second_ = now;
    lines_ = 0;
  }
  if (lines_ >= kLinesPerSecond) {
    ++held_back_;
    return false;
  }
  ++lines_;
  held_back = held_back_;
  held_back_ = 0;
  return true;
}

void MirrorEvents::OnDrift(replication::Drift reason, uint32_t db, std::string_view key) {
  uint64_t held_back = 0;
  if (!spdlog::should_log(spdlog::level::debug) || !drift_log_.Allow(held_back)) return;
  spdlog::debug("key becomes dirty db={} key=\"{}\" reason={} not_logged={}", db, Printable(key),
                replication::Name(reason), held_back);
}

void MirrorEvents::OnShadow(const replication::ShadowObservation& observation) {
  if (observation.route >= shadow_.size()) shadow_.resize(observation.route + 1);
  ++shadow_[observation.route].by_result[static_cast<size_t>(observation.result)];
  uint64_t held_back = 0;
  if (observation.result != replication::ShadowResult::kMismatched ||
      !shadow_log_.Allow(held_back)) {
    return;
  }
  spdlog::warn(
      "shadow read differs db={} key=\"{}\" command={} authority_digest={:016x} "
      "follower_digest={:016x} reason=value not_logged={}",
      observation.db, Printable(observation.key), Printable(observation.command),
      observation.authority_digest, observation.follower_digest, held_back);
}

void MirrorEvents::OnSyncRefused(uint32_t db, std::string_view key, std::string_view error) {
  uint64_t held_back = 0;
  if (!refused_log_.Allow(held_back)) return;
  spdlog::warn(
      "the follower refused a key's state; it is tried again db={} key=\"{}\" error=\"{}\" "
      "not_logged={}",
      db, Printable(key), Printable(error), held_back);
}

void MirrorEvents::OnQuarantined(uint32_t db, std::string_view key, std::string_view error) {
  uint64_t held_back = 0;
  if (!quarantine_log_.Allow(held_back)) return;
  spdlog::warn(
      "a key is quarantined: the follower does not take it; see crossfade quarantine list db={} "
      "key=\"{}\" error=\"{}\" not_logged={}",
      db, Printable(key), Printable(error), held_back);
}

void MirrorEvents::OnSyncFormRefused(uint32_t db, std::string_view key,
                                     replication::SyncForm refused, std::string_view error) {
  uint64_t held_back = 0;
  if (!refused_log_.Allow(held_back)) return;
  const bool dump = refused == replication::SyncForm::kDump;
  spdlog::info("{} db={} key=\"{}\" error=\"{}\" not_logged={}",
               dump ? "the follower does not take a key's dump; it is built by ordinary commands"
                    : "a key can't be built by ordinary commands; its dump is given",
               db, Printable(key), Printable(error), held_back);
}

void MirrorEvents::OnCopyWanted(std::string_view reason) {
  copy_reason_ = reason;
  copy_wanted.store(true);
  spdlog::warn("the follower leaves live and will be copied again reason=\"{}\"", reason);
}

void MirrorEvents::OnPartitionsLeft(size_t partitions, size_t keys) {
  spdlog::warn(
      "more keys are dirty than can be kept: partitions leave live and are copied again "
      "partitions={} keys={}",
      partitions, keys);
}

void MirrorEvents::OnApplierMustReconnect(std::string_view reason) {
  applier_must_reconnect.store(true);
  core_.feed_wanted.store(true);
  spdlog::warn("the applier's connection is made anew reason=\"{}\"", reason);
}

void MirrorEvents::OnLibraryRefused(std::string_view error) {
  ++libraries_refused_;
  uint64_t held_back = 0;
  if (!refused_log_.Allow(held_back)) return;
  spdlog::warn(
      "the follower refused a change of function libraries; calls of their functions are copied "
      "key by key error=\"{}\" not_logged={}",
      Printable(error), held_back);
}

}  // namespace crossfade::proxy
