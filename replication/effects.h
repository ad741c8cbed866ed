// Effects: from a write, its arguments and the authority's reply to the
// deterministic commands that bring the follower's keys to the same state.
// Pure functions of their input; the table is shared/effects.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "routing/commands/command_table.h"

namespace crossfade::replication {

// What is asked of the authority on the same lane right behind a command, so
// that the effect is known exactly, of args[key_arg]: its absolute expiry
// (PEXPIRETIME; -2 no key, -1 no expiry), or the length of the stream that was
// trimmed to about what the command says (XLEN).
struct AskBehind {
  bool deadline = false;
  bool length = false;
  uint32_t key_arg = 0;

  explicit operator bool() const { return deadline || length; }
};
AskBehind WhatToAskBehind(const routing::CommandSpec& spec, routing::Args args);

// What PEXPIRETIME replied for a key right behind the command or the transaction.
struct Deadline {
  std::string_view key;
  int64_t at_ms = -1;  // Unix time in ms; -1 no expiry, -2 no key
};

// What XLEN replied, likewise.
struct StreamLength {
  std::string_view key;
  int64_t entries = 0;
};

struct Effect {
  enum class Kind : uint8_t {
    kNothing,    // refused, or the reply says that nothing changed
    kReplay,     // the client's own bytes; the follower must reply the same
    kRewritten,  // `bytes` instead
    kSync,       // not derivable: every key that the command writes becomes dirty
    kFlush,      // FLUSHALL or FLUSHDB of the current db: the client's own bytes
    kSwap,       // SWAPDB: the client's own bytes
  };
  Kind kind = Kind::kNothing;
  // kRewritten: `commands` commands in RESP2, applied without anything between them.
  uint32_t commands = 0;
  std::string bytes;
  // kRewritten: the exact RESP2 reply that the last command (of a transaction:
  // EXEC) must get; empty where only an error would be a difference.
  std::string expected;
  // kRewritten: so many commands stand behind the one whose reply is `expected`
  // and correct what it did; of them only an error is a difference.
  uint32_t corrections = 0;
  // A key that the effect keeps, reads or may create could have vanished on one
  // side alone without the replies telling: its expiry is checked first (R5).
  bool guard = false;
  // After it a key that it writes may have an expiry.
  bool may_set_expiry = false;
  // It hands the expiry of a key that it reads on to a key that it writes (RENAME, COPY, MOVE).
  bool passes_expiry_on = false;

  void Clear();  // keeps the strings' memory
};

// `reply` is the authority's complete reply frame (RESP2). `deadline` or `length`
// is what was asked behind, where WhatToAskBehind wanted it. The effect of a
// command without a rule is kReplay when its keys are known, else kSync.
// Read-only commands: kNothing.
void DeriveEffect(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                  std::optional<Deadline> deadline, Effect& effect,
                  std::optional<StreamLength> length = std::nullopt);

// The commonest effect, seen without looking at the arguments: the client's own
// bytes with the authority's reply, no expiry, no guard.
inline bool IsPlainReplay(const routing::CommandSpec& spec, size_t argc, std::string_view reply) {
  return spec.id == routing::CommandId::kSet && argc == 3 && reply == "+OK\r\n";
}

// What was decided of a script (scripts.h), as far as its effect depends on it.
struct ScriptTraits {
  bool reads = false;        // it writes nothing
  bool replay = false;       // the follower may run it
  bool sets_expiry = false;  // its keys' deadlines must be known
  bool all_keys = false;     // it may change all keys of a db
  std::string_view text;     // of EVALSHA: what it runs, for a follower that may not have it
};

// Of EVAL, EVALSHA and FCALL alone. `request` is the client's own bytes,
// `deadlines` those of the declared keys, if all were read behind it. kNothing, kReplay,
// kRewritten (the request, and behind it what makes the deadlines those of the
// authority), or kSync, which is all that is known after an error.
void DeriveScript(const ScriptTraits& traits, std::string_view request, std::string_view reply,
                  std::optional<std::span<const Deadline>> deadlines, Effect& effect);

// A command inside a transaction, and the spec it was found to have.
struct QueuedCommand {
  const routing::CommandSpec* spec;
  routing::Args args;
  std::optional<ScriptTraits> script = std::nullopt;  // of a script
};

// Of a whole transaction: EXEC's reply is judged element by element. `deadlines`
// and `lengths` hold, for every key for which an element's WhatToAskBehind wanted
// it, what was read behind EXEC; elements are given a far deadline, and the true
// one is set after them. `now_ms`, on the authority's clock to within seconds, tells
// whether an absolute time that an element names was in the past.
// The result is kNothing, kSync (all keys written by it), or kRewritten (MULTI …
// EXEC, or one command alone). `whole_keyspace`: it contains FLUSHALL, FLUSHDB
// or SWAPDB; with kSync the follower's whole keyspace is in doubt.
// A SELECT that succeeded makes it kSync: the keys after it lie in another db.
void DeriveTransaction(std::span<const QueuedCommand> commands, std::string_view exec_reply,
                       std::span<const Deadline> deadlines, int64_t now_ms, Effect& effect,
                       bool& whole_keyspace, std::span<const StreamLength> lengths = {});

// The key sync: from the replies to DUMP and PEXPIRETIME (complete frames) to
// RESTORE … REPLACE ABSTTL, or DEL when there is no key. False when the replies
// are not what they must be (an error, say).
bool DeriveSync(std::string_view key, std::string_view dump_reply, std::string_view expiry_reply,
                Effect& effect);

}  // namespace crossfade::replication
