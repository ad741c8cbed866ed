// Whatever a client sends: the keys of a command lie within its arguments, and
// the attempts that are made for one that blocks are whole commands. The same
// bytes are read as a store's COMMAND reply as well.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "routing/commands/blocking.h"
#include "routing/commands/command_reply.h"
#include "routing/commands/keys.h"
#include "routing/commands/serving.h"
#include "routing/resp/request.h"

namespace {

using namespace crossfade::routing;

void CheckCommand(const CommandSpec& spec, Args args) {
  std::vector<KeyPosition> keys;
  const Keys found = ExtractKeys(spec, args, keys);
  CROSSFADE_CHECK(found == Keys::kKnown || keys.empty());
  for (const KeyPosition& key : keys) {
    CROSSFADE_CHECK(key.arg >= 1 && key.arg < args.size());
    CROSSFADE_CHECK(key.db == kSameDb || key.db >= 0);
  }
  if (spec.single_key_at_1 && spec.ArityFits(args.size())) {
    CROSSFADE_CHECK(found == Keys::kKnown && keys.size() == 1 && keys[0].arg == 1);
  }
}

// One request, with the name and the keys of the command that it is made of.
void CheckAttempt(const BlockingRequest& wanted, std::span<const uint32_t> keys, Args args) {
  std::string text;
  AppendAttempt(text, wanted, keys);
  RequestDecoder decoder;
  const char* const end = text.data() + text.size();
  CROSSFADE_CHECK(decoder.Decode(text.data(), end, 1 << 30) == RequestDecoder::Outcome::kRequest);
  CROSSFADE_CHECK(decoder.length() == text.size());
  const Args attempt = decoder.args();
  CROSSFADE_CHECK(attempt[0] == args[0]);
  for (size_t i = 0; i < (keys.empty() ? wanted.keys.size() : keys.size()); ++i) {
    const std::string& key = wanted.keys[keys.empty() ? i : keys[i]];
    CROSSFADE_CHECK(std::find(attempt.begin(), attempt.end(), key) != attempt.end());
  }
}

void CheckBlocking(const CommandSpec& spec, Args args) {
  if (!spec.ArityFits(args.size())) return;
  std::vector<KeyPosition> positions;
  const Keys found = ExtractKeys(spec, args, positions);
  std::vector<Readied> readied;
  KeysReadied(spec, args, positions, readied);
  for (const Readied& key : readied) {
    CROSSFADE_CHECK(key.arg >= 1 && key.arg < args.size() && key.kinds != 0);
  }
  const Serving serving = ServingOf(spec, args);
  if (serving != Serving::kBlocking || found != Keys::kKnown) return;
  BlockingRequest wanted;
  if (!ParseBlocking(spec, args, wanted)) return;
  CROSSFADE_CHECK(!wanted.keys.empty() && wanted.timeout_ms >= 0);
  CROSSFADE_CHECK(wanted.kind != kWaitsForStream || wanted.ids.size() == wanted.keys.size());
  CheckAttempt(wanted, {}, args);
  const auto last = static_cast<uint32_t>(wanted.keys.size() - 1);
  CheckAttempt(wanted, {&last, 1}, args);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

void CheckFind(const CommandTable& table, Args args, const CommandSpec* found) {
  const std::string name = LowerCase(args[0]);
  if (name.find('|') != std::string::npos) {
    CROSSFADE_CHECK(found == nullptr);
    return;
  }
  const CommandSpec* by_name = table.FindName(name);
  CROSSFADE_CHECK((found == nullptr) == (by_name == nullptr));
  if (found == nullptr) return;
  CROSSFADE_CHECK(found == by_name ||
                  (args.size() > 1 && found->name == name + "|" + LowerCase(args[1])));
}

void CheckRequests(const char* p, const char* end) {
  const CommandTable& table = CommandTable::Redis70();
  RequestDecoder decoder;
  while (true) {
    const auto outcome = decoder.Decode(p, end, 1 << 20);
    if (outcome != RequestDecoder::Outcome::kRequest &&
        outcome != RequestDecoder::Outcome::kEmpty) {
      return;
    }
    p += decoder.length();
    if (outcome == RequestDecoder::Outcome::kEmpty) continue;
    const Args args = decoder.args();
    const CommandSpec* found = table.Find(args);
    CheckFind(table, args, found);
    if (found == nullptr) continue;
    CheckCommand(*found, args);
    CheckBlocking(*found, args);
  }
}

void CheckReply(std::string_view reply) {
  const auto commands = ParseCommandReply(reply);
  if (!commands) {
    CROSSFADE_CHECK(!commands.error().message.empty());
    return;
  }
  const std::vector<std::string_view> args = {"x", "2", "a", "STREAMS", "b", "c", "0", "1"};
  for (const StoreCommand& command : *commands) CheckCommand(command.spec, args);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const char* p = reinterpret_cast<const char*>(data);
  CheckRequests(p, p + size);
  CheckReply({p, size});
  return 0;
}
