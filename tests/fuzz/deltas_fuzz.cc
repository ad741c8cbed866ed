// Whatever a delta log holds: reading it ends, and nothing that was changed is taken
// for what was written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/check.h"
#include "replication/deltas/reader.h"
#include "replication/deltas/writer.h"
#include "tests/replication/snapshot/memory_file.h"

namespace {

using namespace crossfade::replication;

DeltaHeader Header() { return {1, "verify", "digest", "a:1 run", "b:2 run"}; }

// Whether it is whole.
bool Read(std::string bytes) {
  MemoryFile file(std::move(bytes));
  DeltaReader reader(file);
  if (!reader.ReadHeader()) return false;
  DeltaRecord record;
  while (true) {
    const auto next = reader.Next(record);
    if (!next || !*next) return next.has_value();
    std::string again;
    AppendDeltaRecord(record, again);
    std::string_view rest = again;
    CROSSFADE_CHECK(TakeDeltaRecord(rest, record) && rest.empty());
  }
}

std::string Written() {
  MemoryFile file;
  DeltaWriter writer(file);
  CROSSFADE_CHECK(writer.Begin(Header()).has_value());
  for (int i = 0; i < 40; ++i) {
    DeltaRecord record;
    record.difference.key = "key:" + std::to_string(i);
    record.difference.authority = {true, KeyType::kHash, 7, 8, 9};
    CROSSFADE_CHECK(writer.Add(record).has_value());
  }
  CROSSFADE_CHECK(writer.Finish().has_value());
  return file.bytes;
}

// Triples: a place, and what is changed there.
void CheckChanged(std::string_view changes) {
  static const std::string kWritten = Written();
  std::string bytes = kWritten;
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const size_t at = static_cast<uint8_t>(changes[0]) * 256u + static_cast<uint8_t>(changes[1]);
    if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ changes[2]);
  }
  CROSSFADE_CHECK(Read(bytes) == (bytes == kWritten));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      (void)Read(std::string(bytes));
      break;
    case 1: {  // as records
      std::string file = EncodeDeltaHeader(Header());
      AppendFrame(kDeltaBlockMagic, DeltaFields{0, 1, 0}, bytes, file);
      AppendFrame(kDeltaEndMagic, DeltaFields{1, 1, 0}, "", file);
      (void)Read(std::move(file));
      break;
    }
    case 2:  // behind a header
      (void)Read(EncodeDeltaHeader(Header()) + std::string(bytes));
      break;
    default:
      CheckChanged(bytes);
  }
  return 0;
}
