// Derivation: one command, its reply and the effect being derived, with the
// words that the families of commands (strings.cc, keys.cc, …) are written in.
// Lives on the stack during one DeriveEffect; views show the caller's bytes.
// A reply that is not what the command gives ends in kSync, never in a crash.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "replication/effects.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/resp/reply.h"

namespace crossfade::replication::effects {

inline constexpr std::string_view kOkFrame = "+OK\r\n";
inline constexpr std::string_view kOneFrame = ":1\r\n";

// Whole frames, exactly: nothing missing, nothing behind.
bool IsNilFrame(std::string_view frame);
bool ReadIntegerFrame(std::string_view frame, int64_t& value);
bool ReadBulkFrame(std::string_view frame, std::string_view& text);
bool IsArrayFrame(std::string_view frame);  // elements included

// The elements of an array, one after another.
class ArrayReader {
 public:
  // `frame` begins with the array's head.
  explicit ArrayReader(std::string_view frame);
  bool IsArray() const { return is_array_; }  // and not nil
  int64_t size() const { return size_; }
  // False when the next value is not there or is of another type.
  bool NextBulk(std::string_view& text);
  bool NextArray(int64_t& size);
  bool NextInteger(int64_t& value);
  // The next value, whatever it is, elements included; empty when there is none.
  std::string_view NextValue();
  bool AtEnd() const { return p_ == end_; }
  std::string_view Rest() const { return std::string_view(p_, static_cast<size_t>(end_ - p_)); }

 private:
  bool Next(routing::ReplyHead& head);

  const char* p_;
  const char* end_;
  int64_t size_ = 0;
  bool is_array_ = false;
};

struct Derivation {
  const routing::CommandSpec& spec;
  routing::Args args;
  std::string_view reply;
  const std::optional<Deadline>& deadline;
  Effect& effect;
  std::optional<StreamLength> length = std::nullopt;
  // An element of a transaction: no command blocks there.
  bool in_exec = false;

  // What a store says of a command's arity is not to be trusted with our memory.
  bool Has(size_t argc) const { return args.size() >= argc; }

  void Nothing() { effect.kind = Effect::Kind::kNothing; }
  void Sync() { effect.kind = Effect::Kind::kSync; }
  // `guard`: see Effect::guard. False where the reply tells whether the key was there.
  void Replay(bool guard) {
    effect.kind = Effect::Kind::kReplay;
    effect.guard = guard;
  }
  // `effect.bytes` has become one command that must be replied to with `expected`.
  void Rewritten(std::string_view expected, bool guard) {
    effect.kind = Effect::Kind::kRewritten;
    effect.commands = 1;
    effect.expected.assign(expected);
    effect.guard = guard;
  }
  void Rewrite(std::initializer_list<std::string_view> command, std::string_view expected,
               bool guard) {
    routing::AppendCommand(effect.bytes, command);
    Rewritten(expected, guard);
  }
  // The key is gone from the authority: whatever DEL replies is fine.
  void Delete(std::string_view key) { Rewrite({"DEL", key}, {}, false); }

  // Verbatim for the replies that mean a change; kNothing for those that don't.
  void ReplayOnOk(bool guard);
  void ReplayOnInteger(bool guard);   // any
  void ReplayOnPositive(bool guard);  // zero and below change nothing
  void ReplayOnBulk(bool guard);      // nil changes nothing
};

// Sets `effect.bytes` to the command `name` for `key` with `members` many more
// arguments to come.
inline void BeginCommand(Effect& effect, std::string_view name, std::string_view key,
                         int64_t members) {
  routing::AppendHead(effect.bytes, '*', 2 + members);
  routing::AppendBulk(effect.bytes, name);
  routing::AppendBulk(effect.bytes, key);
}

// What DeriveEffect does, for an element of a transaction. Without its length a
// stream's approximate trimming is left out: a later element does it.
void DeriveElement(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                   std::optional<Deadline> deadline, std::optional<StreamLength> length,
                   Effect& effect);

// strings.cc
void DeriveSet(Derivation& d);
void DeriveSetWithTime(Derivation& d);  // SETEX, PSETEX
void DeriveGetex(Derivation& d);
void DeriveReplacing(Derivation& d);  // SETNX, GETSET
void DeriveGetdel(Derivation& d);
void DeriveSetrange(Derivation& d);
void DeriveIncrbyfloat(Derivation& d);
void DeriveMsetnx(Derivation& d);
void DeriveBitfield(Derivation& d);

// keys.cc
void DeriveExpire(Derivation& d);
void RewriteExpiry(Derivation& d);  // of a key that was there, by the deadline
void DeriveRestore(Derivation& d);
void DeriveSort(Derivation& d);
void DeriveMigrate(Derivation& d);
void DeriveFunctionLoad(Derivation& d);

// collections.cc
void DeriveHincrbyfloat(Derivation& d);
void DeriveSpop(Derivation& d);
void DeriveZadd(Derivation& d);
void DeriveGeoadd(Derivation& d);
void DeriveGeoradius(Derivation& d);
void DeriveZpop(Derivation& d);
void DeriveZmpop(Derivation& d);
void DerivePop(Derivation& d);                      // LPOP, RPOP
void DeriveLmpop(Derivation& d, size_t count_arg);  // numkeys

// blocking.cc
void DeriveBlocking(Derivation& d);

// streams.cc
bool TrimsApproximately(const routing::CommandSpec& spec, routing::Args args);
void DeriveXadd(Derivation& d);
void DeriveXtrim(Derivation& d);
void DeriveXgroupSet(Derivation& d);  // CREATE, SETID

// groups.cc
void DeriveXreadgroup(Derivation& d);
void DeriveXclaim(Derivation& d);
void DeriveXautoclaim(Derivation& d);

// newer.cc: commands that the built-in table does not know
void DeriveOther(Derivation& d);

}  // namespace crossfade::replication::effects
