#include "routing/commands/command_set.h"

#include <gtest/gtest.h>

#include "routing/resp/encode.h"

namespace crossfade::routing {
namespace {

// A COMMAND reply of Redis 7.0's shape; "a|b" goes below "a".
std::string Reply(const std::vector<std::string>& names) {
  const auto append = [](std::string& out, const std::string& name,
                         const std::vector<std::string>& below, const auto& self) -> void {
    out += "*10\r\n";
    AppendBulk(out, name);
    out += ":-2\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n*0\r\n";
    AppendHead(out, '*', static_cast<int64_t>(below.size()));
    for (const std::string& sub : below) self(out, sub, {}, self);
  };
  std::string out;
  int64_t count = 0;
  for (const std::string& name : names) {
    if (name.find('|') != name.npos) continue;
    std::vector<std::string> below;
    for (const std::string& sub : names) {
      if (sub.starts_with(name + "|")) below.push_back(sub);
    }
    append(out, name, below, append);
    ++count;
  }
  std::string head;
  AppendHead(head, '*', count);
  return head + out;
}

std::string Missing(const std::vector<std::string>& has, const std::vector<std::string>& lacks) {
  const std::string authority = Reply(has);
  const Result<CommandTable> table = CommandTable::FromCommandReply(authority);
  const Result<CommandSet> missing = MissingCommands(*table, authority, Reply(lacks));
  if (!missing) return missing.error().message;
  std::string names;
  for (const std::string& name : missing->names()) {
    names += name + " ";
    EXPECT_TRUE(missing->Has(*table->FindName(name))) << name;
  }
  EXPECT_FALSE(missing->Has(*table->FindName("get"))) << "it has not been asked about";
  return names;
}

TEST(CommandSetTest, HoldsWhatTheOneHasAndTheOtherLacks) {
  EXPECT_EQ(Missing({"set", "lmove", "new.module"}, {"set"}), "lmove new.module ");
  EXPECT_EQ(Missing({"set"}, {"set", "lmove"}), "");
}

TEST(CommandSetTest, SubcommandsCountWhereBothTellThem) {
  EXPECT_EQ(Missing({"xgroup", "xgroup|create", "xgroup|destroy"}, {"xgroup", "xgroup|create"}),
            "xgroup|destroy ");
  EXPECT_EQ(Missing({"xgroup", "xgroup|create"}, {"xgroup", "set"}), "")
      << "before 7.0 no subcommands are told";
  EXPECT_EQ(Missing({"xgroup", "xgroup|create"}, {"set"}), "xgroup xgroup|create ");
}

TEST(CommandSetTest, AReplyThatIsNoCommandReplyIsAnError) {
  EXPECT_NE(MissingCommands(CommandTable::Redis70(), Reply({"set"}), "-ERR no\r\n")
                .error()
                .message.find("COMMAND was refused"),
            std::string::npos);
}

}  // namespace
}  // namespace crossfade::routing
