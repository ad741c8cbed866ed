#include "routing/scripts/value_flow.h"

#include <algorithm>

#include "routing/scripts/replayable.h"

namespace crossfade::routing::lua {
namespace {

constexpr int kDepthMax = 64;
// Each pass may move a local one step up; real scripts need three or four.
constexpr int kPassesMax = 64;

Value Either(Value a, Value b) {
  if (a == b || b == Value::kNothing) return a;
  if (a == Value::kNothing) return b;
  const auto plain = [](Value v) { return v == Value::kScalar || v == Value::kKey; };
  return plain(a) && plain(b) ? Value::kScalar : Value::kOther;
}

// What these give is never a table or a function, if they give anything.
bool GivesScalar(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "tonumber",     "tostring",    "type",           "pcall",       "rawequal",    "table.concat",
      "table.getn",   "table.maxn",  "redis.sha1hex",  "struct.pack", "struct.size", "string.byte",
      "string.char",  "string.find", "string.format",  "string.gsub", "string.len",  "string.lower",
      "string.match", "string.rep",  "string.reverse", "string.sub",  "string.upper"};
  return name.starts_with("math.") || name.starts_with("bit.") ||
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Of those, the ones that may give several.
bool GivesSeveral(std::string_view name) {
  static constexpr std::string_view kNames[] = {"pcall",       "string.byte",  "string.find",
                                                "string.gsub", "string.match", "math.modf",
                                                "math.frexp"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

ValueFlow::ValueFlow(const Chunk& chunk, const CommandTable& table, bool library)
    : chunk_(chunk),
      table_(table),
      library_(library),
      values_(chunk.locals.size(), Value::kNothing),
      source_of_(chunk.nodes.size(), kNone),
      uses_(chunk.functions.size()) {
  FindSources();
  if (library_) FindRegistrations();
  FindUses();
  Settle();
}

void ValueFlow::FindSources() {
  for (LocalId id = 0; id < chunk_.locals.size(); ++id) {
    for (const NodeId source : chunk_.locals[id].sources) source_of_[source] = id;
  }
}

FunctionId ValueFlow::FunctionOf(LocalId id) const {
  const Local& local = chunk_.locals[id];
  if (local.kind != LocalKind::kPlain || local.opaque || local.sources.size() != 1) return kNone;
  const Node& source = chunk_.nodes[local.sources[0]];
  return source.kind == NodeKind::kFunction ? source.id : kNone;
}

std::string ValueFlow::GlobalName(NodeId id) const {
  const Node& node = chunk_.nodes[id];
  if (node.kind == NodeKind::kGlobal) return node.text;
  if (node.kind != NodeKind::kIndex) return {};
  const Node& object = chunk_.nodes[node.a];
  const std::string* key = Literal(node.b);
  if (object.kind != NodeKind::kGlobal || key == nullptr) return {};
  return object.text + "." + *key;
}

const std::string* ValueFlow::Literal(NodeId id) const {
  for (int depth = 0; depth < kDepthMax; ++depth) {
    const Node& node = chunk_.nodes[id];
    if (node.kind == NodeKind::kString || node.kind == NodeKind::kNumber) return &node.text;
    if (node.kind == NodeKind::kParen) {
      id = node.a;
      continue;
    }
    if (node.kind != NodeKind::kLocal) return nullptr;
    const Local& local = chunk_.locals[node.id];
    if (local.kind != LocalKind::kPlain || local.opaque || local.sources.size() != 1) {
      return nullptr;
    }
    id = local.sources[0];
  }
  return nullptr;
}

// ---- Functions and their callers

FunctionId ValueFlow::Callback(NodeId id) const {
  const Node& node = chunk_.nodes[id];
  if (node.kind == NodeKind::kFunction) return node.id;
  return node.kind == NodeKind::kLocal ? FunctionOf(node.id) : kNone;
}

void ValueFlow::FindRegistrations() {
  for (const Node& node : chunk_.nodes) {
    if (node.kind == NodeKind::kCall && GlobalName(node.a) == "redis.register_function") {
      Register(node);
    }
  }
}

void ValueFlow::Register(const Node& call) {
  const std::string* name = nullptr;
  NodeId callback = kNone;
  bool no_writes = false;
  if (call.list.size() == 2) {
    name = Literal(call.list[0]);
    callback = call.list[1];
  } else if (call.list.size() == 1 && chunk_.nodes[call.list[0]].kind == NodeKind::kTable) {
    const std::vector<NodeId>& fields = chunk_.nodes[call.list[0]].fields;
    for (size_t i = 0; i + 1 < fields.size(); i += 2) {
      const std::string* field = Literal(fields[i]);
      if (field == nullptr) continue;
      if (*field == "function_name") name = Literal(fields[i + 1]);
      if (*field == "callback") callback = fields[i + 1];
      if (*field != "flags") continue;
      for (const NodeId flag : chunk_.nodes[fields[i + 1]].list) {
        const std::string* text = Literal(flag);
        no_writes = no_writes || (text != nullptr && *text == "no-writes");
      }
    }
  }
  const FunctionId function = callback == kNone ? kNone : Callback(callback);
  if (name == nullptr || function == kNone) {
    registers_unknown_ = true;
    return;
  }
  registrations_.push_back({*name, function, no_writes});
  uses_[function].registered = true;
}

void ValueFlow::FindUses() {
  // Where a function is handed to register_function it does not get away.
  std::vector<bool> handed_over(chunk_.nodes.size());
  for (const Node& node : chunk_.nodes) {
    if (!library_ || node.kind != NodeKind::kCall ||
        GlobalName(node.a) != "redis.register_function") {
      continue;
    }
    for (const NodeId argument : node.list) {
      handed_over[argument] = true;
      for (const NodeId field : chunk_.nodes[argument].fields) handed_over[field] = true;
    }
  }
  for (NodeId id = 0; id < chunk_.nodes.size(); ++id) {
    const Node& node = chunk_.nodes[id];
    if (node.kind == NodeKind::kFunction) {
      const bool named = source_of_[id] != kNone && FunctionOf(source_of_[id]) == node.id;
      if (!named && !handed_over[id]) uses_[node.id].escapes = true;
    }
    if (node.kind != NodeKind::kLocal) continue;
    const FunctionId function = FunctionOf(node.id);
    if (function == kNone || handed_over[id]) continue;
    const bool called = node.parent != kNone && chunk_.nodes[node.parent].a == id &&
                        chunk_.nodes[node.parent].kind == NodeKind::kCall;
    if (called) {
      uses_[function].calls.push_back(node.parent);
    } else {
      uses_[function].escapes = true;
    }
  }
}

// ---- Values

void ValueFlow::Settle() {
  for (int pass = 0; pass < kPassesMax; ++pass) {
    bool changed = false;
    for (LocalId id = 0; id < chunk_.locals.size(); ++id) {
      const Value value = Join(chunk_.locals[id]);
      changed = changed || value != values_[id];
      values_[id] = value;
    }
    if (!changed) return;
  }
  std::fill(values_.begin(), values_.end(), Value::kOther);
}

Value ValueFlow::Join(const Local& local) const {
  if (local.opaque) return Value::kOther;
  Value value = Value::kNothing;
  size_t first = 0;
  switch (local.kind) {
    case LocalKind::kPlain:
      break;
    case LocalKind::kCounter:
      value = Value::kScalar;
      break;
    case LocalKind::kParameter:
      value = OfParameter(local);
      break;
    case LocalKind::kIterated:
      value = OfIterated(local);
      first = 1;
      break;
  }
  for (size_t i = first; i < local.sources.size(); ++i) {
    value = Either(value, Of(local.sources[i]));
  }
  return value;
}

Value ValueFlow::OfIterated(const Local& local) const {
  if (local.sources.empty()) return Value::kOther;
  const Node& call = chunk_.nodes[local.sources[0]];
  if (call.kind != NodeKind::kCall || call.list.size() != 1 || local.position > 1) {
    return Value::kOther;
  }
  const std::string name = GlobalName(call.a);
  if (name != "ipairs" && name != "pairs") return Value::kOther;
  const Value over = Of(call.list[0]);
  const bool known = over == Value::kKeys || over == Value::kArguments;
  if (local.position == 0) return known || name == "ipairs" ? Value::kScalar : Value::kOther;
  if (!known) return Value::kOther;
  return over == Value::kKeys ? Value::kKey : Value::kScalar;
}

Value ValueFlow::OfParameter(const Local& local) const {
  const Uses& uses = uses_[local.function];
  if (uses.escapes) return Value::kOther;
  Value value = Value::kNothing;
  if (uses.registered) {
    value = local.position == 0   ? Value::kKeys
            : local.position == 1 ? Value::kArguments
                                  : Value::kNothing;
  }
  for (const NodeId call : uses.calls) {
    const std::vector<NodeId>& given = chunk_.nodes[call].list;
    if (local.position < given.size()) {
      value = Either(value, Of(given[local.position]));
      continue;
    }
    if (given.empty()) continue;
    const NodeKind last = chunk_.nodes[given.back()].kind;
    const bool several =
        last == NodeKind::kCall || last == NodeKind::kMethod || last == NodeKind::kDots;
    if (several) return Value::kOther;
  }
  return value;
}

Value ValueFlow::Of(NodeId id, int depth) const {
  if (depth > kDepthMax) return Value::kOther;
  const Node& node = chunk_.nodes[id];
  switch (node.kind) {
    case NodeKind::kNil:
      return Value::kNothing;
    case NodeKind::kBoolean:
    case NodeKind::kNumber:
    case NodeKind::kString:
    case NodeKind::kUnary:
      return Value::kScalar;
    case NodeKind::kBinary:
      // What is false makes no key: the call is refused.
      if (node.op == Token::kAnd) return Of(node.b, depth + 1);
      if (node.op == Token::kOr) return Either(Of(node.a, depth + 1), Of(node.b, depth + 1));
      return Value::kScalar;
    case NodeKind::kParen:
      return Of(node.a, depth + 1);
    case NodeKind::kLocal:
      return values_[node.id];
    case NodeKind::kGlobal:
      if (node.text == "redis") return Value::kRedis;
      if (library_) return Value::kOther;
      if (node.text == "KEYS") return Value::kKeys;
      return node.text == "ARGV" ? Value::kArguments : Value::kOther;
    case NodeKind::kIndex:
      return OfIndex(node, depth);
    case NodeKind::kCall:
      return OfCall(node, depth);
    case NodeKind::kMethod: {
      // Of a string, a string function.
      const Value object = Of(node.a, depth + 1);
      const bool text = object == Value::kScalar || object == Value::kKey;
      return text && GivesScalar("string." + node.text) ? Value::kScalar : Value::kOther;
    }
    case NodeKind::kDots:
    case NodeKind::kFunction:
    case NodeKind::kTable:
      break;
  }
  return Value::kOther;
}

Value ValueFlow::OfIndex(const Node& node, int depth) const {
  switch (Of(node.a, depth + 1)) {
    case Value::kKeys:
      return Value::kKey;
    case Value::kArguments:
      return Value::kScalar;
    case Value::kRedis: {
      const std::string* name = Literal(node.b);
      if (name == nullptr) return Value::kOther;
      if (*name == "call" || *name == "pcall") return Value::kCall;
      return name->starts_with("LOG_") ? Value::kScalar : Value::kOther;
    }
    default:
      return Value::kOther;
  }
}

bool ValueFlow::GivesOneValue(NodeId id) const {
  const Node& node = chunk_.nodes[id];
  switch (node.kind) {
    case NodeKind::kDots:
      return false;
    case NodeKind::kMethod:
      return Of(id) == Value::kScalar && !GivesSeveral("string." + node.text);
    case NodeKind::kCall: {
      if (Of(node.a) == Value::kCall) return true;
      const std::string name = GlobalName(node.a);
      return GivesScalar(name) && !GivesSeveral(name);
    }
    default:
      return true;
  }
}

// redis.pcall gives a table when the command fails.
bool ValueFlow::RaisesErrors(NodeId callee) const {
  const Node& node = chunk_.nodes[callee];
  if (node.kind == NodeKind::kLocal) {
    const Local& local = chunk_.locals[node.id];
    return local.sources.size() == 1 && GlobalName(local.sources[0]) == "redis.call";
  }
  return GlobalName(callee) == "redis.call";
}

Value ValueFlow::OfCall(const Node& node, int depth) const {
  if (Of(node.a, depth + 1) == Value::kCall) {
    if (!RaisesErrors(node.a)) return Value::kOther;
    const std::string* name = node.list.empty() ? nullptr : Literal(node.list[0]);
    const CommandSpec* spec = name != nullptr ? table_.FindName(*name) : nullptr;
    return spec != nullptr && RepliesScalar(*spec) ? Value::kScalar : Value::kOther;
  }
  const std::string name = GlobalName(node.a);
  if (name == "unpack" && !node.list.empty() && Of(node.list[0], depth + 1) == Value::kKeys) {
    return Value::kKey;
  }
  if (name == "assert" && !node.list.empty()) return Of(node.list[0], depth + 1);
  return GivesScalar(name) ? Value::kScalar : Value::kOther;
}

}  // namespace crossfade::routing::lua
