// Parser: the grammar of Lua 5.1 by recursive descent, from tokens to a Chunk.
// Lives on the stack during one ParseLua. After an error all tokens are kEnd, so
// that every loop ends.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "routing/scripts/lua_lexer.h"
#include "routing/scripts/lua_syntax.h"

namespace crossfade::routing::lua {

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {
    chunk_.functions.emplace_back();
    chunk_.functions.back().takes_more = true;
    Advance();
  }

  std::optional<Chunk> Parse() {
    Block();
    if (bad_ || token_ != Token::kEnd) return std::nullopt;
    LinkParents();
    return std::move(chunk_);
  }

 private:
  // Calls within calls; Lua allows fewer.
  static constexpr int kDepthMax = 600;
  static constexpr size_t kLocalsMax = 200;  // of a function, as in Lua

  struct Active {
    std::string name;
    LocalId local;
  };
  // Depth of the recursion: past its bound everything fails.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDepthMax) parser_.Bad();
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  // ---- Tokens
  void Advance() {
    if (bad_) return;
    taken_line_ = lexer_.line();
    token_ = lexer_.Next();
    text_.assign(lexer_.text());
    if (token_ == Token::kBad) Bad();
  }
  void Bad() {
    bad_ = true;
    token_ = Token::kEnd;
  }
  bool Accept(Token token) {
    if (bad_ || token_ != token) return false;
    Advance();
    return true;
  }
  void Expect(Token token) {
    if (!Accept(token)) Bad();
  }
  std::string ExpectName() {
    std::string name = text_;
    Expect(Token::kName);
    return name;
  }

  // ---- Building
  NodeId Add(NodeKind kind) {
    Node& node = chunk_.nodes.emplace_back();
    node.kind = kind;
    node.line = taken_line_;
    node.function = function_;
    return static_cast<NodeId>(chunk_.nodes.size() - 1);
  }
  Node& At(NodeId id) { return chunk_.nodes[id]; }
  NodeId AddText(NodeKind kind, std::string text) {
    const NodeId id = Add(kind);
    At(id).text = std::move(text);
    return id;
  }
  LocalId Declare(std::string name, LocalKind kind, uint32_t position = 0) {
    if (scope_.size() - scope_begin_ >= kLocalsMax) Bad();
    const LocalId id = NewLocal(kind, position);
    scope_.push_back({std::move(name), id});
    return id;
  }
  LocalId NewLocal(LocalKind kind, uint32_t position = 0) {
    Local& local = chunk_.locals.emplace_back();
    local.kind = kind;
    local.function = function_;
    local.position = position;
    return static_cast<LocalId>(chunk_.locals.size() - 1);
  }
  void Assign(LocalId local, NodeId value) {
    if (value == kNone) {
      chunk_.locals[local].opaque = true;
      return;
    }
    chunk_.locals[local].sources.push_back(value);
    chunk_.locals[local].assigned_in.push_back(function_);
  }
  NodeId NameNode(const std::string& name) {
    for (size_t i = scope_.size(); i-- > 0;) {
      if (scope_[i].name != name) continue;
      const NodeId id = Add(NodeKind::kLocal);
      At(id).id = scope_[i].local;
      return id;
    }
    return AddText(NodeKind::kGlobal, name);
  }
  NodeId IndexNode(NodeId object, NodeId key) {
    const NodeId id = Add(NodeKind::kIndex);
    At(id).a = object;
    At(id).b = key;
    return id;
  }
  bool GivesSeveral(NodeId id) {
    const NodeKind kind = At(id).kind;
    return kind == NodeKind::kCall || kind == NodeKind::kMethod || kind == NodeKind::kDots;
  }
  // What the target at `i` of an assignment gets of `values`.
  NodeId ValueFor(size_t i, const std::vector<NodeId>& values) {
    if (i < values.size()) return values[i];
    if (!values.empty() && GivesSeveral(values.back())) return kNone;
    return Add(NodeKind::kNil);
  }
  void LinkParents();

  void Block();
  void ScopedBlock() {
    const size_t outer = scope_.size();
    Block();
    scope_.resize(outer);
  }
  void Statement();
  void If();
  void While();
  void For();
  void Repeat();
  void FunctionStatement();
  void LocalStatement();
  void Return();
  void CallOrAssignment();
  void AssignTo(const std::vector<NodeId>& targets, const std::vector<NodeId>& values);

  std::vector<NodeId> Expressions();
  NodeId Expression(int limit = 0);
  NodeId Simple();
  NodeId Primary();
  NodeId Suffixed();
  std::vector<NodeId> Arguments();
  NodeId Table();
  NodeId FunctionBody(bool method);

  LuaLexer lexer_;
  Token token_ = Token::kEnd;
  uint32_t taken_line_ = 1;  // of the token before
  std::string text_;
  bool bad_ = false;
  int depth_ = 0;
  FunctionId function_ = 0;
  std::vector<Active> scope_;
  size_t scope_begin_ = 0;  // of the function's own
  Chunk chunk_;
};

}  // namespace crossfade::routing::lua
