// Whatever a journal's files hold: reading them ends, and nothing that was changed
// is taken for what was written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/check.h"
#include "replication/journal/recovery.h"

namespace {

using namespace crossfade::replication;

constexpr const char* kPair = "legacy a, new b";
constexpr BootId kBoot{1};

Recovered Read(std::string_view segment) {
  Recovery recovery(kPair, kBoot);
  recovery.Read(segment, true);
  return recovery.Finish();
}

std::string Header() { return EncodeSegmentHeader({JournalMode::kProcess, 1, 0, kBoot, 0, kPair}); }

std::string Written() {
  std::string segment = Header();
  std::string records;
  AppendState({FollowerClaim::kLive, false, 0, "authority", "follower"}, records);
  AppendWriteMany({{0, "one"}, {1, "two"}}, records);
  AppendBlock({0, 1, 0, 0}, records, segment);
  records.clear();
  for (int i = 0; i < 40; ++i) AppendWrite({0, "key:" + std::to_string(i)}, records);
  AppendBlock({1, 2, 1, 0}, records, segment);
  return segment;
}

// Pairs of a place and what is changed there.
void CheckChanged(std::string_view changes) {
  static const std::string kWritten = Written();
  std::string segment = kWritten;
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const size_t at = static_cast<uint8_t>(changes[0]) * 256u + static_cast<uint8_t>(changes[1]);
    if (at < segment.size()) segment[at] = static_cast<char>(segment[at] ^ changes[2]);
  }
  const Recovered recovered = Read(segment);
  if (segment == kWritten) {
    CROSSFADE_CHECK(recovered.claim == FollowerClaim::kLive && recovered.dirty.size() == 40);
  } else if (recovered.claim == FollowerClaim::kLive) {
    // Only with a tail of zeros, which is what a write that was cut short leaves.
    CROSSFADE_CHECK(segment.back() == 0 && recovered.blocks < 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      (void)Read(bytes);
      break;
    case 1: {
      std::string segment = Header();
      AppendBlock({0, 1, 0, 0}, bytes, segment);
      (void)Read(segment);
      break;
    }
    default:
      CheckChanged(bytes);
  }
  return 0;
}
