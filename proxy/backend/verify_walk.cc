// Verifier: walking a store's keys.
#include <algorithm>

#include "proxy/backend/verifier.h"
#include "routing/commands/reserved_keys.h"
#include "routing/policy/sampling.h"
#include "routing/resp/encode.h"
#include "routing/slot.h"

namespace crossfade::proxy {
namespace {

constexpr uint64_t kPageMax = 1'000;
constexpr uint64_t kPageMin = 10;

constexpr std::chrono::milliseconds kConnectTimeout{1'000};
constexpr std::chrono::milliseconds kRetryEvery{100};
constexpr uint32_t kFailuresMax = 100;

// What stands in a pattern for the prefix itself.
std::string PatternOf(std::string_view prefix) {
  if (prefix.empty()) return "";
  std::string pattern;
  for (const char c : prefix) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "*";
}

// Small pages where few keys are read in a second.
std::string PageOf(uint64_t keys_per_second) {
  if (keys_per_second == 0) return std::to_string(kPageMax);
  return std::to_string(std::clamp(keys_per_second / 10, kPageMin, kPageMax));
}

Status SelectIn(StoreClient& store, uint32_t db) {
  const auto selected = store.Command({"SELECT", std::to_string(db)});
  if (selected) return {};
  return Fail("db " + std::to_string(db) + ": " + selected.error().message);
}

}  // namespace

// The same keys on both walks of a pass.
bool Verifier::Selected(const Pass& pass, uint32_t db, std::string_view name) const {
  const VerifyOptions& options = pass.report.options;
  if (routing::IsReserved(name) || !name.starts_with(options.prefix)) return false;
  if (options.sample >= config::kFullShare) return true;
  return routing::Sampler(routing::KeyHash(db, name) ^ pass.seed).Take(options.sample);
}

Result<Verifier::Stores> Verifier::Connect() {
  Result<StoreClient> authority =
      StoreClient::Connect(core_.authority(), kConnectTimeout, interrupt_);
  if (!authority) return Fail("the legacy store: " + authority.error().message);
  Result<StoreClient> follower =
      StoreClient::Connect(core_.follower(), kConnectTimeout, interrupt_);
  if (!follower) return Fail("the new store: " + follower.error().message);
  return Stores{std::move(*authority), std::move(*follower)};
}

Status Verifier::Reconnect(Pass& pass, Stores& stores, uint32_t db, const Error& error) {
  std::string why = error.message;
  while (++pass.failures < kFailuresMax) {
    if (!Sleep(kRetryEvery)) return Fail("stopped");
    if (const Status go_on = MayGoOn(pass); !go_on) return go_on;
    Result<Stores> again = Connect();
    Status selected =
        again ? SelectIn(again->authority, db) : Status(tl::unexpected(again.error()));
    if (selected) selected = SelectIn(again->follower, db);
    if (!selected) {
      why = selected.error().message;
      continue;
    }
    stores = std::move(*again);
    return {};
  }
  return Fail(why);
}

Status Verifier::Walk(Pass& pass, Stores& stores, bool follower) {
  const auto counts = (follower ? stores.follower : stores.authority).CountKeys();
  if (!counts) return Fail(counts.error().message);
  for (const auto& [db, keys] : *counts) {
    if (keys == 0) continue;
    for (StoreClient* store : {&stores.authority, &stores.follower}) {
      if (const Status selected = SelectIn(*store, db); !selected) return selected;
    }
    if (const Status done = WalkDb(pass, stores, db, follower); !done) return done;
  }
  return {};
}

Status Verifier::WalkDb(Pass& pass, Stores& stores, uint32_t db, bool follower) {
  const std::string pattern = PatternOf(pass.report.options.prefix);
  std::vector<std::string_view> names;
  std::string cursor = "0";
  while (true) {
    LookAtClocks(pass, stores);
    StoreClient& walked = follower ? stores.follower : stores.authority;
    const auto page = walked.Scan(cursor, PageOf(pass.report.options.keys_per_second), pattern);
    Status known;
    names.clear();
    for (size_t i = 0; page && i < (*page)->element[1]->elements; ++i) {
      const std::string_view name = TextOf(*(*page)->element[1]->element[i]);
      if (Selected(pass, db, name)) names.push_back(name);
    }
    const size_t selected = names.size();
    if (page && follower) known = KeepUnknown(stores.authority, names);
    if (!page || !known) {  // the same page once more
      const Error error = page ? known.error() : page.error();
      if (const Status again = Reconnect(pass, stores, db, error); !again) return again;
      continue;
    }
    pass.failures = 0;
    pass.report.keys_walked += (*page)->element[1]->elements;
    if (const Status handed = HandIn(pass, db, names); !handed) return handed;
    const uint64_t rate = pass.report.options.keys_per_second;
    if (const Status paced = Pace(pass, selected, rate); !paced) return paced;
    cursor = TextOf(*(*page)->element[0]);
    if (cursor == "0") return {};
  }
}

// Most often the authority has them all: one question tells.
Status Verifier::KeepUnknown(StoreClient& authority, std::vector<std::string_view>& names) {
  if (names.empty()) return {};
  std::vector<std::string_view> question{"EXISTS"};
  question.insert(question.end(), names.begin(), names.end());
  const auto count = authority.Ask(question);
  if (!count) return Fail("EXISTS: " + count.error().message);
  if ((*count)->type != REDIS_REPLY_INTEGER) return Fail("EXISTS: " + std::string(TextOf(**count)));
  if ((*count)->integer == static_cast<int64_t>(names.size())) {
    names.clear();
    return {};
  }
  std::string requests;
  for (const std::string_view name : names) routing::AppendCommand(requests, {"EXISTS", name});
  const auto replies = authority.AskAll(requests, names.size());
  if (!replies) return Fail("EXISTS: " + replies.error().message);
  std::vector<std::string_view> unknown;
  for (size_t i = 0; i < names.size(); ++i) {
    if ((*replies)[i]->integer == 0) unknown.push_back(names[i]);
  }
  names.swap(unknown);
  return {};
}

// Keys that are no more on either side are on no walk.
Status Verifier::HandInOldSuspects(Pass& pass) {
  if (!pass.report.options.Full()) return {};
  std::vector<std::pair<uint32_t, std::string>> suspects;
  {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.verification().suspects.ForEachOlder(
        [&](uint32_t db, std::string_view name) { suspects.emplace_back(db, name); });
  }
  for (const auto& [db, name] : suspects) {
    if (const Status handed = HandIn(pass, db, {name}); !handed) return handed;
  }
  return Settle(pass);
}

}  // namespace crossfade::proxy
