// ClientFilter: which clients CLIENT LIST and CLIENT KILL are about. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace crossfade::proxy {

enum class ClientType : uint8_t { kNormal, kPubsub, kMaster, kReplica };

// What is not set matches every client.
struct ClientFilter {
  uint64_t id = 0;
  uint64_t except = 0;  // the id of the one that asks
  std::optional<ClientType> type;
  std::optional<std::string> user, address, local_address;
};

// What only the session that has the request in hand can tell of it.
struct RequestInHand {
  uint64_t client = 0;
  size_t input_bytes = 0;
  size_t argument_bytes = 0;
};

}  // namespace crossfade::proxy
