// Problems: what is wrong with one configuration file, collected so that all of
// it is reported at once, and the lines on which settings were found. Used by
// one thread while a file is read.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::config {

class Problems {
 public:
  // Remembers where a setting stands, for checks that come later.
  void Located(const std::string& path, int line) { lines_[path] = line; }
  bool IsSet(const std::string& path) const { return lines_.contains(path); }
  // The line of the setting, or of the nearest section around it.
  int LineOf(std::string_view path) const;

  // "PATH: WHAT" on the line; an empty path is the file itself.
  void Add(int line, std::string_view path, std::string_view what);
  void Add(std::string_view path, std::string_view what) { Add(LineOf(path), path, what); }
  bool Empty() const { return problems_.empty(); }

  // One "FILE:LINE: PATH: WHAT" per line, by line number; cut after the first 100.
  std::string Render(const std::string& file) const;

 private:
  struct Problem {
    int line;
    std::string text;
  };
  std::vector<Problem> problems_;
  std::map<std::string, int, std::less<>> lines_;
};

}  // namespace crossfade::config
