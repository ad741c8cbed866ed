#include "routing/scripts/lua_lexer.h"

#include <utility>

namespace crossfade::routing::lua {
namespace {

constexpr std::pair<std::string_view, Token> kKeywords[] = {
    {"and", Token::kAnd},       {"break", Token::kBreak},   {"do", Token::kDo},
    {"else", Token::kElse},     {"elseif", Token::kElseif}, {"end", Token::kEndWord},
    {"false", Token::kFalse},   {"for", Token::kFor},       {"function", Token::kFunction},
    {"if", Token::kIf},         {"in", Token::kIn},         {"local", Token::kLocal},
    {"nil", Token::kNil},       {"not", Token::kNot},       {"or", Token::kOr},
    {"repeat", Token::kRepeat}, {"return", Token::kReturn}, {"then", Token::kThen},
    {"true", Token::kTrue},     {"until", Token::kUntil},   {"while", Token::kWhile}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }
bool IsNewline(char c) { return c == '\n' || c == '\r'; }

}  // namespace

bool LuaLexer::SkipBlanks() {
  while (p_ < end_) {
    const char c = *p_;
    if (c == '\n') ++line_;
    if (c == ' ' || c == '\t' || c == '\v' || c == '\f' || IsNewline(c)) {
      ++p_;
      continue;
    }
    if (c != '-' || Peek(1) != '-') return true;
    p_ += 2;
    const int level = Peek() == '[' ? LongBracket() : -1;
    if (level >= 0) {
      if (!LongString(level, false)) return false;
      continue;
    }
    while (p_ < end_ && !IsNewline(*p_)) ++p_;
  }
  return true;
}

Token LuaLexer::Next() {
  text_ = {};
  if (!SkipBlanks()) return Token::kBad;
  if (p_ == end_) return Token::kEnd;
  const char c = *p_;
  if (IsNameStart(c)) return Name();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number();
  if (c == '"' || c == '\'') return String(c);
  if (c == '[') {
    const int level = LongBracket();
    if (level >= 0) {
      if (!LongString(level, true)) return Token::kBad;
      text_ = value_;
      return Token::kString;
    }
  }
  return Operator();
}

Token LuaLexer::Name() {
  const char* begin = p_;
  while (p_ < end_ && IsNamePart(*p_)) ++p_;
  text_ = {begin, static_cast<size_t>(p_ - begin)};
  for (const auto& [word, token] : kKeywords) {
    if (text_ == word) return token;
  }
  return Token::kName;
}

// As Lua reads them: greedily, and what does not make a number is refused by the
// store as well.
Token LuaLexer::Number() {
  const char* begin = p_;
  while (p_ < end_ && (IsDigit(*p_) || *p_ == '.')) ++p_;
  if (Peek() == 'e' || Peek() == 'E') {
    ++p_;
    if (Peek() == '+' || Peek() == '-') ++p_;
  }
  while (p_ < end_ && IsNamePart(*p_)) ++p_;
  text_ = {begin, static_cast<size_t>(p_ - begin)};
  return Token::kNumber;
}

Token LuaLexer::String(char quote) {
  value_.clear();
  ++p_;
  while (p_ < end_ && *p_ != quote) {
    if (IsNewline(*p_)) return Token::kBad;
    if (*p_ == '\\') {
      if (!Escape()) return Token::kBad;
      continue;
    }
    value_ += *p_++;
  }
  if (p_ == end_) return Token::kBad;
  ++p_;
  text_ = value_;
  return Token::kString;
}

bool LuaLexer::Escape() {
  ++p_;
  if (p_ == end_) return false;
  const char c = *p_++;
  switch (c) {
    case 'a':
      value_ += '\a';
      return true;
    case 'b':
      value_ += '\b';
      return true;
    case 'f':
      value_ += '\f';
      return true;
    case 'n':
      value_ += '\n';
      return true;
    case 'r':
      value_ += '\r';
      return true;
    case 't':
      value_ += '\t';
      return true;
    case 'v':
      value_ += '\v';
      return true;
    case '\n':
    case '\r':
      if (IsNewline(Peek()) && Peek() != c) ++p_;  // both of a pair
      ++line_;
      value_ += '\n';
      return true;
    default:
      break;
  }
  if (!IsDigit(c)) {
    value_ += c;
    return true;
  }
  int code = c - '0';
  for (int i = 0; i < 2 && IsDigit(Peek()); ++i) code = code * 10 + (*p_++ - '0');
  if (code > 255) return false;
  value_ += static_cast<char>(code);
  return true;
}

int LuaLexer::LongBracket() const {
  size_t level = 0;
  while (Peek(1 + level) == '=') ++level;
  return Peek(1 + level) == '[' ? static_cast<int>(level) : -1;
}

bool LuaLexer::LongString(int level, bool keep) {
  value_.clear();
  const auto equals = static_cast<size_t>(level);
  p_ += equals + 2;
  // A newline right behind the bracket is not part of it.
  if (IsNewline(Peek()) && p_ < end_) {
    const char first = *p_++;
    if (IsNewline(Peek()) && Peek() != first) ++p_;
    ++line_;
  }
  for (; p_ < end_; ++p_) {
    if (*p_ == ']') {
      size_t i = 1;
      while (i <= equals && Peek(i) == '=') ++i;
      if (i == equals + 1 && Peek(i) == ']') {
        p_ += i + 1;
        return true;
      }
    }
    if (*p_ == '\n') ++line_;
    if (keep) value_ += *p_;
  }
  return false;
}

bool LuaLexer::Take(char c) {
  if (Peek() != c || p_ == end_) return false;
  ++p_;
  return true;
}

Token LuaLexer::Operator() {
  switch (*p_++) {
    case '+':
      return Token::kPlus;
    case '-':
      return Token::kMinus;
    case '*':
      return Token::kStar;
    case '/':
      return Token::kSlash;
    case '%':
      return Token::kPercent;
    case '^':
      return Token::kCaret;
    case '#':
      return Token::kHash;
    case '<':
      return Take('=') ? Token::kLessEqual : Token::kLess;
    case '>':
      return Take('=') ? Token::kGreaterEqual : Token::kGreater;
    case '=':
      return Take('=') ? Token::kEqual : Token::kAssign;
    case '~':
      return Take('=') ? Token::kNotEqual : Token::kBad;
    case '(':
      return Token::kOpenParen;
    case ')':
      return Token::kCloseParen;
    case '{':
      return Token::kOpenBrace;
    case '}':
      return Token::kCloseBrace;
    case '[':
      return Token::kOpenBracket;
    case ']':
      return Token::kCloseBracket;
    case ';':
      return Token::kSemicolon;
    case ':':
      return Token::kColon;
    case ',':
      return Token::kComma;
    case '.':
      if (!Take('.')) return Token::kDot;
      return Take('.') ? Token::kDots : Token::kConcat;
    default:
      return Token::kBad;
  }
}

}  // namespace crossfade::routing::lua
