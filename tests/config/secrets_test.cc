#include "config/secrets.h"

#include <gtest/gtest.h>

#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

TEST(Secrets, DigestsAreThoseOfTheStandard) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Secrets, VariablesAreExpandedOnce) {
  const TemporaryVariable outer("CROSSFADE_TEST_OUTER", "${CROSSFADE_TEST_INNER}");
  const TemporaryVariable inner("CROSSFADE_TEST_INNER", "never");
  EXPECT_EQ(*ExpandEnvironment("a${CROSSFADE_TEST_OUTER}b$c%41"), "a${CROSSFADE_TEST_INNER}b$c%41");
  EXPECT_EQ(*ExpandUrlPart("%41${CROSSFADE_TEST_INNER}"), "Anever");
  EXPECT_EQ(*DecodeUrlPart("%41${X}"), "A${X}");
}

TEST(Secrets, BadReferencesAreRefused) {
  for (const char* text : {"${", "${}", "${A", "${1A}", "${A B}", "${A-B}", "x${"}) {
    EXPECT_FALSE(ExpandEnvironment(text)) << text;
  }
}

TEST(Secrets, AFileLosesOneLineBreakOnly) {
  const TemporaryFolder folder;
  EXPECT_EQ(*ReadSecretFile(folder.Write("a", "secret\n")), "secret");
  EXPECT_EQ(*ReadSecretFile(folder.Write("b", "secret\r\n")), "secret");
  EXPECT_EQ(*ReadSecretFile(folder.Write("c", "sec ret \n\n")), "sec ret \n");
  EXPECT_EQ(*ReadSecretFile(folder.Write("d", "secret")), "secret");
}

TEST(Secrets, FilesThatAreNoSecretSayWhy) {
  const TemporaryFolder folder;
  EXPECT_EQ(ReadSecretFile(folder.path() + "/none").error().message,
            "can't be opened: No such file or directory");
  EXPECT_EQ(ReadSecretFile(folder.path()).error().message, "can't be read: Is a directory");
  EXPECT_EQ(ReadSecretFile(folder.Write("empty", "\n")).error().message, "is empty");
  EXPECT_EQ(ReadSecretFile("/dev/zero").error().message, "is too big: expected at most 64KiB");
}

TEST(Secrets, AFileOfExactlyTheBoundIsRead) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("f", std::string(20'000, 'x'));
  EXPECT_EQ(ReadBoundedFile(path, 20'000)->size(), 20'000u);
  EXPECT_FALSE(ReadBoundedFile(path, 19'999));
}

}  // namespace
}  // namespace crossfade::config
