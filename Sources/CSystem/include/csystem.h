// System calls that Swift can't reach or whose C macros it can't import.
#ifndef SWS_H
#define SWS_H
#include <stddef.h>
#include <stdint.h>

/// Opens `path` for reading beneath the directory `dirfd`: no "..", no absolute path, no symlink in any component, a
/// regular file with one link only. Returns a descriptor or -errno.
int sws_open_beneath(int dirfd, const char *path);
/// Opens a regular file or returns -errno (a directory: -EISDIR; a FIFO, socket or device: -EINVAL; never blocks).
int sws_open_regular(const char *path);
/// A private read-only mapping of the first `length` bytes, or NULL.
const void *sws_map(int fd, size_t length);
void sws_unmap(const void *address, size_t length);
void sws_close(int fd);
/// `length` zero bytes that take memory only where they are touched, or NULL; sws_unmap frees them.
void *sws_reserve(size_t length);
/// A file without a name of `length` zero bytes, which take room only where they are written: in the directory, whose disk has
/// room for them all, or in memory if it is NULL. Returns a descriptor or -errno.
int sws_nameless_file(const char *directory, size_t length);
/// A mapping of `length` bytes of a file, or NULL: what is written goes to the file.
void *sws_map_shared(int fd, size_t length, size_t offset);
/// Maps other bytes of a file over a part of such a mapping; 0 when that fails. All multiples of the page's size.
int sws_map_over(void *address, size_t length, int fd, size_t offset);
/// Gives back what pages of a shared mapping take in their file; they are 0 then.
void sws_discard(void *address, size_t length);
/// Gives memory back that malloc holds but nobody uses.
void sws_trim(void);
/// Whether a sanitizer watches the memory.
int sws_is_sanitized(void);
/// Tells the kernel that pages wholly inside the range are not needed for now (they can be read again from the file).
void sws_forget(const void *address, size_t length);
/// Monotonic clock in nanoseconds.
uint64_t sws_now(void);
/// Cores that this process may use, at least 1.
int sws_processor_count(void);
/// strerror_r into a static-size buffer.
void sws_error_text(int error, char *buffer, size_t length);
/// Calls `int function(void *object, uint32_t tag, ...)` with one pointer more: Swift can't call variadic functions.
int sws_call_variadic(void *function, void *object, uint32_t tag, void *value);
/// Atomic integers over plain memory.
static inline int sws_atomic_load(const int *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void sws_atomic_store(int *p, int value) { __atomic_store_n(p, value, __ATOMIC_RELEASE); }
static inline int sws_atomic_exchange(int *p, int value) { return __atomic_exchange_n(p, value, __ATOMIC_ACQ_REL); }
#endif
