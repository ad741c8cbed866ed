// INFO through the proxy, and what a client may ask of itself inside MULTI.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Info : public OneClient {
 protected:
  static std::string Field(const std::string& info, const std::string& name) {
    const size_t at = info.find("\r\n" + name + ":");
    if (at == std::string::npos) return "(none)";
    const size_t begin = at + name.size() + 3;
    return info.substr(begin, info.find("\r\n", begin) - begin);
  }
};

INSTANTIATE_TEST_SUITE_P(Each, Info, ::testing::Values(1, 2), WorkersName);

TEST_P(Info, IsTheAuthoritysWithASectionOfTheProxy) {
  RedisClient other(migration_.proxy->port());
  ASSERT_TRUE(other.Call({"SET", "k", "v"}).ok());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const std::string info = Call({"INFO"}).text;
  EXPECT_EQ(Field(info, "tcp_port"), std::to_string(migration_.legacy.port()));
  EXPECT_EQ(Field(info, "connected_clients"), "2");
  EXPECT_EQ(Field(info, "blocked_clients"), "0");
  EXPECT_EQ(Field(info, "maxclients"), "10000");
  EXPECT_EQ(Field(info, "crossfade_stage"), "mirror");
  EXPECT_EQ(Field(info, "crossfade_mirror_state"), "live");
  EXPECT_EQ(Field(info, "crossfade_authority"), "legacy");
  EXPECT_EQ(Field(info, "crossfade_workers"), std::to_string(GetParam()));
  EXPECT_EQ(Field(info, "crossfade_lag_ms"), "0");
  EXPECT_EQ(Field(info, "crossfade_log_entries"), "0");
  EXPECT_EQ(Field(info, "crossfade_watermark"), Field(info, "crossfade_log_head"));
  EXPECT_EQ(Field(info, "crossfade_plan_digest"), migration_.Status().value("plan_digest", "?"));

  const std::string own = Call({"INFO", "CrossFade"}).text;
  EXPECT_TRUE(own.starts_with("# Crossfade\r\n")) << own;
  EXPECT_EQ(own.find("tcp_port"), std::string::npos);
  const std::string keyspace = Call({"INFO", "keyspace"}).text;
  EXPECT_EQ(keyspace.find("crossfade"), std::string::npos) << keyspace;
  EXPECT_NE(keyspace.find("db0:keys=1"), std::string::npos) << keyspace;
  const std::string two = Call({"INFO", "keyspace", "crossfade"}).text;
  EXPECT_NE(two.find("\r\n\r\n# Crossfade\r\n"), std::string::npos) << two;
  EXPECT_EQ(Call({"INFO", "nosuch"}).text, "");
  for (const char* all : {"all", "everything", "default"}) {
    EXPECT_NE(Field(Call({"INFO", all}).text, "crossfade_stage"), "(none)") << all;
  }
}

TEST_P(Info, CountsThoseThatAPauseHolds) {
  RedisClient writer(migration_.proxy->port());
  ASSERT_TRUE(Call({"CLIENT", "PAUSE", "60000", "WRITE"}).ok());
  std::string bytes;
  EncodeCommand(bytes, {"SET", "k", "v"});
  writer.SendRaw(bytes);
  EXPECT_TRUE(Await([&] { return Field(Call({"INFO"}).text, "blocked_clients") == "1"; }));
  ASSERT_TRUE(Call({"CLIENT", "UNPAUSE"}).ok());
  EXPECT_EQ(writer.Read().text, "OK");
  EXPECT_TRUE(Await([&] { return Field(Call({"INFO"}).text, "blocked_clients") == "0"; }));
}

TEST_P(Info, InAPipelineComesInItsPlace) {
  const std::vector<Value> replies = client_->Pipeline(std::vector<Args>{
      {"SET", "k", "1"}, {"INFO", "crossfade"}, {"INCR", "k"}, {"INFO"}, {"INCR", "k"}, {"INFO"}});
  ASSERT_EQ(replies.size(), 6u);
  EXPECT_EQ(replies[0].text, "OK");
  EXPECT_EQ(replies[2].integer, 2);
  EXPECT_EQ(replies[4].integer, 3);
  for (const size_t i : {1u, 3u, 5u})
    EXPECT_NE(replies[i].text.find("# Crossfade"), std::string::npos);
}

TEST_P(Info, CommandsAboutTheClientInsideMulti) {
  const std::string id = std::to_string(Call({"CLIENT", "ID"}).integer);
  ASSERT_EQ(Call({"MULTI"}).text, "OK");
  for (const Args& args : std::vector<Args>{{"CLIENT", "SETNAME", "in multi"},
                                            {"CLIENT", "SETNAME", "in-multi"},
                                            {"SET", "k", "v"},
                                            {"CLIENT", "GETNAME"},
                                            {"CLIENT", "ID"},
                                            {"INFO"},
                                            {"CLIENT", "SETINFO", "LIB-NAME", "x"},
                                            {"GET", "k"}}) {
    EXPECT_EQ(Call(args).text, "QUEUED") << Render(args);
  }
  const Value reply = Call({"EXEC"});
  ASSERT_EQ(reply.elements.size(), 8u) << Render(reply);
  EXPECT_FALSE(reply.elements[0].ok());
  EXPECT_EQ(reply.elements[1].text, "OK");
  EXPECT_EQ(reply.elements[2].text, "OK");
  EXPECT_EQ(reply.elements[3].text, "in-multi");
  EXPECT_EQ(std::to_string(reply.elements[4].integer), id);
  EXPECT_NE(Field(reply.elements[5].text, "crossfade_stage"), "(none)");
  EXPECT_EQ(reply.elements[6].text, "OK");
  EXPECT_EQ(reply.elements[7].text, "v");

  ASSERT_EQ(Call({"MULTI"}).text, "OK");
  ASSERT_EQ(Call({"CLIENT", "SETNAME", "discarded"}).text, "QUEUED");
  ASSERT_EQ(Call({"DISCARD"}).text, "OK");
  EXPECT_EQ(Call({"CLIENT", "GETNAME"}).text, "in-multi");
  migration_.ExpectEqualWhenDrained();
}

// As in Redis, it begins at the transaction's end.
TEST_P(Info, PauseInsideMultiHoldsWhatComesAfterIt) {
  RedisClient writer(migration_.proxy->port());
  ASSERT_TRUE(writer.Call({"PING"}).ok());
  ASSERT_EQ(Call({"MULTI"}).text, "OK");
  ASSERT_EQ(Call({"SET", "a", "1"}).text, "QUEUED");
  ASSERT_EQ(Call({"CLIENT", "PAUSE", "60000", "WRITE"}).text, "QUEUED");
  ASSERT_EQ(Call({"SET", "b", "1"}).text, "QUEUED");
  EXPECT_EQ(Render(Call({"EXEC"})), "[+OK +OK +OK]");
  const auto held = [this] { return Field(Call({"INFO"}).text, "blocked_clients") == "1"; };
  std::string bytes;
  EncodeCommand(bytes, {"SET", "c", "1"});
  // On another worker it is in force a moment later.
  ASSERT_TRUE(Await([&] {
    writer.SendRaw(bytes);
    return held();
  }));
  EXPECT_EQ(Call({"GET", "b"}).text, "1");
  ASSERT_EQ(Call({"CLIENT", "UNPAUSE"}).text, "OK");
  EXPECT_EQ(writer.Read().text, "OK");
}

}  // namespace
}  // namespace crossfade::test
