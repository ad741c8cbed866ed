#include "config/rollout/catalog.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace crossfade::config {
namespace {

class CatalogTest : public ::testing::Test {
 protected:
  CatalogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "catalog-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~CatalogTest() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/catalog.db"; }
  Result<std::unique_ptr<Catalog>> Open(const std::string& pair = "a -> b") {
    return Catalog::Open(path(), pair, Catalog::Durability::kProcess);
  }

  std::string folder_;
};

TEST_F(CatalogTest, GivesBackWhatWasSaved) {
  BackfillRow row;
  row.phase = 2;
  row.position_in_follower = true;
  row.position_db = 7;
  row.position_cursor = "184467440737095516";
  row.finished = std::string("\0\x01\xff", 3);
  row.names = 1ull << 40;
  row.copied = 3;
  row.kept = 2;
  row.mark = UINT64_MAX;
  row.spool_bytes = 1ull << 41;
  row.plan_digest = "abc";
  {
    const auto catalog = Open();
    ASSERT_TRUE(catalog) << catalog.error().message;
    EXPECT_EQ((*catalog)->LoadBackfill()->phase, 0);
    EXPECT_FALSE(*(*catalog)->LoadPaused());
    ASSERT_TRUE((*catalog)->SaveBackfill({}));
    ASSERT_TRUE((*catalog)->SaveBackfill(row));
    ASSERT_TRUE((*catalog)->SavePaused(true));
  }
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().message;
  const auto found = (*catalog)->LoadBackfill();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->phase, row.phase);
  EXPECT_EQ(found->position_in_follower, row.position_in_follower);
  EXPECT_EQ(found->position_db, row.position_db);
  EXPECT_EQ(found->position_cursor, row.position_cursor);
  EXPECT_EQ(found->finished, row.finished);
  EXPECT_EQ(found->names, row.names);
  EXPECT_EQ(found->copied, row.copied);
  EXPECT_EQ(found->kept, row.kept);
  EXPECT_EQ(found->mark, row.mark);
  EXPECT_EQ(found->spool_bytes, row.spool_bytes);
  EXPECT_EQ(found->plan_digest, row.plan_digest);
  EXPECT_TRUE(*(*catalog)->LoadPaused());
}

TEST_F(CatalogTest, TheQuarantineIsSavedWhole) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog);
  EXPECT_TRUE((*catalog)->LoadQuarantine()->empty());
  const std::string name("\0k\xff", 3);
  ASSERT_TRUE((*catalog)->SaveQuarantine({{0, "a", "why", 5, false}, {1, "b", "", 6, false}}));
  ASSERT_TRUE((*catalog)->SaveQuarantine({{3, name, "ERR no", 1ll << 40, true}}));
  const auto rows = (*catalog)->LoadQuarantine();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().db, 3u);
  EXPECT_EQ(rows->front().name, name);
  EXPECT_EQ(rows->front().reason, "ERR no");
  EXPECT_EQ(rows->front().first_seen_ms, 1ll << 40);
  EXPECT_TRUE(rows->front().accepted);
}

TEST_F(CatalogTest, AnotherPairsIsRefused) {
  ASSERT_TRUE(Open("a -> b"));
  const auto catalog = Open("a -> c");
  ASSERT_FALSE(catalog);
  for (const char* part : {"a -> b", "a -> c", "journal.dir"}) {
    EXPECT_NE(catalog.error().message.find(part), std::string::npos) << catalog.error().message;
  }
}

TEST_F(CatalogTest, WhatIsNoCatalogIsRefusedWithItsPath) {
  std::ofstream(path()) << std::string(4'096, 'x');
  const auto damaged = Open();
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find(path()), std::string::npos) << damaged.error().message;
  EXPECT_FALSE(Catalog::Open(folder_ + "/none/catalog.db", "a -> b", Catalog::Durability::kDisk));
}

TEST_F(CatalogTest, OfADamagedOneItIsSaidWhatToDo) {
  {
    const auto catalog = Open();
    ASSERT_TRUE(catalog);
    ASSERT_TRUE((*catalog)->SaveBackfill({}));
  }
  const auto size = std::filesystem::file_size(path());
  for (uint64_t page = 0; page < size / 4'096; ++page) {
    const std::string kept = path() + ".kept";
    std::filesystem::copy_file(path(), kept);
    {
      std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(page * 4'096));
      file << std::string(200, '\xff');
    }
    const auto damaged = Open();
    ASSERT_FALSE(damaged) << "page " << page;
    for (const std::string& part : {path(), std::string("To remove it is safe")}) {
      EXPECT_NE(damaged.error().message.find(part), std::string::npos) << damaged.error().message;
    }
    std::filesystem::rename(kept, path());
  }
  EXPECT_TRUE(Open());
  std::filesystem::remove(path());
  EXPECT_TRUE(Open());
}

TEST_F(CatalogTest, ANewerOneIsRefused) {
  ASSERT_TRUE(Open());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version=2", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const auto catalog = Open();
  ASSERT_FALSE(catalog);
  EXPECT_NE(catalog.error().message.find("version 2"), std::string::npos);
}

TEST_F(CatalogTest, OneThatCantBeWrittenChangesNothing) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog);
  ASSERT_TRUE((*catalog)->SaveBackfill({}));
  sqlite3* other = nullptr;  // holds the lock for longer than is waited
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  BackfillRow row;
  row.phase = 3;
  const Status saved = (*catalog)->SaveBackfill(row);
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().message.find("locked"), std::string::npos) << saved.error().message;
  sqlite3_close(other);
  EXPECT_EQ((*catalog)->LoadBackfill()->phase, 0);
  EXPECT_TRUE((*catalog)->SaveBackfill(row));
}

}  // namespace
}  // namespace crossfade::config
