// Dump: the whole state of a server in canonical text, read through hiredis, so
// that it shares no code with what is under test. Left out: delivery times and
// counts of streams' pending entries, how values are stored, HyperLogLog's cache.
#pragma once

#include <hiredis/hiredis.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::test {

inline int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Dumper {
 public:
  struct Key {
    std::string state;
    long long expires_ms = -1;
    bool operator==(const Key&) const = default;
  };
  // By "db/name".
  using State = std::map<std::string, Key>;

  explicit Dumper(uint16_t port) : context_(redisConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) std::abort();
  }
  ~Dumper() { redisFree(context_); }
  Dumper(const Dumper&) = delete;
  Dumper& operator=(const Dumper&) = delete;

  State Take() {
    State state;
    for (int db = 0; db < 2; ++db) {
      Send({"SELECT", std::to_string(db)});
      Send({"KEYS", "*"});
      Receive();
      const Reply keys = Receive();
      std::vector<std::string> names;
      for (size_t i = 0; i < keys->elements; ++i) names.push_back(Text(keys->element[i]));
      TakeKeys(names, std::to_string(db) + "/", state);
    }
    return state;
  }

 private:
  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  void Send(const std::vector<std::string>& args) {
    std::vector<const char*> argv;
    std::vector<size_t> lengths;
    for (const std::string& arg : args) {
      argv.push_back(arg.data());
      lengths.push_back(arg.size());
    }
    redisAppendCommandArgv(context_, static_cast<int>(argv.size()), argv.data(), lengths.data());
  }
  Reply Receive() {
    void* reply = nullptr;
    if (redisGetReply(context_, &reply) != REDIS_OK) std::abort();
    return Reply(static_cast<redisReply*>(reply));
  }
  static std::string Text(const redisReply* reply) { return std::string(reply->str, reply->len); }

  static std::string Quote(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      char escaped[8];
      if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
        out += c;
      } else {
        std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
        out += escaped;
      }
    }
    return out + "\"";
  }
  static std::string Format(const redisReply* reply) {
    switch (reply->type) {
      case REDIS_REPLY_INTEGER:
        return std::to_string(reply->integer);
      case REDIS_REPLY_NIL:
        return "nil";
      case REDIS_REPLY_ARRAY: {
        std::string out = "[";
        for (size_t i = 0; i < reply->elements; ++i) out += Format(reply->element[i]) + " ";
        return out + "]";
      }
      default:
        return Quote(Text(reply));
    }
  }
  static std::string Sorted(const redisReply* reply, size_t group) {
    std::vector<std::string> parts;
    for (size_t i = 0; i + group <= reply->elements; i += group) {
      std::string part;
      for (size_t k = 0; k < group; ++k) part += Format(reply->element[i + k]) + " ";
      parts.push_back(part);
    }
    std::sort(parts.begin(), parts.end());
    std::string out;
    for (const std::string& part : parts) out += part;
    return out;
  }
  // XINFO STREAM … FULL: maps as flat arrays, pending entries as arrays that end
  // in a delivery time and a count.
  static std::string FormatStream(const redisReply* map, const std::string& within) {
    std::string out = "{";
    for (size_t i = 0; i + 1 < map->elements; i += 2) {
      const std::string field = Text(map->element[i]);
      const redisReply* value = map->element[i + 1];
      if (field.starts_with("radix-tree") || field == "seen-time" || field == "active-time") {
        continue;
      }
      out += field + "=";
      if (value->type == REDIS_REPLY_ARRAY && (field == "pending" || field == "pel")) {
        for (size_t k = 0; k < value->elements; ++k) {
          const redisReply* entry = value->element[k];
          out += Format(entry->element[0]) + " ";
          if (within == "groups") out += Format(entry->element[1]) + " ";
        }
      } else if (field == "groups" || field == "consumers") {
        for (size_t k = 0; k < value->elements; ++k) out += FormatStream(value->element[k], field);
      } else {
        out += Format(value);
      }
      out += ";";
    }
    return out + "}";
  }

  void SendValue(const std::string& type, const std::string& key) {
    if (type == "string") Send({"GET", key});
    if (type == "list") Send({"LRANGE", key, "0", "-1"});
    if (type == "set") Send({"SMEMBERS", key});
    if (type == "hash") Send({"HGETALL", key});
    if (type == "zset") Send({"ZRANGE", key, "0", "-1", "WITHSCORES"});
    if (type == "stream") Send({"XINFO", "STREAM", key, "FULL", "COUNT", "0"});
    if (type == "none") Send({"PING"});
  }
  static std::string FormatValue(const std::string& type, const redisReply* reply) {
    if (reply->type == REDIS_REPLY_ERROR) return Format(reply);
    if (type == "set") return Sorted(reply, 1);
    if (type == "hash") return Sorted(reply, 2);
    if (type == "stream") return FormatStream(reply, "");
    if (type == "string" && reply->type == REDIS_REPLY_STRING) {
      std::string text = Text(reply);
      if (text.starts_with("HYLL") && text.size() >= 16) text.replace(8, 8, 8, '.');
      return Quote(text);
    }
    return Format(reply);
  }
  void TakeKeys(const std::vector<std::string>& names, const std::string& prefix, State& state) {
    for (const std::string& name : names) {
      Send({"TYPE", name});
      Send({"PEXPIRETIME", name});
    }
    std::vector<std::string> types;
    for (const std::string& name : names) {
      types.push_back(Text(Receive().get()));
      state[prefix + name].expires_ms = Receive()->integer;
    }
    for (size_t i = 0; i < names.size(); ++i) SendValue(types[i], names[i]);
    for (size_t i = 0; i < names.size(); ++i) {
      const Reply value = Receive();
      if (types[i] == "none") {  // its deadline has passed since KEYS
        state.erase(prefix + names[i]);
        continue;
      }
      state[prefix + names[i]].state = types[i] + " " + FormatValue(types[i], value.get());
    }
  }

  redisContext* context_;
};

}  // namespace crossfade::test
