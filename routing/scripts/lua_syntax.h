// Chunk: a Lua 5.1 text as what a judgement of it needs: every expression, the
// locals with all that is ever assigned to them, and the assignments to anything
// else. The order of statements is not kept: what is asked of a script holds
// whatever the order. Made by ParseLua; immutable afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/scripts/lua_lexer.h"

namespace crossfade::routing::lua {

using NodeId = uint32_t;
using LocalId = uint32_t;
using FunctionId = uint32_t;  // 0: the text itself
inline constexpr uint32_t kNone = UINT32_MAX;

enum class NodeKind : uint8_t {
  kNil,
  kBoolean,
  kNumber,    // text
  kString,    // text: its value
  kDots,      // ...
  kFunction,  // id: FunctionId
  kTable,     // list: positional values; fields: the others, key and value in turn
  kLocal,     // id: LocalId
  kGlobal,    // text: its name
  kIndex,     // a[b]
  kCall,      // a(list)
  kMethod,    // a:text(list)
  kUnary,     // op a
  kBinary,    // a op b
  kParen,     // (a)
};

struct Node {
  NodeKind kind = NodeKind::kNil;
  Token op = Token::kEnd;
  uint32_t line = 0;
  FunctionId function = 0;  // in which it stands
  NodeId parent = kNone;    // the expression that it is part of
  NodeId a = kNone;
  NodeId b = kNone;
  uint32_t id = kNone;
  std::string text;
  std::vector<NodeId> list;
  std::vector<NodeId> fields;
};

enum class LocalKind : uint8_t {
  kPlain,
  kParameter,
  kCounter,   // of a numeric for
  kIterated,  // of a for … in: `position` in its list, whose first expression is sources[0]
};

struct Local {
  LocalKind kind = LocalKind::kPlain;
  FunctionId function = 0;  // that declares it
  uint32_t position = 0;    // of a parameter, or as kIterated says
  // Everything that is ever assigned to it; of a call its first value.
  std::vector<NodeId> sources;
  std::vector<FunctionId> assigned_in;  // by source: the function in which it is assigned
  bool opaque = false;  // it is also given what can't be told (a later value of a call)
};

struct Function {
  FunctionId parent = 0;
  NodeId node = kNone;  // kNone: the text itself
  std::vector<LocalId> parameters;
  bool takes_more = false;  // ...
};

// An assignment to what is not a local: a field or a global.
struct Store {
  NodeId target;
  NodeId value;  // kNone: can't be told
};

struct Chunk {
  std::vector<Node> nodes;
  std::vector<Local> locals;
  std::vector<Function> functions;
  std::vector<Store> stores;
};

// Nothing when the text is no Lua 5.1, or nested too deeply. Never fails
// otherwise, whatever the bytes; time is linear in the text.
std::optional<Chunk> ParseLua(std::string_view text);

}  // namespace crossfade::routing::lua
