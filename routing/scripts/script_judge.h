// ScriptJudge: looks at every expression of a script and notes what speaks
// against it. Lives on the stack during one judgement.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/scripts/call_facts.h"
#include "routing/scripts/lua_syntax.h"
#include "routing/scripts/script_verdict.h"
#include "routing/scripts/value_flow.h"

namespace crossfade::routing::lua {

class ScriptJudge {
 public:
  ScriptJudge(const Chunk& chunk, const CommandTable& table, bool library);

  // Of all that `root` can reach.
  ScriptVerdict Judge(FunctionId root) const;
  const ValueFlow& flow() const { return flow_; }

 private:
  // What a piece of the text says; `where` is the function that it stands in.
  struct Finding {
    FunctionId where;
    uint32_t line;
    FunctionId unless = kNone;  // it counts only where this function is not run as well
    bool writes = false;
    bool sets_expiry = false;
    bool all_keys = false;
    std::string not_replayable;
    std::string undeclared;
  };
  enum class Harm : uint8_t {
    kDiffers,   // it may do otherwise on the follower
    kKeys,      // the declared keys may be others than they seem
    kAnything,  // it may call what can't be seen
  };
  void Note(const Node& node, Harm harm, std::string what, FunctionId unless = kNone);
  void LookAt(NodeId id);
  void LookAtGlobal(NodeId id, const Node& node);
  void LookAtLocal(NodeId id, const Node& node);
  void LookAtIndex(NodeId id, const Node& node);
  void LookAtCall(const Node& node);
  void LookAtTable(NodeId id, Value value);
  void LookAtStore(const Store& store);
  void RedisCall(const Node& node, size_t first);
  // Whether the value at `id` goes nowhere but where its kind is followed.
  bool Followed(NodeId id, Value value) const;
  bool FollowedAsArgument(NodeId id, const Node& call, Value value) const;
  bool IsCallee(NodeId id) const;
  std::vector<bool> Reach(FunctionId root) const;

  const Chunk& chunk_;
  const CommandTable& table_;
  const bool library_;
  ValueFlow flow_;
  std::vector<Finding> findings_;
};

}  // namespace crossfade::routing::lua
