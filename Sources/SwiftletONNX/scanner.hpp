#pragma once
#include "error.hpp"
#include <cstring>
#include <string>

namespace swlx {
/// The lexical part of ONNX's textual syntax. Every function skips blanks and `#` comments first.
class Scanner {
 public:
  Scanner(const char *text, size_t length) : start_(text), next_(text), end_(text + length) {}

  /// The next character, or 0 at the end.
  char peek() {
    skip();
    return next_ < end_ ? *next_ : 0;
  }
  bool atEnd() {
    skip();
    return next_ >= end_;
  }
  bool match(char c) {
    if (atEnd() || *next_ != c) return false;
    ++next_;
    return true;
  }
  void expect(char c) {
    if (!match(c)) fail(std::string("expected '") + c + "'");
  }

  /// An identifier, empty when there is none.
  std::string identifier() {
    const std::string id = peekIdentifier();
    next_ += id.size();
    return id;
  }
  std::string peekIdentifier() {
    skip();
    const char *p = next_;
    if (p < end_ && (isLetter(*p) || *p == '_'))
      while (p < end_ && (isLetter(*p) || isDigit(*p) || *p == '_')) ++p;
    return std::string(next_, p);
  }
  /// An identifier or a quoted one.
  bool optionalName(std::string &name) {
    if (peek() == '"') {
      name = quoted();
      return true;
    }
    name = identifier();
    return !name.empty();
  }
  std::string name() {
    std::string name;
    if (!optionalName(name)) fail("expected a name");
    return name;
  }

  /// A string in double quotes; a backslash stands before a character that is to be taken as it is.
  std::string quoted() {
    if (peek() != '"') fail("expected a string in quotes");
    std::string out;
    for (const char *p = next_ + 1; p < end_; ++p) {
      if (*p == '"') {
        next_ = p + 1;
        return out;
      }
      if (*p == '\\' && ++p == end_) break;
      out += *p;
    }
    fail("this string has no end");
  }

  /// A number's characters, `inf`, `infinity` and `nan` (any case, with a sign) included.
  std::string number() {
    skip();
    const char *p = next_;
    if (p < end_ && (*p == '-' || *p == '+')) ++p;
    const char *first = p;
    if (p < end_ && isLetter(*p)) {
      while (p < end_ && isLetter(*p)) ++p;
      std::string word(first, p);
      for (char &c : word) c = static_cast<char>(c | 0x20);
      if (word != "inf" && word != "infinity" && word != "nan") fail("expected a number");
    } else {
      while (p < end_ && (isDigit(*p) || *p == '.')) ++p;
      if (p < end_ && p > first && (*p == 'e' || *p == 'E')) {
        ++p;
        if (p < end_ && (*p == '-' || *p == '+')) ++p;
        while (p < end_ && isDigit(*p)) ++p;
      }
    }
    if (p == first) fail("expected a number");
    const std::string text(*next_ == '+' ? next_ + 1 : next_, p);
    next_ = p;
    return text;
  }
  bool nextIsNumber() {
    const char c = peek();
    if (isDigit(c) || c == '-' || c == '+') return true;
    std::string word = peekIdentifier();
    for (char &letter : word) letter = static_cast<char>(letter | 0x20);
    return word == "inf" || word == "infinity" || word == "nan";
  }

  [[noreturn]] void fail(const std::string &what) {
    skip();
    size_t line = 1, column = 1;
    for (const char *p = start_; p < next_; ++p) {
      column = *p == '\n' ? 1 : column + 1;
      line += *p == '\n';
    }
    throw Error(SWLX_MALFORMED, "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what);
  }

  static bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static bool isDigit(char c) { return c >= '0' && c <= '9'; }

 private:
  void skip() {
    for (; next_ < end_; ++next_) {
      if (*next_ == '#') {
        while (next_ < end_ && *next_ != '\n') ++next_;
        if (next_ >= end_) return;
      }
      if (!std::strchr(" \t\n\v\f\r", *next_) || !*next_) return;
    }
  }

  const char *start_, *next_, *end_;
};
}  // namespace swlx
