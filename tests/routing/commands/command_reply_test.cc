#include <gtest/gtest.h>

#include <random>

#include "routing/commands/command_table.h"
#include "routing/commands/keys.h"
#include "routing/resp/encode.h"

namespace crossfade::routing {
namespace {

// A word is a status, a number an integer, [ ... ] an array, "x y" not needed.
std::string Resp(std::string_view text) {
  std::string out;
  std::vector<std::pair<size_t, int64_t>> open;  // where the head goes, elements so far
  size_t i = 0;
  while (i < text.size()) {
    if (text[i] == ' ' || text[i] == '\n') {
      ++i;
      continue;
    }
    if (text[i] == ']') {
      std::string head;
      AppendHead(head, '*', open.back().second);
      out.insert(open.back().first, head);
      open.pop_back();
      ++i;
      continue;
    }
    if (!open.empty()) ++open.back().second;
    if (text[i] == '[') {
      open.push_back({out.size(), 0});
      ++i;
      continue;
    }
    const size_t end = text.find_first_of(" \n[]", i);
    const std::string word(text.substr(i, end - i));
    const bool number = word.find_first_not_of("-0123456789") == std::string::npos;
    out += (number ? ":" : "+") + word + "\r\n";
    i = end == std::string_view::npos ? text.size() : end;
  }
  return out;
}

std::string Keys(const CommandTable& table, std::vector<std::string_view> args) {
  const CommandSpec* spec = table.Find(args);
  if (spec == nullptr) return "no such command";
  std::vector<KeyPosition> positions;
  switch (ExtractKeys(*spec, args, positions)) {
    case Keys::kAll:
      return "all";
    case Keys::kUnknown:
      return "unknown";
    case Keys::kMalformed:
      return "malformed";
    case Keys::kKnown:
      break;
  }
  std::string text;
  for (const KeyPosition& position : positions) {
    text += std::string(args[position.arg]) + "=" +
            (position.access == Access::kRead    ? "r"
             : position.access == Access::kWrite ? "w"
                                                 : "rw") +
            " ";
  }
  return text;
}

CommandTable From(std::string_view text) {
  auto table = CommandTable::FromCommandReply(Resp(text));
  if (table) return std::move(*table);
  ADD_FAILURE() << table.error().message;
  return {};
}

constexpr std::string_view k62 = R"([
  [get 2 [readonly fast] 1 1 1 [@read @string @fast]]
  [blpop -3 [write noscript] 1 -2 1 [@write @list @slow @blocking]]
  [xread -4 [readonly movablekeys] 0 0 0 [@read]]
  [xgroup -2 [write denyoom] 2 2 1 [@write]]
  [set -3 [write denyoom] 1 1 1 [@write]]
  [stralgo -2 [readonly movablekeys] 0 0 0 [@read]]
  [old.range -3 [write] 1 -1 2 [@write]]
  [old.one 2 [readonly] 1 1 1 [@read]]
  [old.none -1 [readonly] 0 0 0 [@read]]
  [old.strange -1 [write] 1 1 0 [@write]]
])";

TEST(CommandReplyTest, BeforeRedis70TheBuiltInSpecificationsHold) {
  const CommandTable table = From(k62);
  const CommandSpec* blpop = table.FindName("blpop");
  EXPECT_TRUE(blpop->Blocking()) << "6.2 does not say so";
  EXPECT_EQ(blpop->id, CommandId::kBlpop);
  EXPECT_EQ(Keys(table, {"BLPOP", "a", "b", "0"}), "a=rw b=rw ");
  EXPECT_EQ(Keys(table, {"XREAD", "STREAMS", "a", "0"}), "a=r ");
  EXPECT_EQ(Keys(table, {"XGROUP", "CREATE", "a", "g", "0"}), "a=rw ");
  EXPECT_EQ(Keys(table, {"SET", "a", "1"}), "a=w ");
  EXPECT_TRUE(table.FindName("get")->single_key_at_1);
  EXPECT_EQ(Keys(table, {"LMPOP", "1", "a", "LEFT"}), "a=rw ") << "built in, not in the reply";
}

TEST(CommandReplyTest, CommandsThatOnlyAnOldStoreKnowsHaveTheirRange) {
  const CommandTable table = From(k62);
  EXPECT_EQ(table.FindName("old.one")->id, CommandId::kOther);
  EXPECT_TRUE(table.FindName("OLD.ONE")->single_key_at_1);
  EXPECT_FALSE(table.FindName("old.range")->single_key_at_1);
  EXPECT_EQ(Keys(table, {"old.one", "a"}), "a=r ");
  EXPECT_EQ(Keys(table, {"Old.Range", "a", "1", "b", "2"}), "a=rw b=rw ");
  EXPECT_EQ(Keys(table, {"old.none", "a"}), "");
  EXPECT_EQ(Keys(table, {"old.strange", "a"}), "unknown") << "a step of zero";
  EXPECT_EQ(Keys(table, {"STRALGO", "LCS", "KEYS", "a", "b"}), "unknown");
}

TEST(CommandReplyTest, SixElementsAreEnough) {
  const CommandTable table = From("[[old.one 2 [readonly] 1 1 1]]");
  EXPECT_EQ(Keys(table, {"old.one", "a"}), "a=r ");
}

constexpr std::string_view kNewer = R"([
  [newer.many -3 [write denyoom shiny] 0 0 0 [] [tip]
    [[flags [OW update glittering] begin_search [type index spec [index 1]]
      find_keys [type keynum spec [keynumidx 0 firstkey 1 keystep 2]] more [things [1 2]]]] []]
  [newer.keyword -2 [readonly] 0 0 0 [] []
    [[flags [RO] begin_search [type keyword spec [keyword from startfrom -2]]
      find_keys [type range spec [lastkey -1 keystep 1 limit 0]]]] []]
  [newer.odd -2 [write movablekeys] 1 1 1 [] []
    [[flags [RW] begin_search [type telepathy spec [x y]]
      find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]
  [module.computed -2 [write module movablekeys] 1 1 1 [] []
    [[flags [RW variable_flags] begin_search [type index spec [index 1]]
      find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]
  [module.plain -2 [readonly module] 1 1 1 [] []
    [[flags [RW access update] begin_search [type index spec [index 1]]
      find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]
  [module.silent -2 [readonly module movablekeys] 0 0 0 [] [] [] []]
  [Newer.Box -2 [] 0 0 0 [] [] [] [
    [Newer.Box|Put 4 [write] 2 2 1 [] []
      [[flags [RM delete] begin_search [type index spec [index 2]]
        find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] [] extra [1]]
    [newer.box|help 2 [] 0 0 0 [] [] [] []]]]
  [xgroup -2 [] 0 0 0 [] [] [] [[xgroup|polish -3 [write] 2 2 1 [] []
      [[flags [RW] begin_search [type index spec [index 2]]
        find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]]]
  [spopish 3 [write] 0 0 0 [] []
    [[flags [not_key] begin_search [type index spec [index 1]]
      find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]
])";

TEST(CommandReplyTest, ReadsSpecificationsSubcommandsAndPassesOverWhatIsNew) {
  const CommandTable table = From(kNewer);
  EXPECT_EQ(Keys(table, {"newer.many", "2", "a", "1", "b", "2"}), "a=w b=w ");
  EXPECT_EQ(Keys(table, {"newer.many", "0", "a"}), "") << "whether it takes none is its affair";
  EXPECT_EQ(Keys(table, {"newer.many", "3", "a", "1", "b", "2"}), "malformed");
  EXPECT_EQ(Keys(table, {"newer.keyword", "x", "FROM", "a"}), "a=r ");
  EXPECT_EQ(Keys(table, {"newer.keyword", "x"}), "");
  EXPECT_EQ(Keys(table, {"newer.odd", "a"}), "unknown");
  EXPECT_EQ(Keys(table, {"module.computed", "a"}), "unknown");
  EXPECT_EQ(Keys(table, {"module.plain", "a"}), "a=rw ");
  EXPECT_EQ(Keys(table, {"module.silent", "a"}), "unknown");
  EXPECT_EQ(Keys(table, {"NEWER.BOX", "PUT", "a", "1"}), "a=w ");
  EXPECT_EQ(table.FindName("newer.box|put")->arity, 4);
  EXPECT_EQ(table.FindName("newer.box")->flags, kContainer);
  EXPECT_EQ(Keys(table, {"XGROUP", "POLISH", "a"}), "a=rw ");
  EXPECT_EQ(Keys(table, {"XGROUP", "CREATE", "a", "g", "0"}), "a=rw ") << "still there";
  EXPECT_EQ(Keys(table, {"spopish", "a", "b"}), "");
  EXPECT_FALSE(table.FindName("spopish")->single_key_at_1);
}

TEST(CommandReplyTest, GarbageIsAnError) {
  for (const char* text : {
           "",
           "[",
           "word",
           "7",
           "[word]",
           "[[]]",
           "[[get 2 [readonly] 1 1]]",
           "[[get two [readonly] 1 1 1]]",
           "[[get 2 readonly 1 1 1]]",
           "[[7 2 [readonly] 1 1 1]]",
           "[[get 2 [readonly] 1 99999999 1]]",
           "[[get 2 [[readonly]] 1 1 1]]",
           "[[get|x 2 [readonly] 1 1 1]]",
           "[[get 2 [] 1 1 1 [] [] word []]]",
           "[[get 2 [] 1 1 1 [] [] [] word]]",
           "[[box 2 [] 1 1 1 [] [] [] [[other|x 2 [] 0 0 0 [] [] [] []]]]]",
           "[[box 2 [] 1 1 1 [] [] [] [[x 2 [] 0 0 0 [] [] [] []]]]]",
           "[[get 2 [] 1 1 1 [] [] [[flags word]] []]]",
       }) {
    const auto table =
        CommandTable::FromCommandReply(*text == '[' && text[1] == '\0' ? text : Resp(text));
    EXPECT_FALSE(table) << text;
  }
  EXPECT_FALSE(CommandTable::FromCommandReply(Resp("[]") + "+more\r\n"));
  EXPECT_FALSE(CommandTable::FromCommandReply("*1\r\n*6\r\n$-1\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n"));
  const auto refused = CommandTable::FromCommandReply("-NOPERM no\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "COMMAND was refused: NOPERM no");
}

TEST(CommandReplyTest, TornAndAlteredRepliesNeverBreakAnything) {
  const std::string whole = Resp(kNewer);
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_FALSE(CommandTable::FromCommandReply(whole.substr(0, size))) << size;
  }
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<KeyPosition> positions;
  const std::vector<std::string_view> args = {"x", "1", "from", "a", "b", "STREAMS", "c", "0"};
  for (int i = 0; i < 2000; ++i) {
    std::string altered = whole;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      altered[random() % altered.size()] = "0123456789-+*:$\r\nab|"[random() % 21];
    }
    const auto table = CommandTable::FromCommandReply(altered);
    if (!table) continue;
    for (const CommandSpec* spec : table->All()) {
      ExtractKeys(*spec, args, positions);
      for (const KeyPosition& position : positions) ASSERT_LT(position.arg, args.size());
    }
  }
}

}  // namespace
}  // namespace crossfade::routing
