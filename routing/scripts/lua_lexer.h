// LuaLexer: the tokens of a Lua 5.1 text, as a store's scripts are written in.
// Reads any bytes: what is no token ends in kBad. Views show the text, or (of
// strings) the lexer's own memory until the next token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crossfade::routing::lua {

enum class Token : uint8_t {
  kEnd,
  kBad,
  kName,
  kNumber,
  kString,
  // Keywords.
  kAnd,
  kBreak,
  kDo,
  kElse,
  kElseif,
  kEndWord,
  kFalse,
  kFor,
  kFunction,
  kIf,
  kIn,
  kLocal,
  kNil,
  kNot,
  kOr,
  kRepeat,
  kReturn,
  kThen,
  kTrue,
  kUntil,
  kWhile,
  // Operators of more than one character; the others stand for themselves.
  kConcat,
  kDots,
  kEqual,
  kNotEqual,
  kLessEqual,
  kGreaterEqual,
  kPlus,
  kMinus,
  kStar,
  kSlash,
  kPercent,
  kCaret,
  kHash,
  kLess,
  kGreater,
  kAssign,
  kOpenParen,
  kCloseParen,
  kOpenBrace,
  kCloseBrace,
  kOpenBracket,
  kCloseBracket,
  kSemicolon,
  kColon,
  kComma,
  kDot,
};

class LuaLexer {
 public:
  explicit LuaLexer(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  Token Next();
  // Of the token that Next returned last.
  std::string_view text() const { return text_; }  // kName, kNumber, and kString's value
  uint32_t line() const { return line_; }

 private:
  bool SkipBlanks();  // and comments; false when a comment does not end
  Token Name();
  Token Number();
  Token String(char quote);
  bool Escape();
  // At '[': how many '=' a long bracket has, -1 when it is none.
  int LongBracket() const;
  bool LongString(int level, bool keep);
  Token Operator();
  bool Take(char c);
  char Peek(size_t ahead = 0) const {
    return static_cast<size_t>(end_ - p_) > ahead ? p_[ahead] : '\0';
  }

  const char* p_;
  const char* end_;
  uint32_t line_ = 1;
  std::string_view text_;
  std::string value_;
};

}  // namespace crossfade::routing::lua
