// AuthAttempt: a session's AUTH, HELLO or SELECT that waits for somebody's answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace crossfade::proxy {

struct AuthAttempt {
  std::string reply;                  // empty: not known yet
  std::optional<uint32_t> former_db;  // of a SELECT, should it be refused
};

}  // namespace crossfade::proxy
