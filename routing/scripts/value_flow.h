// ValueFlow: what each expression of a script can be, as far as a judgement of
// the script asks: the redis table, one of its call functions, the declared keys
// or one of them. Holds whatever the script does with its locals, since all that
// a local is ever assigned is looked at. Views the chunk, which must outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"
#include "routing/scripts/lua_syntax.h"

namespace crossfade::routing::lua {

enum class Value : uint8_t {
  kNothing,    // nil, or nothing that is ever used
  kScalar,     // never a table or a function
  kKey,        // one of the declared keys (or nil)
  kKeys,       // the table of declared keys
  kArguments,  // ARGV
  kRedis,      // the redis table
  kCall,       // redis.call or redis.pcall
  kOther,
};

// A function that a library registers.
struct Registration {
  std::string name;
  FunctionId function;
  bool no_writes;  // by its flags
};

class ValueFlow {
 public:
  // In a library the keys are the first parameter of what it registers.
  ValueFlow(const Chunk& chunk, const CommandTable& table, bool library);

  Value Of(NodeId id) const { return Of(id, 0); }
  // The string that it always is, else nullptr.
  const std::string* Literal(NodeId id) const;
  // "ipairs" of ipairs, "string.rep" of string.rep: of what is global and called
  // by that name; empty otherwise.
  std::string GlobalName(NodeId id) const;
  // The one function that a local always is; kNone otherwise.
  FunctionId FunctionOf(LocalId local) const;
  // The local of which the expression is a source; kNone otherwise.
  LocalId SourceOf(NodeId id) const { return source_of_[id]; }
  Value OfLocal(LocalId local) const { return values_[local]; }
  // Whether it stands for exactly one value wherever it stands.
  bool GivesOneValue(NodeId id) const;

  const std::vector<Registration>& registrations() const { return registrations_; }
  bool registers_unknown() const { return registers_unknown_; }

 private:
  Value Of(NodeId id, int depth) const;
  Value OfIndex(const Node& node, int depth) const;
  Value OfCall(const Node& node, int depth) const;
  Value OfIterated(const Local& local) const;
  Value OfParameter(const Local& local) const;
  Value Join(const Local& local) const;
  bool RaisesErrors(NodeId callee) const;
  void FindSources();
  void FindUses();
  void FindRegistrations();
  void Register(const Node& call);
  FunctionId Callback(NodeId id) const;
  void Settle();

  const Chunk& chunk_;
  const CommandTable& table_;
  const bool library_;
  std::vector<Value> values_;       // by local
  std::vector<LocalId> source_of_;  // by node
  struct Uses {
    std::vector<NodeId> calls;
    bool escapes = false;     // it may be called with anything
    bool registered = false;  // by the store, with keys and arguments
  };
  std::vector<Uses> uses_;  // by function
  std::vector<Registration> registrations_;
  bool registers_unknown_ = false;
};

}  // namespace crossfade::routing::lua
