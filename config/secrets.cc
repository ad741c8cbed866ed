#include "config/secrets.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "config/check.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

constexpr size_t kSecretFileMax = 64 * 1024;

bool IsNameByte(char c, bool first) {
  const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  return letter || (!first && c >= '0' && c <= '9');
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `text` begins with "${"; takes the whole reference off its front.
Result<std::string> TakeReference(std::string_view& text) {
  size_t end = 2;
  while (end < text.size() && IsNameByte(text[end], end == 2)) ++end;
  if (end == 2 || end == text.size() || text[end] != '}') {
    return Fail("${NAME} with the name of an environment variable");
  }
  const std::string name(text.substr(2, end - 2));
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return Fail("the environment variable " + name + " to be set");
  text.remove_prefix(end + 1);
  return std::string(value);
}

Result<std::string> Expand(std::string_view text, bool environment, bool percent) {
  std::string expanded;
  while (!text.empty()) {
    if (environment && text.starts_with("${")) {
      Result<std::string> value = TakeReference(text);
      if (!value) return value;
      expanded += *value;
    } else if (percent && text[0] == '%') {
      const int high = text.size() > 2 ? HexValue(text[1]) : -1;
      const int low = text.size() > 2 ? HexValue(text[2]) : -1;
      if (high < 0 || low < 0) return Fail("two hex digits after every % (%25 for % itself)");
      expanded += static_cast<char>(high * 16 + low);
      text.remove_prefix(3);
    } else {
      expanded += text[0];
      text.remove_prefix(1);
    }
  }
  return expanded;
}

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};

}  // namespace

Result<std::string> ExpandEnvironment(std::string_view text) { return Expand(text, true, false); }

Result<std::string> DecodeUrlPart(std::string_view text) { return Expand(text, false, true); }

Result<std::string> ExpandUrlPart(std::string_view text) { return Expand(text, true, true); }

Result<std::string> ReadBoundedFile(const std::string& path, size_t bytes_max) {
  const std::unique_ptr<FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return Fail(std::string("can't be opened: ") + std::strerror(errno));
  std::string content;
  std::array<char, 16 * 1024> block;
  while (content.size() <= bytes_max) {
    const size_t got = std::fread(block.data(), 1, block.size(), file.get());
    content.append(block.data(), got);
    if (got < block.size()) break;
  }
  if (std::ferror(file.get()) != 0) {
    return Fail(std::string("can't be read: ") + std::strerror(errno));
  }
  if (content.size() > bytes_max) {
    return Fail("is too big: expected at most " + SizeText(bytes_max));
  }
  return content;
}

Result<std::string> ReadSecretFile(const std::string& path) {
  Result<std::string> content = ReadBoundedFile(path, kSecretFileMax);
  if (!content) return content;
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  if (content->empty()) return Fail("is empty");
  return content;
}

std::string Sha256Hex(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  CROSSFADE_CHECK(done == 1 && size == digest.size());
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

}  // namespace crossfade::config
