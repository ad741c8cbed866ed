#include "config/yaml_document.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <sstream>

#include "config/values.h"

namespace crossfade::config {
namespace {

// Where the last document began; the rest is of no interest.
class DocumentStart : public YAML::EventHandler {
 public:
  int line() const { return line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int line_ = 1;
};

// yaml-cpp takes some of these for the end of the file, so that settings behind
// one would be lost without a word.
bool CheckBytes(const std::string& yaml, Problems& problems) {
  const auto bad = std::find_if(yaml.begin(), yaml.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
  });
  if (bad == yaml.end()) return true;
  const auto line = 1 + std::count(yaml.begin(), bad, '\n');
  problems.Add(
      static_cast<int>(line), "",
      "found the control character " + Quote(std::string_view(&*bad, 1)) + ", expected UTF-8 text");
  return false;
}

// The library parses the first document and ignores what comes behind it. Its
// LoadAll is no way out: text that no document can begin with, such as a comma
// in front of the first key, makes it loop until memory is gone.
bool CheckEnd(const std::string& yaml, Problems& problems) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  DocumentStart documents;
  if (!parser.HandleNextDocument(documents) || !parser.HandleNextDocument(documents)) return true;
  problems.Add(documents.line(), "",
               "found more behind the end of the YAML document, expected one");
  return false;
}

// The library's words without what they quote from the file.
std::string SyntaxProblem(const YAML::Exception& error) {
  std::string what = error.msg.substr(0, error.msg.find(": "));
  if (dynamic_cast<const YAML::DeepRecursion*>(&error) != nullptr) what = "nested too deeply";
  return "found a YAML syntax error, " + what + " (column " +
         std::to_string(error.mark.column + 1) + "), expected valid YAML";
}

}  // namespace

bool ParseDocument(const std::string& yaml, YAML::Node& root, Problems& problems) {
  if (!CheckBytes(yaml, problems)) return false;
  try {
    root = YAML::Load(yaml);
    return CheckEnd(yaml, problems);
  } catch (const YAML::Exception& error) {
    problems.Add(std::max(error.mark.line, 0) + 1, "", SyntaxProblem(error));
    return false;
  }
}

}  // namespace crossfade::config
