#include "replication/sync_forms.h"

#include <gtest/gtest.h>

#include "replication/sync_read.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;

constexpr std::string_view kBadPayload = "-ERR DUMP payload version or checksum are wrong\r\n";

TEST(SyncForms, WhatIsRefusedForItsFormIsTriedInTheOther) {
  const std::tuple<const char*, bool, bool> rows[] = {
      // error, of the dump, of the type-wise form
      {"-ERR Bad data format\r\n", true, true},
      {"-ERR DUMP payload version or checksum are wrong\r\n", true, true},
      {"-ERR unknown command 'RESTORE'\r\n", true, true},
      {"-ERR syntax error\r\n", true, true},
      {"-NOPERM this user has no permissions to run the 'restore' command\r\n", true, false},
      {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", false, false},
      {"-READONLY You can't write against a read only replica.\r\n", false, false},
      {"-LOADING Redis is loading the dataset in memory\r\n", false, false},
      {"-MISCONF Redis is configured to save RDB snapshots\r\n", false, false},
      {"-BUSY Redis is busy running a script\r\n", false, false},
      {"a type that ordinary commands don't read", true, true}};
  for (const auto& [error, dump, typewise] : rows) {
    SyncForms forms;
    EXPECT_EQ(forms.Refused(SyncForm::kDump, error), dump) << error;
    EXPECT_EQ(forms.Refused(SyncForm::kTypewise, error), typewise) << error;
  }
}

TEST(SyncForms, AfterOneRefusalBehindTheOtherDumpsAreNotTriedFirst) {
  SyncForms forms;
  forms.Follow("a", "7.0.15");
  const auto refuse = [&] { forms.Refused(SyncForm::kDump, kBadPayload); };
  refuse();
  refuse();
  forms.Taken(SyncForm::kDump);
  refuse();
  refuse();
  forms.Refused(SyncForm::kTypewise, kBadPayload);
  forms.Refused(SyncForm::kDump, "-OOM no memory\r\n");
  EXPECT_EQ(forms.first(), SyncForm::kDump);
  refuse();
  EXPECT_EQ(forms.first(), SyncForm::kTypewise);
  forms.Taken(SyncForm::kDump);
  forms.Taken(SyncForm::kTypewise);
  forms.Follow("a", "7.0.15");
  EXPECT_EQ(forms.first(), SyncForm::kTypewise) << "it is the same process";
  forms.Follow("b", "7.0.15");
  EXPECT_EQ(forms.first(), SyncForm::kDump);
}

TEST(SyncForms, AFollowerWithoutTheCommandIsNotAskedAgain) {
  SyncForms forms;
  forms.Refused(SyncForm::kDump,
                "-ERR unknown command 'RESTORE', with args beginning with: 'k'\r\n");
  EXPECT_EQ(forms.first(), SyncForm::kTypewise);
  SyncForms lacking;
  lacking.SetLacksRestore(true);
  EXPECT_EQ(lacking.first(), SyncForm::kTypewise);
  lacking.SetLacksRestore(false);
  EXPECT_EQ(lacking.first(), SyncForm::kDump);
}

TEST(SyncForms, AnOlderFollowerIsGivenWhatItKnows) {
  const std::tuple<const char*, bool, bool> rows[] = {
      {"5.0.14", false, false}, {"6.0.20", false, false}, {"6.2.0", true, false},
      {"6.2", true, false},     {"7.0.15", true, true},   {"10.1.0", true, true},
      {"", true, true},         {"unknown", true, true}};
  for (const auto& [version, idle_consumers, stream_counters] : rows) {
    SyncForms forms;
    forms.Follow("a", version);
    EXPECT_EQ(forms.target().idle_consumers, idle_consumers) << version;
    EXPECT_EQ(forms.target().stream_counters, stream_counters) << version;
  }
}

TEST(SyncErrorOf, FindsTheErrorThatACommandGot) {
  const std::pair<const char*, const char*> rows[] = {
      {"+OK\r\n", ""},
      {":1\r\n", ""},
      {"+QUEUED\r\n", ""},
      {"*2\r\n:1\r\n$7\r\n-ERR no\r\n", ""},
      {"*3\r\n:1\r\n-WRONGTYPE no\r\n-ERR x\r\n", "-WRONGTYPE no\r\n"},
      {"*2\r\n:1\r\n*1\r\n-ERR deep\r\n", "-ERR deep\r\n"},
      {"-ERR Bad data format\r\n", "-ERR Bad data format\r\n"},
      {"-EXECABORT Transaction discarded because of: OOM no memory\r\n", "-OOM no memory\r\n"},
      {"-EXECABORT Transaction discarded because of previous errors.\r\n",
       "-EXECABORT Transaction discarded because of previous errors.\r\n"}};
  for (const auto& [reply, error] : rows) EXPECT_EQ(SyncErrorOf(reply), error) << reply;
}

// ---- What the authority is asked

std::string Asked(const KeyToSync& key, uint32_t before) {
  std::string out;
  EXPECT_EQ(AppendSyncRead(key, out), before);
  return out;
}

TEST(SyncRead, TypeWiseTheTypeComesFirst) {
  KeyToSync key;
  key.name = "k";
  EXPECT_EQ(test::Decoded(Asked(key, 3)), (Lines{"MULTI", "DUMP k", "PEXPIRETIME k", "EXEC"}));
  key.form = SyncForm::kTypewise;
  EXPECT_TRUE(AsksForType(key));
  EXPECT_EQ(test::Decoded(Asked(key, 0)), Lines{"TYPE k"});
  key.type = KeyType::kStream;
  EXPECT_FALSE(AsksForType(key));
  EXPECT_EQ(test::Decoded(Asked(key, 3)),
            (Lines{"MULTI", "XINFO STREAM k FULL COUNT 0", "PEXPIRETIME k", "EXEC"}));
}

TEST(SyncRead, OfAHashWhoseFieldsMayExpireAScriptReadsBoth) {
  KeyToSync key;
  key.name = "k";
  key.form = SyncForm::kTypewise;
  key.asks_fields = true;
  EXPECT_EQ(test::Decoded(Asked(key, 0)), Lines{"TYPE k"});
  key.type = KeyType::kHash;
  EXPECT_NE(Asked(key, 0).find("HPEXPIRETIME"), std::string::npos);
  key.asks_fields = false;
  EXPECT_EQ(test::Decoded(Asked(key, 3)), (Lines{"MULTI", "HGETALL k", "PEXPIRETIME k", "EXEC"}));
}

TEST(SyncRead, AScriptReadsTheSame) {
  const std::string script =
      "return {redis.call(unpack(ARGV)), redis.call('PEXPIRETIME', KEYS[1])}";
  KeyToSync key;
  key.name = "k";
  std::string out;
  key.by_script = true;
  EXPECT_EQ(AppendSyncRead(key, out), 0u);
  EXPECT_EQ(test::Decoded(out), Lines{"EVAL_RO " + script + " 1 k DUMP k"});
  key.form = SyncForm::kTypewise;
  key.type = KeyType::kZset;
  out.clear();
  EXPECT_EQ(AppendSyncRead(key, out), 0u);
  EXPECT_EQ(test::Decoded(out), Lines{"EVAL_RO " + script + " 1 k ZRANGE k 0 -1 WITHSCORES"});
}

}  // namespace
}  // namespace crossfade::replication
