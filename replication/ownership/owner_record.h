// What is written on the stores about who mirrors onto them: the record of the
// owner under crossfade:owner, which expires, and that of the last tenure under
// crossfade:tenure, which does not. Pure values; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crossfade::replication {

// A process, so that one on the same machine can tell whether it has ended.
struct ProcessMark {
  std::string boot;          // the machine's boot id; empty: not known
  std::string namespace_of;  // of the process ids
  int64_t pid = 0;
  uint64_t started = 0;  // in the machine's ticks since its boot
  bool operator==(const ProcessMark&) const = default;
};

struct OwnerRecord {
  std::string id;      // of the process, random
  uint64_t epoch = 0;  // rises with each tenure
  std::string pair;    // of the two stores, random, from their first owner on
  int64_t lease_ms = 0;
  std::string address;      // where its plain listener can be reached; empty: nowhere
  std::string tls_address;  // that for TLS
  std::string admin;        // of its admin listener, for the operator
  std::string authority;    // run id of the store that it took the lease on
  std::string stores;       // what it mirrors onto what, for the operator
  ProcessMark process;
  bool operator==(const OwnerRecord&) const = default;
};

struct TenureRecord {
  enum class State : uint8_t {
    kHeld,
    kReleased,  // ended by its owner
    kInStep,    // likewise, with the follower holding all that the authority held
  };
  std::string id;
  uint64_t epoch = 0;
  std::string pair;
  State state = State::kHeld;
  bool operator==(const TenureRecord&) const = default;
};

std::string Encode(const OwnerRecord& record);
std::string Encode(const TenureRecord& record);
// Nothing when the text is not such a record.
std::optional<OwnerRecord> ParseOwner(std::string_view text);
std::optional<TenureRecord> ParseTenure(std::string_view text);

}  // namespace crossfade::replication
