// Whatever a client sends: the keys of a command lie within its arguments. The
// same bytes are read as a store's COMMAND reply as well.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "routing/commands/command_reply.h"
#include "routing/commands/keys.h"
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
    if (found != nullptr) CheckCommand(*found, args);
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
