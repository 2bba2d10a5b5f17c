#pragma once
#include <functional>
#include <string>

namespace swlx {
/// Runs `body` in a child process and returns what it returns; throws what it throws as Error. For code that follows
/// hostile input into invalid memory: a crash, or more than a minute, becomes an Error (FAILED, naming `what`).
std::string isolated(const std::string &what, const std::function<std::string()> &body);
}  // namespace swlx
