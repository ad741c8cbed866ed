#include "proxy/artifacts/file_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "config/check.h"
#include "proxy/snapshot/snapshot_file.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kStep = 256 * 1024;
constexpr size_t kDigits = 64;
constexpr std::string_view kBetween = "  ";

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

bool IsDigest(std::string_view text) {
  return text.size() == kDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

Result<std::string> Sha256OfFile(const std::string& path) {
  const auto file = SnapshotFile::OpenToRead(path);
  if (!file) return tl::unexpected(file.error());
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  CROSSFADE_CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  std::vector<char> bytes(kStep);
  while (true) {
    const Result<size_t> n = (*file)->Read(bytes.data(), bytes.size());
    if (!n) return tl::unexpected(n.error());
    if (*n == 0) break;
    CROSSFADE_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), *n) == 1);
  }
  std::array<unsigned char, kDigits / 2> digest{};
  unsigned int size = 0;
  CROSSFADE_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1);
  CROSSFADE_CHECK(size == digest.size());
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string ChecksumLines(const Checksums& checksums) {
  std::string text;
  for (const auto& [name, digest] : checksums) {
    text += digest + std::string(kBetween) + name + "\n";
  }
  return text;
}

Result<Checksums> ParseChecksumLines(std::string_view text) {
  Checksums checksums;
  if (text.empty()) return Fail("is empty");
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return Fail("is cut short");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const size_t name_at = kDigits + kBetween.size();
    if (line.size() <= name_at || !IsDigest(line.substr(0, kDigits)) ||
        line.substr(kDigits, kBetween.size()) != kBetween) {
      return Fail("has a line that is no checksum");
    }
    const std::string name(line.substr(name_at));
    if (name.find('/') != std::string::npos) return Fail("names a file of another folder");
    if (!checksums.emplace(name, line.substr(0, kDigits)).second) {
      return Fail("names " + name + " twice");
    }
  }
  return checksums;
}

}  // namespace crossfade::proxy
