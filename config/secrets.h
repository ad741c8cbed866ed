// Where secrets come from and how they are shown: environment variables and
// files in, SHA-256 out. Thread-safe as long as nobody changes the environment.
// Errors never contain a secret.
#pragma once

#include <string>
#include <string_view>

#include "config/result.h"

namespace crossfade::config {

// Puts the values of environment variables in place of ${NAME}. A value is
// taken as it is, never expanded again.
Result<std::string> ExpandEnvironment(std::string_view text);
// Decodes %XX.
Result<std::string> DecodeUrlPart(std::string_view text);
// Both at once; what comes from the environment is not decoded.
Result<std::string> ExpandUrlPart(std::string_view text);

// The file's content without its last line break. Fails when it is empty or
// over 64 KiB.
Result<std::string> ReadSecretFile(const std::string& path);

// Reads a whole file of at most `bytes_max` bytes.
Result<std::string> ReadBoundedFile(const std::string& path, size_t bytes_max);

// 64 lower-case hex digits.
std::string Sha256Hex(std::string_view text);

}  // namespace crossfade::config
