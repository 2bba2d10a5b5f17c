#include "isolated.hpp"
#include "error.hpp"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace swlx {
namespace {
const int timeoutMilliseconds = 60'000;

bool writeAll(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    const ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    length -= static_cast<size_t>(n);
  }
  return true;
}

/// The answer's first byte is its status, the rest the result or the error's text.
[[noreturn]] void answer(int fd, const std::function<std::string()> &body) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPIPE}) std::signal(signal, SIG_DFL);
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  char status = SWLX_OK;
  std::string text;
  try {
    text = body();
  } catch (const Error &error) {
    status = static_cast<char>(error.status);
    text = error.what();
  } catch (const std::bad_alloc &) {
    status = SWLX_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    status = SWLX_FAILED;
    text = error.what();
  }
  const bool whole = writeAll(fd, &status, 1) && writeAll(fd, text.data(), text.size());
  _exit(whole ? 0 : 1);
}

/// Everything up to the end, or false after the time is up.
bool readAll(int fd, std::string &bytes) {
  char buffer[65536];
  for (;;) {
    pollfd waiting = {fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, timeoutMilliseconds);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

struct Descriptor {
  int fd;
  ~Descriptor() { close(fd); }
};
}  // namespace

std::string isolated(const std::string &what, const std::function<std::string()> &body) {
  int ends[2];
  if (pipe(ends) != 0) throw Error(SWLX_FAILED, what + ": " + std::strerror(errno));
  const pid_t child = fork();
  if (child == 0) answer(ends[1], body);
  close(ends[1]);
  const Descriptor reading{ends[0]};
  if (child < 0) throw Error(SWLX_FAILED, what + ": " + std::strerror(errno));
  std::string bytes;
  const bool inTime = readAll(ends[0], bytes);
  if (!inTime) kill(child, SIGKILL);
  int end = 0;
  while (waitpid(child, &end, 0) < 0 && errno == EINTR) {}
  if (!inTime) throw Error(SWLX_FAILED, what + " didn't come to an end");
  if (!WIFEXITED(end) || WEXITSTATUS(end) != 0 || bytes.empty()) throw Error(SWLX_FAILED, what + " crashed");
  if (bytes[0] != SWLX_OK) throw Error(static_cast<swlx_status>(bytes[0]), bytes.substr(1));
  return bytes.substr(1);
}
}  // namespace swlx
