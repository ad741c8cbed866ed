// Whatever a snapshot's file holds: reading it ends, and nothing that was changed is
// taken for what was written.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "config/check.h"
#include "replication/snapshot/reader.h"
#include "replication/snapshot/writer.h"

namespace {

using namespace crossfade::replication;

class Bytes final : public ByteSink, public ByteSource {
 public:
  explicit Bytes(std::string bytes = "") : bytes_(std::move(bytes)) {}
  crossfade::Status Append(std::string_view more) override {
    bytes_ += more;
    return {};
  }
  crossfade::Status Sync() override { return {}; }
  crossfade::Result<size_t> Read(char* to, size_t room) override {
    const size_t n = std::min(room, bytes_.size() - at_);
    std::memcpy(to, bytes_.data() + at_, n);
    at_ += n;
    return n;
  }
  const std::string& all() const { return bytes_; }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

SnapshotHeader Header() { return {1, "run", "7.0.15", "legacy", "127.0.0.1:1"}; }

// Whether it is whole.
bool Read(std::string_view bytes) {
  Bytes file{std::string(bytes)};
  const auto part = ReadPart(file);
  if (part) CROSSFADE_CHECK(part->good_bytes <= bytes.size());
  return part && part->whole;
}

std::string Written() {
  Bytes file;
  SnapshotWriter writer(file);
  CROSSFADE_CHECK(writer.Begin(Header()).has_value());
  CROSSFADE_CHECK(writer.Add({SnapshotTag::kFunctions, 0, 0, "", "library"}).has_value());
  for (int i = 0; i < 40; ++i) {
    const std::string name = "key:" + std::to_string(i);
    CROSSFADE_CHECK(writer.Add({SnapshotTag::kKey, 0, i, name, name}).has_value());
  }
  CROSSFADE_CHECK(writer.Finish().has_value());
  return file.all();
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
      (void)Read(bytes);
      break;
    case 1: {  // as records
      std::string file = EncodeSnapshotHeader(Header());
      AppendSnapshotBlock(0, {}, 1, bytes, file);
      AppendSnapshotEnd({1, 1, 0, 0}, file);
      (void)Read(file);
      break;
    }
    case 2:  // behind a header
      (void)Read(EncodeSnapshotHeader(Header()) + std::string(bytes));
      (void)ParseRestoreMark(bytes);
      break;
    default:
      CheckChanged(bytes);
  }
  return 0;
}
