// Parser: statements.
#include "routing/scripts/lua_parser.h"

namespace crossfade::routing::lua {

void Parser::LinkParents() {
  const auto link = [this](NodeId child, NodeId parent) {
    if (child != kNone) At(child).parent = parent;
  };
  for (NodeId id = 0; id < chunk_.nodes.size(); ++id) {
    const Node& node = At(id);
    link(node.a, id);
    link(node.b, id);
    for (const NodeId child : node.list) link(child, id);
    for (const NodeId child : node.fields) link(child, id);
  }
}

// ---- Statements

void Parser::Block() {
  const Level level(*this);
  while (!bad_) {
    switch (token_) {
      case Token::kEnd:
      case Token::kElse:
      case Token::kElseif:
      case Token::kEndWord:
      case Token::kUntil:
        return;
      case Token::kReturn:
        return Return();
      case Token::kBreak:
        Advance();
        Accept(Token::kSemicolon);
        return;
      default:
        Statement();
        Accept(Token::kSemicolon);
    }
  }
}

void Parser::Return() {
  Advance();
  switch (token_) {
    case Token::kEnd:
    case Token::kElse:
    case Token::kElseif:
    case Token::kEndWord:
    case Token::kUntil:
    case Token::kSemicolon:
      break;
    default:
      Expressions();
  }
  Accept(Token::kSemicolon);
}

void Parser::Statement() {
  const Level level(*this);
  switch (token_) {
    case Token::kIf:
      return If();
    case Token::kWhile:
      return While();
    case Token::kDo:
      Advance();
      ScopedBlock();
      return Expect(Token::kEndWord);
    case Token::kFor:
      return For();
    case Token::kRepeat:
      return Repeat();
    case Token::kFunction:
      return FunctionStatement();
    case Token::kLocal:
      return LocalStatement();
    default:
      return CallOrAssignment();
  }
}

void Parser::If() {
  do {
    Advance();  // if, elseif
    Expression();
    Expect(Token::kThen);
    ScopedBlock();
  } while (token_ == Token::kElseif);
  if (Accept(Token::kElse)) ScopedBlock();
  Expect(Token::kEndWord);
}

void Parser::While() {
  Advance();
  Expression();
  Expect(Token::kDo);
  ScopedBlock();
  Expect(Token::kEndWord);
}

void Parser::For() {
  Advance();
  std::vector<std::string> names = {ExpectName()};
  const size_t outer = scope_.size();
  if (Accept(Token::kAssign)) {
    const std::vector<NodeId> bounds = Expressions();
    if (bounds.size() < 2 || bounds.size() > 3) Bad();
    Declare(std::move(names[0]), LocalKind::kCounter);
  } else {
    while (Accept(Token::kComma)) names.push_back(ExpectName());
    Expect(Token::kIn);
    const std::vector<NodeId> values = Expressions();
    for (size_t i = 0; i < names.size(); ++i) {
      const LocalId local =
          Declare(std::move(names[i]), LocalKind::kIterated, static_cast<uint32_t>(i));
      Assign(local, values.size() == 1 ? values[0] : kNone);
    }
  }
  Expect(Token::kDo);
  Block();
  scope_.resize(outer);
  Expect(Token::kEndWord);
}

void Parser::Repeat() {
  Advance();
  const size_t outer = scope_.size();
  Block();
  Expect(Token::kUntil);
  Expression();  // sees the block's locals
  scope_.resize(outer);
}

void Parser::FunctionStatement() {
  Advance();
  NodeId target = NameNode(ExpectName());
  bool method = false;
  while (!bad_ && (token_ == Token::kDot || token_ == Token::kColon)) {
    method = token_ == Token::kColon;
    Advance();
    const NodeId key = AddText(NodeKind::kString, ExpectName());
    target = IndexNode(target, key);
    if (method) break;
  }
  const NodeId body = FunctionBody(method);
  if (!bad_) AssignTo({target}, {body});
}

void Parser::LocalStatement() {
  Advance();
  if (Accept(Token::kFunction)) {
    const LocalId local = Declare(ExpectName(), LocalKind::kPlain);
    Assign(local, FunctionBody(false));
    return;
  }
  std::vector<std::string> names;
  do {
    names.push_back(ExpectName());
  } while (Accept(Token::kComma));
  std::vector<NodeId> values;
  if (Accept(Token::kAssign)) values = Expressions();
  if (bad_) return;
  for (size_t i = 0; i < names.size(); ++i) {
    const NodeId value = ValueFor(i, values);
    Assign(Declare(std::move(names[i]), LocalKind::kPlain), value);
  }
}

void Parser::CallOrAssignment() {
  const NodeId first = Suffixed();
  if (bad_) return;
  if (token_ != Token::kAssign && token_ != Token::kComma) {
    const NodeKind kind = At(first).kind;
    if (kind != NodeKind::kCall && kind != NodeKind::kMethod) return Bad();
    return;
  }
  std::vector<NodeId> targets = {first};
  while (Accept(Token::kComma)) targets.push_back(Suffixed());
  Expect(Token::kAssign);
  const std::vector<NodeId> values = Expressions();
  if (!bad_) AssignTo(targets, values);
}

void Parser::AssignTo(const std::vector<NodeId>& targets, const std::vector<NodeId>& values) {
  for (size_t i = 0; i < targets.size(); ++i) {
    const NodeId value = ValueFor(i, values);
    switch (At(targets[i]).kind) {
      case NodeKind::kLocal:
        Assign(At(targets[i]).id, value);
        break;
      case NodeKind::kGlobal:
      case NodeKind::kIndex:
        chunk_.stores.push_back({targets[i], value});
        break;
      default:
        return Bad();
    }
  }
}

std::optional<Chunk> ParseLua(std::string_view text) { return Parser(text).Parse(); }

}  // namespace crossfade::routing::lua
