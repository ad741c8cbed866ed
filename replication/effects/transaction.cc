// DeriveTransaction: EXEC's reply judged element by element.
#include <charconv>
#include <unordered_map>
#include <utility>

#include "replication/effects.h"
#include "replication/effects/derivation.h"
#include "replication/effects/expiry.h"
#include "replication/effects/stream_trims.h"
#include "routing/commands/command_id.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"

namespace crossfade::replication {

using effects::NamedTime;
using effects::StreamTrims;
using routing::CommandId;

namespace {

constexpr std::string_view kMulti = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view kExec = "*1\r\n$4\r\nEXEC\r\n";

// The elements' own deadline: far, so that no key vanishes between the elements
// on a follower that is late. The true one is set after them.
constexpr int64_t kFarMs = 32'503'680'000'000;  // the year 3000

// How far `now_ms` may be off the authority's clock: an absolute time nearer
// than that may or may not have been in the past.
constexpr int64_t kClockDoubtMs = 5000;

bool AboutWholeKeyspace(CommandId id) {
  return id == CommandId::kFlushall || id == CommandId::kFlushdb || id == CommandId::kSwapdb;
}

enum class When { kAhead, kPast, kUnsure };

When WhenIs(const NamedTime& named, int64_t deadline_ms, int64_t now_ms) {
  int64_t value = 0;
  if (!routing::ParseInteger(named.text, value)) return When::kUnsure;
  if (named.relative) return value > 0 ? When::kAhead : When::kPast;
  if (named.seconds && __builtin_mul_overflow(value, int64_t{1000}, &value)) return When::kUnsure;
  if (value == deadline_ms) return When::kAhead;
  if (value > now_ms + kClockDoubtMs) return When::kAhead;
  return value < now_ms - kClockDoubtMs ? When::kPast : When::kUnsure;
}

class TransactionDerivation {
 public:
  TransactionDerivation(std::span<const QueuedCommand> commands,
                        std::span<const Deadline> deadlines, std::span<const StreamLength> lengths,
                        int64_t now_ms, Effect& effect)
      : now_ms_(now_ms), trims_(commands, lengths), effect_(effect) {
    keys_.reserve(deadlines.size());
    for (const Deadline& deadline : deadlines) keys_[deadline.key] = {deadline.at_ms, false};
    effect_.bytes.append(kMulti);
  }

  void Add(const QueuedCommand& command, size_t index, std::string_view reply);
  void Finish(std::span<const Deadline> deadlines);
  bool whole_keyspace() const { return whole_keyspace_; }

 private:
  struct KeyState {
    int64_t at_ms = -1;
    bool has_far_deadline = false;  // at some point, after the elements so far
  };

  void AddScript(const QueuedCommand& command, std::string_view reply);
  void AddTrimmed(const QueuedCommand& command, size_t index, std::string_view reply);
  void AddTimed(const QueuedCommand& command, std::string_view reply, const NamedTime& named);
  void AddDerived(const QueuedCommand& command, std::string_view reply);
  void AddCommand(std::initializer_list<std::string_view> command, std::string_view expected);
  void Count(uint32_t commands, std::string_view expected);
  void CorrectDeadlines(std::span<const Deadline> deadlines);

  const int64_t now_ms_;
  const StreamTrims trims_;
  Effect& effect_;
  Effect element_;
  std::unordered_map<std::string_view, KeyState> keys_;
  bool unknown_ = false;        // some element's effect can't be derived
  bool reply_unknown_ = false;  // some command's reply can't be foretold
  bool whole_keyspace_ = false;
  bool swaps_ = false;
};

// `expected`: the last command's reply.
void TransactionDerivation::Count(uint32_t commands, std::string_view expected) {
  effect_.commands += commands;
  effect_.expected.append(expected);
  reply_unknown_ |= expected.empty() || commands > 1;
}

void TransactionDerivation::AddCommand(std::initializer_list<std::string_view> command,
                                       std::string_view expected) {
  routing::AppendCommand(effect_.bytes, command);
  Count(1, expected);
}

void TransactionDerivation::Add(const QueuedCommand& command, size_t index,
                                std::string_view reply) {
  if (command.script) return AddScript(command, reply);
  // The db of all that follows would be another.
  if (command.spec->id == CommandId::kSelect && reply == effects::kOkFrame) unknown_ = true;
  const std::optional<NamedTime> named = effects::TimeNamedBy(*command.spec, command.args);
  if (named) return AddTimed(command, reply, *named);
  if (effects::TrimsApproximately(*command.spec, command.args)) {
    return AddTrimmed(command, index, reply);
  }
  effects::DeriveElement(*command.spec, command.args, reply, std::nullopt, std::nullopt, element_);
  AddDerived(command, reply);
}

// Deadlines that a script sets among other elements are not told apart.
void TransactionDerivation::AddScript(const QueuedCommand& command, std::string_view reply) {
  const ScriptTraits& traits = *command.script;
  DeriveScript(traits, {}, reply, std::nullopt, element_);
  whole_keyspace_ |= traits.all_keys;
  if (element_.kind != Effect::Kind::kReplay || traits.text.empty()) {
    return AddDerived(command, reply);
  }
  element_.kind = Effect::Kind::kRewritten;
  element_.commands = 1;
  element_.expected.assign(reply);
  routing::AppendHead(element_.bytes, '*', static_cast<int64_t>(command.args.size()));
  routing::AppendBulk(element_.bytes, "EVAL");
  routing::AppendBulk(element_.bytes, traits.text);
  for (const std::string_view arg : command.args.subspan(2)) {
    routing::AppendBulk(element_.bytes, arg);
  }
  AddDerived(command, reply);
}

void TransactionDerivation::AddTrimmed(const QueuedCommand& command, size_t index,
                                       std::string_view reply) {
  const StreamTrims::Trim trim = trims_.Of(command.args[1], index);
  const bool left_to_later = trim.known && !trim.last;
  effects::DeriveElement(*command.spec, command.args, reply, std::nullopt,
                         left_to_later ? std::nullopt : std::optional(trim.length), element_);
  const bool nothing = element_.kind == Effect::Kind::kNothing;
  const bool only = trim.first && trim.last;
  if (!trim.known && !(nothing && only)) unknown_ = true;
  // Of several, the last does what those before it have left to it; XTRIM's reply
  // is another then.
  if (trim.last && !only && (nothing || command.spec->id == CommandId::kXtrim)) unknown_ = true;
  AddDerived(command, reply);
}

void TransactionDerivation::AddTimed(const QueuedCommand& command, std::string_view reply,
                                     const NamedTime& named) {
  const std::string_view key = command.args[1];
  effects::DeriveElement(*command.spec, command.args, reply, Deadline{key, kFarMs}, std::nullopt,
                         element_);
  if (element_.kind == Effect::Kind::kNothing) return;
  const auto state = keys_.find(key);
  const When when =
      state == keys_.end() ? When::kUnsure : WhenIs(named, state->second.at_ms, now_ms_);
  if (when == When::kUnsure) {
    unknown_ = true;
    return;
  }
  // What sets an expiry that has passed leaves no key, for the elements after it either.
  AddDerived(command, reply);
  if (when == When::kPast) return AddCommand({"DEL", key}, effects::kOneFrame);
  state->second.has_far_deadline = true;
}

void TransactionDerivation::AddDerived(const QueuedCommand& command, std::string_view reply) {
  effect_.guard |= element_.guard;
  effect_.may_set_expiry |= element_.may_set_expiry;
  effect_.passes_expiry_on |= element_.passes_expiry_on;
  switch (element_.kind) {
    case Effect::Kind::kNothing:
      return;
    case Effect::Kind::kSync:
      unknown_ = true;
      whole_keyspace_ |= AboutWholeKeyspace(command.spec->id);
      return;
    case Effect::Kind::kFlush:
    case Effect::Kind::kSwap:
      whole_keyspace_ = true;
      swaps_ |= element_.kind == Effect::Kind::kSwap;
      break;
    case Effect::Kind::kReplay:
    case Effect::Kind::kRewritten:
      break;
  }
  if (element_.passes_expiry_on) {
    // A deadline that is not the true one may be handed on to where it is not corrected.
    for (const auto& [key, state] : keys_) {
      const bool read = command.spec->id == CommandId::kOther || command.args.size() < 2 ||
                        element_.kind == Effect::Kind::kSwap || key == command.args[1];
      unknown_ |= state.has_far_deadline && read;
    }
  }
  if (element_.kind == Effect::Kind::kRewritten) {
    effect_.bytes.append(element_.bytes);
    Count(element_.commands, element_.expected);
  } else {
    routing::AppendCommand(effect_.bytes, command.args);
    Count(1, reply);
  }
}

void TransactionDerivation::CorrectDeadlines(std::span<const Deadline> deadlines) {
  for (const Deadline& deadline : deadlines) {
    KeyState& state = keys_[deadline.key];
    if (!std::exchange(state.has_far_deadline, false)) continue;
    if (state.at_ms == -1) {  // a later element has taken it away again, here too
      AddCommand({"PERSIST", deadline.key}, ":0\r\n");
    } else if (state.at_ms >= 0) {
      char text[24];
      const char* end = std::to_chars(text, text + sizeof text, state.at_ms).ptr;
      AddCommand({"PEXPIREAT", deadline.key, {text, static_cast<size_t>(end - text)}},
                 effects::kOneFrame);
    } else {  // gone, or deleted by a later element: SET first, so that DEL's reply is known
      AddCommand({"SET", deadline.key, ""}, effects::kOkFrame);
      AddCommand({"DEL", deadline.key}, effects::kOneFrame);
    }
  }
}

void TransactionDerivation::Finish(std::span<const Deadline> deadlines) {
  CorrectDeadlines(deadlines);
  // Which key a name means changes in between: a guard may ask for another.
  unknown_ |= swaps_ && (effect_.guard || reply_unknown_);
  if (unknown_) {
    effect_.Clear();
    effect_.kind = Effect::Kind::kSync;
    return;
  }
  if (effect_.commands == 0) return effect_.Clear();
  effect_.kind = Effect::Kind::kRewritten;
  if (effect_.commands == 1) {
    effect_.bytes.erase(0, kMulti.size());
    return;
  }
  effect_.bytes.append(kExec);
  if (reply_unknown_) {
    // Nothing tells any more whether a key was there.
    effect_.expected.clear();
    effect_.guard = true;
  } else {
    std::string head;
    routing::AppendHead(head, '*', effect_.commands);
    effect_.expected.insert(0, head);
  }
  effect_.commands += 2;
}

}  // namespace

void DeriveTransaction(std::span<const QueuedCommand> commands, std::string_view exec_reply,
                       std::span<const Deadline> deadlines, int64_t now_ms, Effect& effect,
                       bool& whole_keyspace, std::span<const StreamLength> lengths) {
  effect.Clear();
  whole_keyspace = false;
  if (effects::IsNilFrame(exec_reply) || exec_reply.starts_with("-EXECABORT")) return;
  if (exec_reply.starts_with('-')) {
    // MULTI may have been refused (a user may lack the right), and the rest run alone.
    effect.kind = Effect::Kind::kSync;
    return;
  }
  TransactionDerivation transaction(commands, deadlines, lengths, now_ms, effect);
  effects::ArrayReader elements(exec_reply);
  bool understood = elements.IsArray() && elements.size() == static_cast<int64_t>(commands.size());
  std::string_view rest = understood ? elements.Rest() : std::string_view();
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string_view reply = understood ? routing::FirstValue(rest) : std::string_view();
    understood = !reply.empty();
    transaction.Add(commands[i], i, reply);
    rest.remove_prefix(reply.size());
  }
  transaction.Finish(deadlines);
  whole_keyspace = transaction.whole_keyspace();
}

}  // namespace crossfade::replication
