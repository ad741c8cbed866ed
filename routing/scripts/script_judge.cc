#include "routing/scripts/script_judge.h"

#include <algorithm>

namespace crossfade::routing::lua {
namespace {

template <size_t N>
bool Among(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Functions that may be used in any way.
constexpr std::string_view kHarmlessGlobals[] = {
    "assert", "error", "ipairs", "pcall", "rawequal", "select", "tonumber", "type", "unpack"};
// These may be called, but not handed on: what they are given must be seen.
constexpr std::string_view kCalledGlobals[] = {"tostring", "pairs", "next"};
constexpr std::string_view kLibraries[] = {"string", "table",    "math",  "bit",
                                           "cjson",  "cmsgpack", "struct"};
constexpr std::string_view kMembers[] = {"string.byte",
                                         "string.char",
                                         "string.find",
                                         "string.format",
                                         "string.gmatch",
                                         "string.gsub",
                                         "string.len",
                                         "string.lower",
                                         "string.match",
                                         "string.rep",
                                         "string.reverse",
                                         "string.sub",
                                         "string.upper",
                                         "table.concat",
                                         "table.getn",
                                         "table.insert",
                                         "table.maxn",
                                         "table.remove",
                                         "table.sort",
                                         "math.abs",
                                         "math.ceil",
                                         "math.floor",
                                         "math.fmod",
                                         "math.max",
                                         "math.min",
                                         "math.mod",
                                         "math.modf",
                                         "math.sqrt",
                                         "math.huge",
                                         "math.pi",
                                         "math.deg",
                                         "math.rad",
                                         "math.frexp",
                                         "math.ldexp",
                                         "bit.arshift",
                                         "bit.band",
                                         "bit.bnot",
                                         "bit.bor",
                                         "bit.bswap",
                                         "bit.bxor",
                                         "bit.lshift",
                                         "bit.rol",
                                         "bit.ror",
                                         "bit.rshift",
                                         "bit.tobit",
                                         "bit.tohex",
                                         "cjson.decode",
                                         "cjson.null",
                                         "cmsgpack.unpack",
                                         "cmsgpack.unpack_limit",
                                         "cmsgpack.unpack_one",
                                         "struct.pack",
                                         "struct.size",
                                         "struct.unpack"};
constexpr std::string_view kRedisMembers[] = {
    "call",     "pcall",     "error_reply", "status_reply", "sha1hex",
    "log",      "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE",   "LOG_WARNING",
    "REPL_ALL", "REPL_NONE", "REPL_AOF",    "REPL_SLAVE",   "REPL_REPLICA"};
// These read a table of keys and keep nothing of it.
constexpr std::string_view kTakesKeys[] = {"ipairs",       "pairs",      "unpack",
                                           "table.concat", "table.getn", "table.maxn",
                                           "next",         "type",       "select"};

const char* WhyMemberDiffers(std::string_view name) {
  if (name == "math.random" || name == "math.randomseed") return "is random";
  if (name.starts_with("math.")) return "may round otherwise on another machine";
  if (name == "cjson.encode" || name == "cmsgpack.pack") {
    return "writes the fields of a table in no defined order";
  }
  if (name.starts_with("table.foreach")) return "visits a table in no defined order";
  return "is not known to do the same on both stores";
}

bool IsPlain(Value value) {
  return value == Value::kScalar || value == Value::kKey || value == Value::kNothing;
}

}  // namespace

ScriptJudge::ScriptJudge(const Chunk& chunk, const CommandTable& table, bool library)
    : chunk_(chunk), table_(table), library_(library), flow_(chunk, table, library) {
  for (NodeId id = 0; id < chunk_.nodes.size(); ++id) LookAt(id);
  for (const Store& store : chunk_.stores) LookAtStore(store);
  std::stable_sort(findings_.begin(), findings_.end(),
                   [](const Finding& a, const Finding& b) { return a.line < b.line; });
}

void ScriptJudge::Note(const Node& node, Harm harm, std::string what, FunctionId unless) {
  const bool anything = harm == Harm::kAnything;
  Finding finding{node.function, node.line, unless, anything, anything, false, {}, {}};
  if (harm != Harm::kDiffers) finding.undeclared = what;
  if (harm != Harm::kKeys) finding.not_replayable = std::move(what);
  findings_.push_back(std::move(finding));
}

void ScriptJudge::LookAt(NodeId id) {
  const Node& node = chunk_.nodes[id];
  switch (node.kind) {
    case NodeKind::kGlobal:
      return LookAtGlobal(id, node);
    case NodeKind::kLocal:
      return LookAtLocal(id, node);
    case NodeKind::kIndex:
      return LookAtIndex(id, node);
    case NodeKind::kCall:
      return LookAtCall(node);
    case NodeKind::kBinary:
      if (node.op == Token::kCaret) {
        Note(node, Harm::kDiffers, "'^' may round otherwise on another machine");
      }
      return;
    case NodeKind::kMethod:
      if (node.text == "dump") Note(node, Harm::kAnything, "code is made into a string");
      return;
    default:
      return;
  }
}

bool ScriptJudge::IsCallee(NodeId id) const {
  const NodeId parent = chunk_.nodes[id].parent;
  return parent != kNone && chunk_.nodes[parent].kind == NodeKind::kCall &&
         chunk_.nodes[parent].a == id;
}

// ---- Names

void ScriptJudge::LookAtGlobal(NodeId id, const Node& node) {
  const std::string& name = node.text;
  if (name == "redis" || (!library_ && (name == "KEYS" || name == "ARGV"))) {
    return LookAtTable(id, flow_.Of(id));
  }
  if (Among(kLibraries, name)) {
    const Node* parent = node.parent == kNone ? nullptr : &chunk_.nodes[node.parent];
    const bool member = parent != nullptr && parent->kind == NodeKind::kIndex && parent->a == id &&
                        flow_.Literal(parent->b) != nullptr;
    if (!member) Note(node, Harm::kAnything, "'" + name + "' is handed on");
    return;
  }
  if (Among(kHarmlessGlobals, name)) return;
  if (Among(kCalledGlobals, name)) {
    if (!IsCallee(id)) Note(node, Harm::kDiffers, "'" + name + "' is handed on");
    return;
  }
  if (name == "collectgarbage" || name == "gcinfo") {
    return Note(node, Harm::kDiffers, "'" + name + "' tells how much memory is in use");
  }
  Note(node, Harm::kAnything, "'" + name.substr(0, 64) + "' may do anything");
}

void ScriptJudge::LookAtLocal(NodeId id, const Node& node) {
  const Value value = flow_.Of(id);
  if (value == Value::kRedis || value == Value::kCall || value == Value::kKeys ||
      value == Value::kArguments) {
    LookAtTable(id, value);
  }
  // What a library keeps between two calls, the follower's may not have kept.
  const Local& local = chunk_.locals[node.id];
  if (node.function == local.function || flow_.FunctionOf(node.id) != kNone) return;
  const bool changes = std::any_of(local.assigned_in.begin(), local.assigned_in.end(),
                                   [&local](FunctionId where) { return where != local.function; });
  const bool member = !local.opaque && local.sources.size() == 1 &&
                      Among(kMembers, flow_.GlobalName(local.sources[0]));
  const bool fixed = IsPlain(value) || value == Value::kRedis || value == Value::kCall || member;
  if (!fixed) {
    Note(node, Harm::kAnything, "a table or function outlives the call", local.function);
  } else if (changes) {
    Note(node, Harm::kDiffers, "a variable outlives the call", local.function);
  }
}

void ScriptJudge::LookAtTable(NodeId id, Value value) {
  if (Followed(id, value)) return;
  const Node& node = chunk_.nodes[id];
  switch (value) {
    case Value::kKeys:
      return Note(node, Harm::kKeys, "KEYS is handed on");
    case Value::kArguments:
      return Note(node, Harm::kDiffers, "ARGV is handed on");
    default:
      return Note(node, Harm::kAnything, "'redis' or 'redis.call' is handed on");
  }
}

bool ScriptJudge::Followed(NodeId id, Value value) const {
  const Node& node = chunk_.nodes[id];
  const LocalId source_of = flow_.SourceOf(id);
  if (source_of != kNone) {
    return chunk_.locals[source_of].kind != LocalKind::kIterated &&
           flow_.OfLocal(source_of) == value;
  }
  if (node.parent == kNone) return false;
  const Node& parent = chunk_.nodes[node.parent];
  switch (parent.kind) {
    case NodeKind::kParen:
      return flow_.Of(node.parent) == value && Followed(node.parent, value);
    case NodeKind::kIndex:
      return parent.a == id && value != Value::kCall;
    case NodeKind::kUnary:
      return true;
    case NodeKind::kBinary:
      if (parent.op == Token::kEqual || parent.op == Token::kNotEqual) return true;
      return flow_.Of(node.parent) == value && Followed(node.parent, value);
    case NodeKind::kCall:
      if (parent.a == id) return value == Value::kCall;
      return FollowedAsArgument(id, parent, value);
    default:
      return false;
  }
}

bool ScriptJudge::FollowedAsArgument(NodeId id, const Node& call, Value value) const {
  const std::string name = flow_.GlobalName(call.a);
  if (value == Value::kCall) return name == "pcall" && call.list[0] == id;
  if (value == Value::kRedis) return false;
  if (Among(kTakesKeys, name)) return true;
  if (value == Value::kArguments && name != "table.insert" && Among(kMembers, name)) return true;
  const Node& callee = chunk_.nodes[call.a];
  const FunctionId function = callee.kind == NodeKind::kLocal ? flow_.FunctionOf(callee.id) : kNone;
  if (function == kNone) return false;
  const std::vector<LocalId>& parameters = chunk_.functions[function].parameters;
  const size_t known = std::min(parameters.size(), call.list.size());
  for (size_t i = 0; i < known; ++i) {
    if (call.list[i] == id) return flow_.OfLocal(parameters[i]) == value;
  }
  return false;
}

void ScriptJudge::LookAtIndex(NodeId id, const Node& node) {
  const Value object = flow_.Of(node.a);
  const std::string* member = flow_.Literal(node.b);
  if (object == Value::kRedis) {
    if (member == nullptr) {
      return Note(node, Harm::kAnything, "a member of 'redis' has no literal name");
    }
    if (flow_.Of(id) == Value::kCall) return LookAtTable(id, Value::kCall);
    if (library_ && *member == "register_function" && node.function == 0) return;
    if (!Among(kRedisMembers, *member)) {
      Note(node, Harm::kDiffers,
           "'redis." + member->substr(0, 64) + "' may do otherwise on the follower");
    }
    return;
  }
  const std::string name = flow_.GlobalName(id);
  const Node& global = chunk_.nodes[node.a];
  if (global.kind != NodeKind::kGlobal || !Among(kLibraries, global.text)) return;
  if (name.empty() || Among(kMembers, name)) return;  // an empty one is noted as handed on
  Note(node, Harm::kDiffers, "'" + name.substr(0, 64) + "' " + WhyMemberDiffers(name));
}

// ---- Calls

void ScriptJudge::LookAtCall(const Node& node) {
  if (flow_.Of(node.a) == Value::kCall) return RedisCall(node, 0);
  const std::string name = flow_.GlobalName(node.a);
  if (name == "pcall" && !node.list.empty() && flow_.Of(node.list[0]) == Value::kCall) {
    return RedisCall(node, 1);
  }
  if (name == "tostring") {
    const bool plain = node.list.size() == 1 && IsPlain(flow_.Of(node.list[0]));
    if (!plain) Note(node, Harm::kDiffers, "tostring of a table tells its address");
  } else if (name == "pairs") {
    const Value over = node.list.size() == 1 ? flow_.Of(node.list[0]) : Value::kOther;
    if (over != Value::kKeys && over != Value::kArguments) {
      Note(node, Harm::kDiffers, "'pairs' visits a table in no defined order");
    }
  } else if (name == "next") {
    const Node* parent = node.parent == kNone ? nullptr : &chunk_.nodes[node.parent];
    const bool compared = parent != nullptr && parent->kind == NodeKind::kBinary &&
                          (parent->op == Token::kEqual || parent->op == Token::kNotEqual) &&
                          (chunk_.nodes[parent->a].kind == NodeKind::kNil ||
                           chunk_.nodes[parent->b].kind == NodeKind::kNil);
    if (!compared || node.list.size() != 1) {
      Note(node, Harm::kDiffers, "'next' visits a table in no defined order");
    }
  }
}

void ScriptJudge::RedisCall(const Node& node, size_t first) {
  ScriptCall call;
  for (size_t i = first; i < node.list.size(); ++i) {
    const Node& argument = chunk_.nodes[node.list[i]];
    const bool several = i + 1 == node.list.size();  // elsewhere the first value counts
    const Value value = flow_.Of(node.list[i]);
    if (several && !flow_.GivesOneValue(node.list[i])) {
      const bool keys = value == Value::kKey && argument.kind == NodeKind::kCall &&
                        flow_.GlobalName(argument.a) == "unpack";
      call.rest = keys ? ScriptCall::Rest::kKeys : ScriptCall::Rest::kUnknown;
      break;
    }
    ScriptArgument& out = call.arguments.emplace_back();
    if (const std::string* text = flow_.Literal(node.list[i])) {
      out = {ScriptArgument::Kind::kLiteral, *text};
    } else if (value == Value::kKey) {
      out.kind = ScriptArgument::Kind::kKey;
    }
  }
  CallFacts facts = FactsOf(call, table_);
  findings_.push_back({node.function, node.line, kNone, facts.writes, facts.sets_expiry,
                       facts.all_keys, std::move(facts.not_replayable),
                       std::move(facts.undeclared)});
}

// ---- Assignments to what is not a local

void ScriptJudge::LookAtStore(const Store& store) {
  const Node& target = chunk_.nodes[store.target];
  if (target.kind == NodeKind::kGlobal) {
    return Note(target, Harm::kAnything, "a global is assigned");
  }
  const Value object = flow_.Of(target.a);
  switch (object) {
    case Value::kKeys:
      return Note(target, Harm::kKeys, "KEYS is changed");
    case Value::kArguments:
      if (store.value == kNone || !IsPlain(flow_.Of(store.value))) {
        Note(target, Harm::kDiffers, "ARGV is changed");
      }
      return;
    case Value::kRedis:
      return Note(target, Harm::kAnything, "'redis' is changed");
    default:
      break;
  }
  const Node& owner = chunk_.nodes[target.a];
  if (owner.kind == NodeKind::kGlobal) Note(target, Harm::kAnything, "a global is changed");
}

// ---- Together

// The functions that `root` may run: those within it, and those that they name.
std::vector<bool> ScriptJudge::Reach(FunctionId root) const {
  std::vector<bool> reached(chunk_.functions.size());
  std::vector<FunctionId> open = {root};
  reached[root] = true;
  std::vector<std::vector<FunctionId>> leads_to(chunk_.functions.size());
  for (FunctionId id = 1; id < chunk_.functions.size(); ++id) {
    leads_to[chunk_.functions[id].parent].push_back(id);
  }
  for (const Node& node : chunk_.nodes) {
    if (node.kind != NodeKind::kLocal) continue;
    for (const NodeId source : chunk_.locals[node.id].sources) {
      const Node& value = chunk_.nodes[source];
      if (value.kind == NodeKind::kFunction) leads_to[node.function].push_back(value.id);
    }
  }
  while (!open.empty()) {
    const FunctionId from = open.back();
    open.pop_back();
    for (const FunctionId to : leads_to[from]) {
      if (reached[to]) continue;
      reached[to] = true;
      open.push_back(to);
    }
  }
  return reached;
}

ScriptVerdict ScriptJudge::Judge(FunctionId root) const {
  const std::vector<bool> reached = Reach(root);
  ScriptVerdict verdict;
  verdict.seen = true;
  verdict.writes = false;
  verdict.replayable = true;
  verdict.undeclared = false;
  verdict.sets_expiry = false;
  std::string not_replayable;
  std::string undeclared;
  const auto note = [](std::string& reason, const Finding& finding, const std::string& what) {
    if (reason.empty()) reason = "line " + std::to_string(finding.line) + ": " + what;
  };
  for (const Finding& finding : findings_) {
    if (!reached[finding.where]) continue;
    if (finding.unless != kNone && reached[finding.unless]) continue;
    verdict.writes = verdict.writes || finding.writes;
    verdict.sets_expiry = verdict.sets_expiry || finding.sets_expiry;
    verdict.all_keys = verdict.all_keys || finding.all_keys;
    if (!finding.not_replayable.empty()) {
      verdict.replayable = false;
      note(not_replayable, finding, finding.not_replayable);
    }
    if (!finding.undeclared.empty()) {
      verdict.undeclared = true;
      note(undeclared, finding, finding.undeclared);
    }
  }
  verdict.reason = std::move(not_replayable);
  if (verdict.reason != undeclared) {
    if (!verdict.reason.empty() && !undeclared.empty()) verdict.reason += "; ";
    verdict.reason += undeclared;
  }
  return verdict;
}

}  // namespace crossfade::routing::lua
