// CommandTable: what is known of every command: arity, flags, where its keys
// are and how each is accessed. Built in for Redis 7.0, and laid over with a
// store's own COMMAND reply, so that newer commands and modules are known.
// Immutable after it is built; shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "routing/commands/categories.h"
#include "routing/commands/command_id.h"

namespace crossfade::routing {

using Args = std::span<const std::string_view>;  // args[0] is the command's name

enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kPubsub = 1u << 4,
  kNoscript = 1u << 5,
  kBlocking = 1u << 6,
  kNoMulti = 1u << 7,
  kNoAuth = 1u << 8,
  kMovableKeys = 1u << 9,
  kMayReplicate = 1u << 10,
  kAllowBusy = 1u << 11,
  kContainer = 1u << 12,  // has subcommands
};

enum class Access : uint8_t { kRead = 1, kWrite = 2, kReadWrite = 3 };

enum KeySpecFlag : uint16_t {
  kSpecReadOnly = 1u << 0,   // RO
  kSpecReadWrite = 1u << 1,  // RW
  kSpecOverwrite = 1u << 2,  // OW
  kSpecRemove = 1u << 3,     // RM
  kSpecNotKey = 1u << 4,
  kSpecIncomplete = 1u << 5,
  kSpecVariable = 1u << 6,
  kSpecAccess = 1u << 7,  // the value is used or returned
  kSpecModify = 1u << 8,  // insert, update or delete: it is written
};

// As in COMMAND's "key specifications" (Redis 7.0).
struct KeySpec {
  enum class Begin : uint8_t { kIndex, kKeyword, kUnknown };
  enum class Find : uint8_t { kRange, kKeyNum, kUnknown };
  Begin begin = Begin::kUnknown;
  int begin_index = 0;  // kIndex; for kKeyword the argument to start searching from
  std::string keyword;  // upper case
  Find find = Find::kUnknown;
  int last_key = 0, step = 1, limit = 0;  // kRange
  int key_num_index = 0, first_key = 0;   // kKeyNum (uses step too)
  uint16_t flags = 0;
};

struct CommandSpec {
  std::string name;                  // lower case; "xgroup|create" for a subcommand
  CommandId id = CommandId::kOther;  // kOther: only a store's COMMAND reply knows it
  int arity = 0;                     // as in COMMAND: negative means "at least"
  uint32_t flags = 0;
  uint32_t categories = 0;  // of ACLs: bits of category::Category
  std::vector<KeySpec> key_specs;
  int first_key = 0, last_key = 0, key_step = 0;  // legacy positions, for stores before 7.0
  // Set when the only key is args[1], whatever the arguments: the fast path.
  bool single_key_at_1 = false;

  // Not flagged readonly means write; see effects.md for those that have no effect.
  bool ReadOnly() const { return (flags & kReadonly) != 0; }
  bool Blocking() const { return (flags & kBlocking) != 0; }
  bool ArityFits(size_t argc) const {
    return arity >= 0 ? argc == static_cast<size_t>(arity) : argc >= static_cast<size_t>(-arity);
  }
};

class CommandTable {
 public:
  CommandTable();
  ~CommandTable();
  CommandTable(CommandTable&&) noexcept;
  CommandTable& operator=(CommandTable&&) noexcept;

  // The built-in table: Redis 7.0.
  static const CommandTable& Redis70();

  // The command that `args` name: a subcommand's own spec where the command has
  // subcommands and args[1] names one, the container's otherwise; nullptr when
  // unknown. Allocates nothing.
  const CommandSpec* Find(Args args) const;
  // By full name, any case: "get", "xgroup|create".
  const CommandSpec* FindName(std::string_view name) const;

  std::vector<const CommandSpec*> All() const;

  // The built-in table laid over with a store's COMMAND reply, given as RESP2
  // bytes. Where both know a command the built-in key specifications win when
  // the store (before 7.0) sends none.
  static Result<CommandTable> FromCommandReply(std::string_view resp);

 private:
  struct Index;
  std::unique_ptr<Index> index_;
};

}  // namespace crossfade::routing
