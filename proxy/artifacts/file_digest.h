// SHA-256 of files, and of several in the form that `sha256sum -c` reads: a line each,
// the digest in hex, two spaces, the name. Blocking; thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/result.h"

namespace crossfade::proxy {

// 64 lower-case hex digits.
Result<std::string> Sha256OfFile(const std::string& path);

using Checksums = std::map<std::string, std::string>;  // by the file's name
std::string ChecksumLines(const Checksums& checksums);
// Fails unless it is what ChecksumLines writes, whole.
Result<Checksums> ParseChecksumLines(std::string_view text);

}  // namespace crossfade::proxy
