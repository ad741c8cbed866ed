#include "tests/support/store_compare.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

namespace crossfade::test {
namespace {

constexpr int64_t kAboutToExpireMs = 1500;
constexpr size_t kHllHeaderBytes = 16;
constexpr size_t kHllCacheAt = 8;

bool Before(const Value& a, const Value& b) {
  if (a.text != b.text) return a.text < b.text;
  return std::lexicographical_compare(a.elements.begin(), a.elements.end(), b.elements.begin(),
                                      b.elements.end(), &Before);
}

// A flat list of names and values as a list of pairs, sorted.
Value SortedPairs(Value flat) {
  if (flat.kind != Value::Kind::kArray) return flat;
  Value pairs{Value::Kind::kArray, "", 0, {}};
  for (size_t i = 0; i + 1 < flat.elements.size(); i += 2) {
    pairs.elements.push_back(
        {Value::Kind::kArray, "", 0, {flat.elements[i], flat.elements[i + 1]}});
  }
  std::sort(pairs.elements.begin(), pairs.elements.end(), &Before);
  return pairs;
}

Value Sorted(Value list) {
  std::sort(list.elements.begin(), list.elements.end(), &Before);
  return list;
}

Value WithScoresAsDoubles(Value flat) {
  for (size_t i = 1; i < flat.elements.size(); i += 2) {
    char text[40];
    // A small sorted set keeps no sign of a zero: -0 and 0 are one score in two encodings.
    const double score = std::strtod(flat.elements[i].text.c_str(), nullptr) + 0.0;
    std::snprintf(text, sizeof text, "%.17g", score);
    flat.elements[i].text = text;
  }
  return SortedPairs(std::move(flat));
}

Value WithoutHllCache(Value string) {
  if (string.text.size() >= kHllHeaderBytes && string.text.rfind("HYLL", 0) == 0) {
    std::fill_n(string.text.begin() + kHllCacheAt, kHllHeaderBytes - kHllCacheAt, '\0');
  }
  return string;
}

Value Field(const Value& flat, const std::string& name) {
  for (size_t i = 0; i + 1 < flat.elements.size(); i += 2) {
    if (flat.elements[i].text == name) return flat.elements[i + 1];
  }
  return {};
}

// Groups without what reads change and no effect carries: consumers' idle times
// and delivery counts.
Value StreamGroups(RedisClient& client, const std::string& key, Groups compared) {
  Value groups{Value::Kind::kArray, "", 0, {}};
  for (const Value& info : client.Call({"XINFO", "GROUPS", key}).elements) {
    Value group{Value::Kind::kArray, "", 0, {}};
    for (const char* field : {"name", "last-delivered-id", "pending"}) {
      group.elements.push_back(Field(info, field));
    }
    const bool whole = compared == Groups::kWhole;
    if (whole) group.elements.push_back(Field(info, "entries-read"));
    const std::string name = Field(info, "name").text;
    for (const Value& entry : client.Call({"XPENDING", key, name, "-", "+", "1000000"}).elements) {
      group.elements.push_back(entry.elements.at(0));
      group.elements.push_back(entry.elements.at(1));
    }
    for (const Value& consumer : client.Call({"XINFO", "CONSUMERS", key, name}).elements) {
      if (!whole && Field(consumer, "pending").integer == 0) continue;
      group.elements.push_back(Field(consumer, "name"));
    }
    groups.elements.push_back(group);
  }
  return groups;
}

Value StreamState(RedisClient& client, const std::string& key, Groups groups) {
  Value state{Value::Kind::kArray, "stream", 0, {}};
  const Value info = client.Call({"XINFO", "STREAM", key});
  for (const char* field : {"last-generated-id", "entries-added", "max-deleted-entry-id"}) {
    state.elements.push_back(Field(info, field));
  }
  state.elements.push_back(StreamGroups(client, key, groups));
  state.elements.push_back(client.Call({"XRANGE", key, "-", "+"}));
  return state;
}

// What the proxy keeps there for itself.
bool IsProxys(const std::string& name) {
  return name == "crossfade:owner" || name == "crossfade:tenure" || name == "crossfade:wait";
}

using Key = std::pair<int, std::string>;

std::set<Key> AllKeys(RedisClient& client) {
  std::set<Key> keys;
  std::istringstream keyspace(client.Call({"INFO", "keyspace"}).text);
  for (std::string line; std::getline(keyspace, line);) {
    int db = 0;
    if (std::sscanf(line.c_str(), "db%d:", &db) != 1) continue;
    client.Call({"SELECT", std::to_string(db)});
    std::string cursor = "0";
    do {
      const Value page = client.Call({"SCAN", cursor, "COUNT", "1000"});
      if (page.elements.size() != 2) break;
      cursor = page.elements[0].text;
      for (const Value& key : page.elements[1].elements) {
        if (!IsProxys(key.text)) keys.emplace(db, key.text);
      }
    } while (cursor != "0");
  }
  return keys;
}

}  // namespace

size_t CountKeys(uint16_t port) {
  RedisClient client(port);
  return AllKeys(client).size();
}

namespace {

struct KeyState {
  std::string type;
  int64_t expires_at_ms = -2;
  Value value;
};

KeyState ReadKey(RedisClient& client, const Key& key, Groups groups) {
  client.Call({"SELECT", std::to_string(key.first)});
  KeyState state;
  state.expires_at_ms = client.Call({"PEXPIRETIME", key.second}).integer;
  state.type = client.Call({"TYPE", key.second}).text;
  state.value = CanonicalValue(client, key.second, groups);
  return state;
}

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Where the two values part, so that long ones can be told apart.
std::pair<std::string, std::string> Abbreviate(const Value& a, const Value& b) {
  std::string left = Render(a, 1 << 20);
  std::string right = Render(b, 1 << 20);
  const size_t same = static_cast<size_t>(
      std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin());
  const size_t from = same > 60 ? same - 60 : 0;
  return {(from > 0 ? "..." : "") + left.substr(std::min(from, left.size()), 200),
          (from > 0 ? "..." : "") + right.substr(std::min(from, right.size()), 200)};
}

// The latest deadline of either side when it is near enough to make a
// comparison now meaningless, else 0.
int64_t NearDeadline(const KeyState& a, const KeyState& b) {
  const int64_t horizon = NowMs() + kAboutToExpireMs;
  int64_t near = 0;
  for (const KeyState* state : {&a, &b}) {
    if (state->expires_at_ms >= 0 && state->expires_at_ms < horizon) {
      near = std::max(near, state->expires_at_ms);
    }
  }
  return near;
}

void Judge(const Key& key, const KeyState& a, const KeyState& b, int tolerance_ms,
           StoreComparison& out) {
  Difference difference{key.first, key.second, "", "", ""};
  std::tie(difference.a, difference.b) = Abbreviate(a.value, b.value);
  if (a.value.kind == Value::Kind::kLost || b.value.kind == Value::Kind::kLost) {
    difference.what = "unreadable";
  } else if (a.type == "none" || b.type == "none") {
    if (a.type == b.type) return;
    difference.what = b.type == "none" ? "missing" : "extra";
  } else if (a.type != b.type) {
    difference.what = "type";
  } else if (!(a.value == b.value)) {
    difference.what = "value";
  } else if ((a.expires_at_ms < 0) != (b.expires_at_ms < 0) ||
             std::abs(a.expires_at_ms - b.expires_at_ms) > tolerance_ms) {
    difference.what = "expiry";
    difference.a = std::to_string(a.expires_at_ms);
    difference.b = std::to_string(b.expires_at_ms);
  }
  ++out.keys_compared;
  if (!difference.what.empty()) out.differences.push_back(std::move(difference));
}

}  // namespace

Value CanonicalValue(RedisClient& client, const std::string& key, Groups groups) {
  const std::string type = client.Call({"TYPE", key}).text;
  if (type == "string") return WithoutHllCache(client.Call({"GET", key}));
  if (type == "list") return client.Call({"LRANGE", key, "0", "-1"});
  if (type == "set") return Sorted(client.Call({"SMEMBERS", key}));
  if (type == "hash") return SortedPairs(client.Call({"HGETALL", key}));
  if (type == "zset") {
    return WithScoresAsDoubles(client.Call({"ZRANGE", key, "0", "-1", "WITHSCORES"}));
  }
  if (type == "stream") return StreamState(client, key, groups);
  if (type == "none") return {};
  if (!client.connected()) return {Value::Kind::kLost, "while reading " + key, 0, {}};
  return client.Call({"DUMP", key});
}

// Keys whose dumps and deadlines are the same are counted and taken out: most are.
void TakeOutEqual(RedisClient& a, RedisClient& b, int tolerance_ms, std::set<Key>& keys,
                  StoreComparison& out) {
  constexpr size_t kAtOnce = 256;
  for (auto it = keys.begin(); it != keys.end();) {
    const auto first = it;
    size_t count = 0;
    for (; it != keys.end() && it->first == first->first && count < kAtOnce; ++it) ++count;
    for (RedisClient* client : {&a, &b}) {
      client->Call({"SELECT", std::to_string(first->first)});
      for (auto key = first; key != it; ++key) {
        client->Send({"DUMP", key->second});
        client->Send({"PEXPIRETIME", key->second});
      }
    }
    for (auto key = first; key != it;) {
      const Value left = a.Read(), right = b.Read();
      const int64_t left_ms = a.Read().integer, right_ms = b.Read().integer;
      const bool near = std::max(left_ms, right_ms) >= 0 &&
                        std::min(left_ms, right_ms) < NowMs() + kAboutToExpireMs;
      const bool lasting = left_ms == -1 && right_ms == -1;
      const bool equal = left.kind == Value::Kind::kString && left == right &&
                         (lasting || (!near && std::abs(left_ms - right_ms) <= tolerance_ms));
      out.keys_compared += equal ? 1 : 0;
      key = equal ? keys.erase(key) : std::next(key);
    }
  }
}

StoreComparison CompareStores(uint16_t port_a, uint16_t port_b, int expiry_tolerance_ms,
                              Groups groups) {
  RedisClient a(port_a);
  RedisClient b(port_b);
  StoreComparison comparison;
  if (!a.connected() || !b.connected()) {
    comparison.differences.push_back({0, "", "unreadable", a.connected() ? "" : "no connection",
                                      b.connected() ? "" : "no connection"});
    return comparison;
  }
  std::set<Key> keys = AllKeys(a);
  keys.merge(AllKeys(b));
  TakeOutEqual(a, b, expiry_tolerance_ms, keys, comparison);
  while (!keys.empty()) {
    std::set<Key> again;
    int64_t wait_until = 0;
    for (const Key& key : keys) {
      const KeyState left = ReadKey(a, key, groups);
      const KeyState right = ReadKey(b, key, groups);
      const int64_t near = NearDeadline(left, right);
      if (near != 0) {
        again.insert(key);
        wait_until = std::max(wait_until, near + expiry_tolerance_ms + 1);
      } else {
        Judge(key, left, right, expiry_tolerance_ms, comparison);
      }
    }
    keys.swap(again);
    if (!keys.empty())
      ::poll(nullptr, 0, static_cast<int>(std::max<int64_t>(wait_until - NowMs(), 1)));
  }
  return comparison;
}

std::string Describe(const StoreComparison& comparison) {
  std::ostringstream out;
  out << comparison.differences.size() << " differences in " << comparison.keys_compared << " keys";
  for (size_t i = 0; i < std::min<size_t>(comparison.differences.size(), 10); ++i) {
    const Difference& d = comparison.differences[i];
    out << "\n  db " << d.db << " " << d.key << ": " << d.what << "\n    a: " << d.a
        << "\n    b: " << d.b;
  }
  return out.str();
}

}  // namespace crossfade::test
