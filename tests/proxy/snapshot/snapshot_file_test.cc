#include "proxy/snapshot/snapshot_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "proxy/snapshot/restore_target.h"

namespace crossfade::proxy {
namespace {

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() {
    folder_ = (std::filesystem::temp_directory_path() / "crossfade_file_XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    path_ = folder_ + "/file.part";
  }
  ~SnapshotFileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_, path_;
};

// No file may grow over it while it lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

TEST_F(SnapshotFileTest, WhatDidNotGoInWholeIsTakenOutAgain) {
  auto file = SnapshotFile::Open(path_);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->Append("whole"));
  {
    const FileLimit limit(10);
    const Status full = (*file)->Append(std::string(1'000, 'x'));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().message, path_ + " can't be written: File too large");
  }
  EXPECT_EQ(std::filesystem::file_size(path_), 5u);
  ASSERT_TRUE((*file)->Append(" again"));
  char bytes[32];
  EXPECT_EQ((*file)->Read(bytes, sizeof(bytes)), 11u);
  EXPECT_EQ(std::string_view(bytes, 11), "whole again");
}

TEST_F(SnapshotFileTest, IsItsOwnersAloneAndOneWritersAtATime) {
  auto file = SnapshotFile::Open(path_);
  ASSERT_TRUE(file);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  const auto second = SnapshotFile::Open(path_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("by another crossfade"), std::string::npos);
}

TEST_F(SnapshotFileTest, GetsItsNameOnlyIfThatIsFree) {
  auto file = SnapshotFile::Open(path_);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Append("new"));
  std::ofstream(folder_ + "/file") << "old";
  EXPECT_FALSE((*file)->Publish(folder_ + "/file"));
  std::filesystem::remove(folder_ + "/file");
  ASSERT_TRUE((*file)->Publish(folder_ + "/file"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(std::filesystem::file_size(folder_ + "/file"), 3u);
}

TEST_F(SnapshotFileTest, AFolderIsNoFile) {
  EXPECT_FALSE(SnapshotFile::OpenToRead(folder_));
  EXPECT_FALSE(SnapshotFile::OpenToRead(path_)) << "there is none";
}

TEST_F(SnapshotFileTest, AMarkIsReadBackUntilItIsRemoved) {
  RestoreMarkFile mark(path_);
  EXPECT_FALSE(mark.Read().has_value());
  replication::RestoreMark done{1, 2, 3, 4, 5, std::string(40, 'a')};
  ASSERT_TRUE(mark.Write(done));
  done.blocks = 7;
  done.run_id = "b";
  ASSERT_TRUE(mark.Write(done));
  EXPECT_EQ(RestoreMarkFile(path_).Read(), done);
  std::ofstream(path_, std::ios::app) << "x";
  EXPECT_FALSE(mark.Read().has_value());
  mark.Remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace crossfade::proxy
