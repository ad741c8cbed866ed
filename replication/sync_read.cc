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

// As if HGETALL was asked, unless a field has an expiry: of them that tells nothing.
constexpr std::string_view kReadHash = R"(local value = redis.call('HGETALL', KEYS[1])
local i = 1
while i <= #value do
  local ask = {'HPEXPIRETIME', KEYS[1], 'FIELDS', 0}
  while i <= #value and #ask < 1000 do
    ask[#ask + 1] = value[i]
    i = i + 2
  end
  ask[4] = #ask - 4
  for _, at in ipairs(redis.call(unpack(ask))) do
    if tonumber(at) and tonumber(at) >= 0 then
      value = redis.error_reply('FIELDEXPIRY fields of the hash have expiries')
      i = math.huge
      break
    end
  end
end
return {value, redis.call('PEXPIRETIME', KEYS[1])})";

bool AsksForFields(const KeyToSync& key) {
  return key.form == SyncForm::kTypewise && key.type == KeyType::kHash && key.asks_fields &&
         key.cursor.empty();
}

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
  if (AsksForFields(key)) {
    routing::AppendCommand(out, {"EVAL_RO", kReadHash, "1", key.name});
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
