// Parser: expressions.
#include "routing/scripts/lua_parser.h"

namespace crossfade::routing::lua {

std::vector<NodeId> Parser::Expressions() {
  std::vector<NodeId> values;
  do {
    values.push_back(Expression());
  } while (!bad_ && Accept(Token::kComma));
  return values;
}

namespace {

struct Priority {
  int left = 0;  // 0: no binary operator
  int right = 0;
};

Priority PriorityOf(Token op) {
  switch (op) {
    case Token::kOr:
      return {1, 1};
    case Token::kAnd:
      return {2, 2};
    case Token::kLess:
    case Token::kGreater:
    case Token::kLessEqual:
    case Token::kGreaterEqual:
    case Token::kNotEqual:
    case Token::kEqual:
      return {3, 3};
    case Token::kConcat:
      return {5, 4};
    case Token::kPlus:
    case Token::kMinus:
      return {6, 6};
    case Token::kStar:
    case Token::kSlash:
    case Token::kPercent:
      return {7, 7};
    case Token::kCaret:
      return {10, 9};
    default:
      return {};
  }
}
constexpr int kUnaryPriority = 8;

}  // namespace

NodeId Parser::Expression(int limit) {
  const Level level(*this);
  NodeId left = kNone;
  if (token_ == Token::kNot || token_ == Token::kMinus || token_ == Token::kHash) {
    const Token op = token_;
    Advance();
    const NodeId operand = Expression(kUnaryPriority);
    left = Add(NodeKind::kUnary);
    At(left).op = op;
    At(left).a = operand;
  } else {
    left = Simple();
  }
  while (!bad_) {
    const Token op = token_;
    const Priority priority = PriorityOf(op);
    if (priority.left <= limit) break;
    Advance();
    const NodeId right = Expression(priority.right);
    const NodeId both = Add(NodeKind::kBinary);
    At(both).op = op;
    At(both).a = left;
    At(both).b = right;
    left = both;
  }
  return left;
}

NodeId Parser::Simple() {
  NodeId id = kNone;
  switch (token_) {
    case Token::kNumber:
      id = AddText(NodeKind::kNumber, text_);
      break;
    case Token::kString:
      id = AddText(NodeKind::kString, text_);
      break;
    case Token::kNil:
      id = Add(NodeKind::kNil);
      break;
    case Token::kTrue:
    case Token::kFalse:
      id = Add(NodeKind::kBoolean);
      break;
    case Token::kDots:
      if (!chunk_.functions[function_].takes_more) Bad();
      id = Add(NodeKind::kDots);
      break;
    case Token::kOpenBrace:
      return Table();
    case Token::kFunction:
      Advance();
      return FunctionBody(false);
    default:
      return Suffixed();
  }
  Advance();
  return id;
}

NodeId Parser::Primary() {
  if (token_ == Token::kName) {
    const std::string name = text_;
    Advance();
    return NameNode(name);
  }
  if (Accept(Token::kOpenParen)) {
    const NodeId inner = Expression();
    Expect(Token::kCloseParen);
    const NodeId id = Add(NodeKind::kParen);
    At(id).a = inner;
    return id;
  }
  Bad();
  return Add(NodeKind::kNil);
}

NodeId Parser::Suffixed() {
  const Level level(*this);
  NodeId left = Primary();
  while (!bad_) {
    switch (token_) {
      case Token::kDot: {
        Advance();
        const NodeId key = AddText(NodeKind::kString, ExpectName());
        left = IndexNode(left, key);
        break;
      }
      case Token::kOpenBracket: {
        Advance();
        const NodeId key = Expression();
        Expect(Token::kCloseBracket);
        left = IndexNode(left, key);
        break;
      }
      case Token::kColon: {
        Advance();
        std::string name = ExpectName();
        std::vector<NodeId> arguments = Arguments();
        const NodeId call = AddText(NodeKind::kMethod, std::move(name));
        At(call).a = left;
        At(call).list = std::move(arguments);
        left = call;
        break;
      }
      case Token::kOpenParen:
      case Token::kString:
      case Token::kOpenBrace: {
        std::vector<NodeId> arguments = Arguments();
        const NodeId call = Add(NodeKind::kCall);
        At(call).a = left;
        At(call).list = std::move(arguments);
        left = call;
        break;
      }
      default:
        return left;
    }
  }
  return left;
}

std::vector<NodeId> Parser::Arguments() {
  if (token_ == Token::kString) {
    const NodeId id = AddText(NodeKind::kString, text_);
    Advance();
    return {id};
  }
  if (token_ == Token::kOpenBrace) return {Table()};
  Expect(Token::kOpenParen);
  if (Accept(Token::kCloseParen)) return {};
  std::vector<NodeId> values = Expressions();
  Expect(Token::kCloseParen);
  return values;
}

NodeId Parser::Table() {
  Expect(Token::kOpenBrace);
  std::vector<NodeId> values;
  std::vector<NodeId> fields;
  while (!bad_ && token_ != Token::kCloseBrace) {
    if (Accept(Token::kOpenBracket)) {
      fields.push_back(Expression());
      Expect(Token::kCloseBracket);
      Expect(Token::kAssign);
      fields.push_back(Expression());
    } else {
      // A name before '=' is a field's; only what comes next tells.
      const std::string name = token_ == Token::kName ? text_ : std::string();
      const NodeId value = Expression();
      if (!name.empty() && token_ == Token::kAssign) {
        if (At(value).kind != NodeKind::kLocal && At(value).kind != NodeKind::kGlobal) Bad();
        At(value).kind = NodeKind::kString;
        At(value).text = name;
        fields.push_back(value);
        Advance();
        fields.push_back(Expression());
      } else {
        values.push_back(value);
      }
    }
    if (!Accept(Token::kComma) && !Accept(Token::kSemicolon)) break;
  }
  Expect(Token::kCloseBrace);
  const NodeId id = Add(NodeKind::kTable);
  At(id).list = std::move(values);
  At(id).fields = std::move(fields);
  return id;
}

NodeId Parser::FunctionBody(bool method) {
  const Level level(*this);
  const NodeId id = Add(NodeKind::kFunction);
  const auto function = static_cast<FunctionId>(chunk_.functions.size());
  At(id).id = function;
  chunk_.functions.emplace_back();
  chunk_.functions.back().parent = function_;
  chunk_.functions.back().node = id;
  const FunctionId outer = function_;
  const size_t outer_scope = scope_.size();
  const size_t outer_begin = std::exchange(scope_begin_, outer_scope);
  function_ = function;
  const auto parameter = [this](std::string name) {
    std::vector<LocalId>& parameters = chunk_.functions[function_].parameters;
    const auto position = static_cast<uint32_t>(parameters.size());
    parameters.push_back(Declare(std::move(name), LocalKind::kParameter, position));
  };
  if (method) parameter("self");
  Expect(Token::kOpenParen);
  if (token_ != Token::kCloseParen) {
    do {
      if (Accept(Token::kDots)) {
        chunk_.functions[function_].takes_more = true;
        parameter("arg");  // Lua 5.1 gives it a table of them
        chunk_.locals.back().opaque = true;
        break;
      }
      parameter(ExpectName());
    } while (Accept(Token::kComma));
  }
  Expect(Token::kCloseParen);
  Block();
  Expect(Token::kEndWord);
  scope_.resize(outer_scope);
  scope_begin_ = outer_begin;
  function_ = outer;
  return id;
}

}  // namespace crossfade::routing::lua
