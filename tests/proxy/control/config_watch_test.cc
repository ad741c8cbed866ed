#include "proxy/control/config_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <functional>

#include "tests/proxy/control/scratch.h"

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;
using test::Scratch;

// Inotify queues its events before the call that causes them returns.
bool Concerned(ConfigWatch& watch) {
  pollfd descriptor{watch.Descriptor(), POLLIN, 0};
  return poll(&descriptor, 1, 0) == 1 && watch.Drain();
}

class ConfigWatchTest : public ::testing::Test {
 protected:
  void Open(const fs::path& path) {
    watch_ = std::make_unique<ConfigWatch>(path.string());
    const Status opened = watch_->Open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  Scratch scratch_;
  std::unique_ptr<ConfigWatch> watch_;
};

TEST_F(ConfigWatchTest, AWriteInPlaceIsSeenWhenTheFileIsClosed) {
  const fs::path file = scratch_ / "crossfade.yaml";
  Scratch::Write(file, "a");
  Open(file);
  std::ofstream out(file);
  out << "half";
  out.flush();
  EXPECT_FALSE(Concerned(*watch_));
  out.close();
  EXPECT_TRUE(Concerned(*watch_));
  EXPECT_FALSE(Concerned(*watch_));
}

TEST_F(ConfigWatchTest, ARenameOverTheFileIsSeenEachTime) {
  const fs::path file = scratch_ / "crossfade.yaml";
  Scratch::Write(file, "a");
  Open(file);
  for (int i = 0; i < 3; ++i) {
    Scratch::Replace(file, std::to_string(i));
    EXPECT_TRUE(Concerned(*watch_)) << i;
    ASSERT_TRUE(watch_->Arm());
  }
}

TEST_F(ConfigWatchTest, OtherFilesInTheFolderAreNoChange) {
  const fs::path file = scratch_ / "crossfade.yaml";
  Scratch::Write(file, "a");
  Open(file);
  Scratch::Write(scratch_ / "other.yaml", "b");
  Scratch::Write(scratch_ / "crossfade.yaml~", "b");
  EXPECT_FALSE(Concerned(*watch_));
}

TEST_F(ConfigWatchTest, AFileThatDoesNotExistYetIsSeenWhenItComes) {
  const fs::path file = scratch_ / "crossfade.yaml";
  Open(file);
  Scratch::Write(file, "a");
  EXPECT_TRUE(Concerned(*watch_));
}

// Kubernetes: crossfade.yaml -> ..data/crossfade.yaml, ..data -> ..v1; an update
// renames a new link over ..data.
TEST_F(ConfigWatchTest, ASwappedLinkOnTheWayIsSeen) {
  for (const char* version : {"..v1", "..v2", "..v3"}) {
    fs::create_directory(scratch_ / version);
    Scratch::Write(scratch_ / version / "crossfade.yaml", version);
  }
  fs::create_symlink("..v1", scratch_ / "..data");
  fs::create_symlink("..data/crossfade.yaml", scratch_ / "crossfade.yaml");
  Open(scratch_ / "crossfade.yaml");
  for (const char* version : {"..v2", "..v3"}) {
    fs::create_symlink(version, scratch_ / "..data_tmp");
    fs::rename(scratch_ / "..data_tmp", scratch_ / "..data");
    EXPECT_TRUE(Concerned(*watch_)) << version;
    ASSERT_TRUE(watch_->Arm());
    EXPECT_FALSE(Concerned(*watch_));
  }
  Scratch::Write(scratch_ / "..v1" / "crossfade.yaml", "nobody points here");
  EXPECT_FALSE(Concerned(*watch_));
  Scratch::Write(scratch_ / "..v3" / "crossfade.yaml", "the link leads here");
  EXPECT_TRUE(Concerned(*watch_));
}

TEST_F(ConfigWatchTest, ALinkToAFileElsewhereWatchesThatFile) {
  fs::create_directory(scratch_ / "elsewhere");
  const fs::path target = scratch_ / "elsewhere" / "real.yaml";
  Scratch::Write(target, "a");
  fs::create_symlink(target, scratch_ / "crossfade.yaml");
  Open(scratch_ / "crossfade.yaml");
  Scratch::Replace(target, "b");
  EXPECT_TRUE(Concerned(*watch_));
}

TEST_F(ConfigWatchTest, AFolderThatGoesIsAChangeAndArmSaysSo) {
  fs::create_directory(scratch_ / "folder");
  const fs::path file = scratch_ / "folder" / "crossfade.yaml";
  Scratch::Write(file, "a");
  Open(file);
  fs::remove_all(scratch_ / "folder");
  EXPECT_TRUE(Concerned(*watch_));
  const Status armed = watch_->Arm();
  ASSERT_FALSE(armed);
  EXPECT_NE(armed.error().message.find("can't watch"), std::string::npos);
  fs::create_directory(scratch_ / "folder");
  ASSERT_TRUE(watch_->Arm());
  Scratch::Write(file, "b");
  EXPECT_TRUE(Concerned(*watch_));
}

TEST_F(ConfigWatchTest, EntriesOfAPathWithLinksAndDots) {
  fs::create_directory(scratch_ / "a");
  fs::create_symlink("a", scratch_ / "b");
  Scratch::Write(scratch_ / "a" / "f", "x");
  const std::string root = fs::canonical(scratch_ / ".").string();
  const auto entries = ConfigWatch::EntriesOf(root + "/a/../b/./f");
  EXPECT_TRUE(entries.at(root).contains("b"));
  EXPECT_TRUE(entries.at(root + "/a").contains("f"));
}

TEST_F(ConfigWatchTest, LinksInACircleEnd) {
  fs::create_symlink("two", scratch_ / "one");
  fs::create_symlink("one", scratch_ / "two");
  const auto entries = ConfigWatch::EntriesOf((scratch_ / "one").string());
  EXPECT_TRUE(entries.at((scratch_ / ".").parent_path().string()).contains("two"));
}

}  // namespace
}  // namespace crossfade::proxy
