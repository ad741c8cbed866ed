#include "tools/cli/sample_data.h"

#include <hiredis/hiredis.h>

#include <memory>
#include <string>

namespace crossfade::cli {
namespace {

struct Closer {
  void operator()(redisContext* connection) const { redisFree(connection); }
};
using Connection = std::unique_ptr<redisContext, Closer>;

class Pipeline {
 public:
  explicit Pipeline(redisContext* connection) : connection_(connection) {}

  template <class... Values>
  void Add(const char* format, Values... values) {
    redisAppendCommand(connection_, format, values...);
    ++pending_;
  }

  Status Finish() {
    for (; pending_ > 0; --pending_) {
      void* raw = nullptr;
      if (redisGetReply(connection_, &raw) != REDIS_OK) {
        return Fail(std::string("sample data: ") + connection_->errstr);
      }
      auto* reply = static_cast<redisReply*>(raw);
      const std::string error = reply->type == REDIS_REPLY_ERROR ? reply->str : "";
      freeReplyObject(reply);
      if (!error.empty()) return Fail("sample data: the store answered: " + error);
    }
    return {};
  }

 private:
  redisContext* connection_;
  int pending_ = 0;
};

void AddStrings(Pipeline& pipeline) {
  for (int i = 0; i < 250; ++i) {
    pipeline.Add("SET session:%d token-%d EX %d", i, i * 7919, 3600 + i * 60);
  }
  for (int i = 0; i < 100; ++i) pipeline.Add("SET counter:%d %d", i, i * i);
  for (int i = 0; i < 50; ++i) pipeline.Add("SETBIT flags:%d %d 1", i, i * 13);
  for (int i = 0; i < 25; ++i) {
    for (int visitor = 0; visitor < 20; ++visitor) {
      pipeline.Add("PFADD visitors:%d visitor-%d", i, visitor * (i + 1));
    }
  }
}

void AddCollections(Pipeline& pipeline) {
  for (int i = 0; i < 250; ++i) {
    pipeline.Add("HSET user:%d name user-%d visits %d plan %s", i, i, i * 3,
                 i % 4 == 0 ? "pro" : "free");
    if (i % 5 == 0) pipeline.Add("EXPIRE user:%d %d", i, 86'400 + i);
  }
  for (int i = 0; i < 100; ++i) {
    pipeline.Add("RPUSH cart:%d apples %d pears %d", i, i, i + 1);
    if (i % 2 == 0) pipeline.Add("EXPIRE cart:%d %d", i, 1800 + i);
  }
  for (int i = 0; i < 100; ++i) {
    pipeline.Add("SADD tags:%d red green blue %d", i, i);
    if (i % 10 == 0) pipeline.Add("EXPIRE tags:%d 7200", i);
  }
}

void AddOrdered(Pipeline& pipeline) {
  for (int i = 0; i < 50; ++i) {
    for (int player = 0; player < 10; ++player) {
      pipeline.Add("ZADD leaderboard:%d %d player-%d", i, (player * 37 + i) % 100, player);
    }
  }
  for (int i = 0; i < 50; ++i) {
    pipeline.Add("XADD orders:%d * item %d amount %d", i, i, i * 5);
    pipeline.Add("XADD orders:%d * item %d amount %d", i, i + 1, i * 6);
    pipeline.Add("XGROUP CREATE orders:%d shipping 0", i);
    pipeline.Add("XREADGROUP GROUP shipping worker COUNT 1 STREAMS orders:%d >", i);
  }
  for (int i = 0; i < 25; ++i) {
    pipeline.Add("GEOADD places:%d 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", i);
  }
}

}  // namespace

Result<uint64_t> WriteSampleData(uint16_t port) {
  const Connection connection(redisConnectWithTimeout("127.0.0.1", port, timeval{3, 0}));
  if (!connection || connection->err != 0) {
    return Fail("sample data: can't connect to port " + std::to_string(port));
  }
  Pipeline pipeline(connection.get());
  AddStrings(pipeline);
  AddCollections(pipeline);
  AddOrdered(pipeline);
  if (const Status written = pipeline.Finish(); !written) return tl::unexpected(written.error());
  auto* reply = static_cast<redisReply*>(redisCommand(connection.get(), "DBSIZE"));
  if (reply == nullptr) return Fail(std::string("sample data: ") + connection->errstr);
  const uint64_t keys = static_cast<uint64_t>(reply->integer);
  freeReplyObject(reply);
  return keys;
}

}  // namespace crossfade::cli
