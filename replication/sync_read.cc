#include "replication/sync_read.h"

#include <limits>

#include "config/check.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kReadState =
    "return {redis.call(unpack(ARGV)), redis.call('PEXPIRETIME', KEYS[1])}";

uint32_t AppendValueRead(const KeyName& key, std::string& out) {
  if (key.form == SyncForm::kTypewise) return AppendStateReads(key.type, key.name, out);
  routing::AppendCommand(out, {"DUMP", key.name});
  return 1;
}

}  // namespace

uint32_t AppendSyncRead(const KeyName& key, std::string& out) {
  if (AsksForType(key)) {
    routing::AppendCommand(out, {"TYPE", key.name});
    return 0;
  }
  routing::AppendCommand(out, {"MULTI"});
  const uint32_t reads = AppendValueRead(key, out);
  routing::AppendCommand(out, {"PEXPIRETIME", key.name});
  routing::AppendCommand(out, {"EXEC"});
  return reads + 2;
}

void AppendSyncScript(const KeyName& key, std::string& out) {
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

}  // namespace crossfade::replication
