#include "proxy/backend/extra_keys.h"

#include <vector>

#include "proxy/mirror_events.h"
#include "routing/commands/reserved_keys.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kShown = 3;
constexpr int64_t kSoonMs = 5'000;

void AddExample(std::string& text, std::string_view name, uint32_t db) {
  text += (text.empty() ? "" : ", ") + Printable(name) + " (db " + std::to_string(db) + ")";
}

Result<bool> IsExtra(StoreClient& authority, StoreClient& follower, std::string_view name) {
  const auto known = authority.Command({"EXISTS", name});
  if (!known) return tl::unexpected(known.error());
  if ((*known)->integer > 0) return false;
  const auto left = follower.Command({"PTTL", name});
  if (!left) return tl::unexpected(left.error());
  return (*left)->integer == -1 || (*left)->integer > kSoonMs;
}

// Of one page; most of them are known, so all are asked for at once.
Status CountExtras(StoreClient& authority, StoreClient& follower, uint32_t db,
                   const std::vector<std::string_view>& names, ExtraKeys& extras) {
  if (names.empty()) return {};
  std::vector<std::string_view> question{"EXISTS"};
  question.insert(question.end(), names.begin(), names.end());
  const auto known = authority.Ask(question);
  if (!known) return tl::unexpected(known.error());
  if ((*known)->integer == static_cast<long long>(names.size())) return {};
  for (const std::string_view name : names) {
    const Result<bool> extra = IsExtra(authority, follower, name);
    if (!extra) return tl::unexpected(extra.error());
    if (*extra && ++extras.count <= kShown) AddExample(extras.examples, name, db);
  }
  return {};
}

std::vector<std::string_view> ClientNames(const redisReply& page) {
  std::vector<std::string_view> names;
  const redisReply& found = *page.element[1];
  for (size_t i = 0; i < found.elements; ++i) {
    const std::string_view name = TextOf(*found.element[i]);
    if (!routing::IsReserved(name)) names.push_back(name);
  }
  return names;
}

}  // namespace

Result<ExtraKeys> FindExtras(StoreClient& authority, StoreClient& follower,
                             const std::map<uint32_t, uint64_t>& follower_counts) {
  ExtraKeys extras;
  for (const auto& [db, keys] : follower_counts) {
    if (keys == 0) continue;
    const std::string number = std::to_string(db);
    for (StoreClient* store : {&authority, &follower}) {
      if (const auto selected = store->Command({"SELECT", number}); !selected) {
        return tl::unexpected(selected.error());
      }
    }
    std::string cursor = "0";
    do {
      const auto page = follower.Scan(cursor, "1000");
      if (!page) return tl::unexpected(page.error());
      cursor = TextOf(*(*page)->element[0]);
      const Status counted = CountExtras(authority, follower, db, ClientNames(**page), extras);
      if (!counted) return tl::unexpected(counted.error());
    } while (cursor != "0");
  }
  return extras;
}

std::string Examples(StoreClient& store, const std::map<uint32_t, uint64_t>& counts) {
  std::string text;
  size_t shown = 0;
  for (const auto& [db, keys] : counts) {
    if (keys == 0 || shown == kShown || !store.Command({"SELECT", std::to_string(db)})) continue;
    const Result<StoreClient::Reply> page = store.Scan("0", "100");
    if (!page) break;
    for (const std::string_view name : ClientNames(**page)) {
      if (shown++ < kShown) AddExample(text, name, db);
    }
  }
  return text.empty() ? "(none can be shown)" : text;
}

}  // namespace crossfade::proxy
