// A temporary folder with a configuration file, removed with the object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace crossfade::test {

class Scratch {
 public:
  Scratch() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "crossfade_control_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

  static void Write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  // As editors and configuration management do it.
  static void Replace(const std::filesystem::path& path, const std::string& text) {
    Write(path.string() + ".new", text);
    std::filesystem::rename(path.string() + ".new", path);
  }

 private:
  std::filesystem::path folder_;
};

inline std::string ConfigText(const std::string& follower, const std::string& more = "") {
  return "listen:\n  - {address: 127.0.0.1:6380}\n"
         "stores:\n"
         "  legacy: {url: \"redis://127.0.0.1:7001\"}\n"
         "  new: {url: \"redis://127.0.0.1:7002\"}\n"
         "stage: ramp\n"
         "reads: {follower: " +
         follower + "}\n" + more;
}

}  // namespace crossfade::test
