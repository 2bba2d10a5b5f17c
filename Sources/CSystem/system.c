#define _GNU_SOURCE
#include "csystem.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
struct sws_open_how { uint64_t flags, mode, resolve; };
enum { SWS_RESOLVE_NO_SYMLINKS = 0x04, SWS_RESOLVE_BENEATH = 0x08 };

static int regular(int fd, int one_link) {
  struct stat st;
  int e = 0;
  if (fstat(fd, &st) != 0) e = errno;
  else if (S_ISDIR(st.st_mode)) e = EISDIR;
  else if (!S_ISREG(st.st_mode)) e = EINVAL;
  else if (one_link && st.st_nlink > 1) e = EMLINK;
  if (e) {
    close(fd);
    return -e;
  }
  return fd;
}

// For kernels older than 5.6: each component opened on its own, none of them a symlink.
static int open_by_component(int dirfd, const char *path) {
  if (path[0] == '/' || path[0] == 0) return -EXDEV;
  int at = dup(dirfd);
  if (at < 0) return -errno;
  for (;;) {
    const char *slash = strchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : strlen(path);
    char name[256];
    if (n >= sizeof name || n == 0 || (n == 2 && path[0] == '.' && path[1] == '.')) {
      close(at);
      return n >= sizeof name ? -ENAMETOOLONG : -EXDEV;
    }
    memcpy(name, path, n);
    name[n] = 0;
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (slash ? O_DIRECTORY : 0);
    int next = openat(at, name, flags);
    int e = errno;
    close(at);
    if (next < 0) return -e;
    if (!slash) return next;
    at = next;
    path = slash + 1;
  }
}

int sws_open_beneath(int dirfd, const char *path) {
  struct sws_open_how how = {O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, SWS_RESOLVE_BENEATH | SWS_RESOLVE_NO_SYMLINKS};
  int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_by_component(dirfd, path);
  else if (fd < 0) fd = -errno;
  return fd < 0 ? fd : regular(fd, 1);
}

int sws_open_regular(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? -errno : regular(fd, 0);
}

const void *sws_map(int fd, size_t length) {
  void *p = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
  return p == MAP_FAILED ? NULL : p;
}
void *sws_reserve(size_t length) {
  void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
int sws_nameless_file(const char *directory, size_t length) {
  int fd;
  if (directory) {
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s/swiftlet-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
  } else {
    fd = memfd_create("swiftlet", MFD_CLOEXEC);
  }
  if (fd < 0) return -errno;
  // On a disk blocks are taken now: one that is full later would be a signal.
  const int error = directory ? posix_fallocate(fd, 0, (off_t)length) : ftruncate(fd, (off_t)length) ? errno : 0;
  if (error == 0) return fd;
  close(fd);
  return -error;
}
void *sws_map_shared(int fd, size_t length, size_t offset) {
  void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
  return p == MAP_FAILED ? NULL : p;
}
int sws_map_over(void *address, size_t length, int fd, size_t offset) {
  return mmap(address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) != MAP_FAILED;
}
void sws_discard(void *address, size_t length) { madvise(address, length, MADV_REMOVE); }
void sws_trim(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}
#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
int sws_is_sanitized(void) { return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer); }
void sws_unmap(const void *address, size_t length) { munmap((void *)address, length); }
void sws_close(int fd) { close(fd); }
void sws_forget(const void *address, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t begin = ((uintptr_t)address + page - 1) / page * page, end = ((uintptr_t)address + length) / page * page;
  if (end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
}
uint64_t sws_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
void sws_error_text(int error, char *buffer, size_t length) {
  if (length == 0) return;
  const char *text = strerror_r(error, buffer, length);
  if (text != buffer) snprintf(buffer, length, "%s", text);
}
int sws_processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int n = CPU_COUNT(&set);
  return n > 0 ? n : 1;
}
int sws_call_variadic(void *function, void *object, uint32_t tag, void *value) {
  return ((int (*)(void *, uint32_t, ...))function)(object, tag, value);
}
