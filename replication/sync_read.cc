#include "replication/sync_read.h"

#include <limits>

#include "config/check.h"
#include "replication/effects/chunks.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kReadState =
    "return {redis.call(unpack(ARGV)), redis.call('PEXPIRETIME', KEYS[1])}";

uint32_t AppendValueRead(const KeyToSync& key, std::string& out) {
  if (!key.cursor.empty()) {
    AppendChunkRead(key.type, key.name, key.cursor, key.elements, out);
    return 1;
  }
  if (key.form == SyncForm::kTypewise) return AppendStateReads(key.type, key.name, out);
  routing::AppendCommand(out, {"DUMP", key.name});
  return 1;
}

void AppendScript(const KeyToSync& key, std::string& out) {
  std::string read;
  AppendValueRead(key, read);
  routing::RequestDecoder decoder;
  const auto outcome =
      decoder.Decode(read.data(), read.data() + read.size(), std::numeric_limits<int64_t>::max());
  CROSSFADE_CHECK(outcome == routing::RequestDecoder::Outcome::kRequest &&
                  decoder.length() == read.size());
  std::vector<std::string_view> script = {"EVAL_RO", kReadState, "1", key.name};
  script.insert(script.end(), decoder.args().begin(), decoder.args().end());
  routing::AppendCommand(out, script);
}

}  // namespace

uint32_t AppendSyncRead(const KeyToSync& key, std::string& out) {
  if (AsksForSize(key)) {
    routing::AppendCommand(out, {"MEMORY", "USAGE", key.name});
    return 0;
  }
  if (AsksForType(key)) {
    routing::AppendCommand(out, {"TYPE", key.name});
    return 0;
  }
  if (key.by_script) {
    AppendScript(key, out);
    return 0;
  }
  routing::AppendCommand(out, {"MULTI"});
  const uint32_t reads = AppendValueRead(key, out);
  routing::AppendCommand(out, {"PEXPIRETIME", key.name});
  routing::AppendCommand(out, {"EXEC"});
  return reads + 2;
}

}  // namespace crossfade::replication
