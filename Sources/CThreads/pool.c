// The worker pool. A region is a set of indices [0, count) that threads claim one by one from an atomic counter.
//
// Joining and ending a region go through one 64-bit word, `state`: the region's number in the upper half; in the lower
// half the number of workers inside, whether the region is open, and whether the caller sleeps until it is empty.
// A worker enters by compare-and-swap while the region is open; the caller closes it when nothing is left to claim and
// waits for those inside only. Workers that wake late find it closed and are waited for by nobody.
#include "cthreads.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { stack_bytes = 1 << 20, spins = 200 };
#define OPEN (1u << 31)
#define WAITING (1u << 30)
#define INSIDE (WAITING - 1)

typedef struct {
  swt_pool *pool;
  pthread_t thread;
  unsigned number;
} worker;

struct swt_pool {
  unsigned width;
  swt_parallel_for hook;
  void *userdata;
  pthread_mutex_t turn;  // one region at a time
  pid_t process;         // that started the workers; 0: none yet
  unsigned started;      // workers that run
  swt_task task;
  void *context;
  size_t count;
  _Alignas(64) _Atomic size_t next;
  _Alignas(64) _Atomic uint64_t state;
  _Alignas(64) _Atomic uint32_t epoch;  // workers sleep on it; it changes at each region and at the end
  _Atomic uint32_t sleepers;
  _Atomic bool stop;
  worker workers[];
};

/// The pool whose task this thread is running, and as which worker.
static _Thread_local struct {
  swt_pool *pool;
  size_t worker;
} current;

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void futex_wait(void *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(void *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

static uint32_t *lower_half(swt_pool *pool) {
  uint32_t *word = (uint32_t *)(void *)&pool->state;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word += 1;
#endif
  return word;
}

static void run_alone(size_t count, swt_task task, void *context, size_t number) {
  for (size_t i = 0; i < count; i++) task(context, i, number);
}

static void claim(swt_pool *pool, size_t number) {
  swt_pool *outer = current.pool;
  size_t outer_worker = current.worker;
  current.pool = pool;
  current.worker = number;
  swt_task task = pool->task;
  void *context = pool->context;
  size_t count = pool->count;
  for (;;) {
    size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (i >= count) break;
    task(context, i, number);
  }
  current.pool = outer;
  current.worker = outer_worker;
}

static bool enter(swt_pool *pool) {
  uint64_t s = atomic_load_explicit(&pool->state, memory_order_relaxed);
  while (s & OPEN)
    if (atomic_compare_exchange_weak_explicit(&pool->state, &s, s + 1, memory_order_acquire, memory_order_relaxed))
      return true;
  return false;
}

static void leave(swt_pool *pool) {
  uint64_t before = atomic_fetch_sub_explicit(&pool->state, 1, memory_order_release);
  if ((before & INSIDE) == 1 && (before & WAITING)) futex_wake(lower_half(pool), 1);
}

static void *work(void *argument) {
  worker *self = argument;
  swt_pool *pool = self->pool;
  uint32_t seen = 0;
  while (!atomic_load(&pool->stop)) {
    uint32_t epoch = atomic_load(&pool->epoch);
    if (epoch == seen) {
      for (int i = 0; i < spins && (epoch = atomic_load_explicit(&pool->epoch, memory_order_relaxed)) == seen; i++) relax();
      if (epoch == seen) {
        atomic_fetch_add(&pool->sleepers, 1);
        if (atomic_load(&pool->epoch) == seen) futex_wait(&pool->epoch, seen);
        atomic_fetch_sub(&pool->sleepers, 1);
      }
      continue;
    }
    seen = epoch;
    if (enter(pool)) {
      claim(pool, self->number);
      leave(pool);
    }
  }
  return NULL;
}

static swt_pool *create(unsigned width, swt_parallel_for hook, void *userdata) {
  if (width == 0) width = 1;
  if (width > 4096) width = 4096;
  size_t bytes = sizeof(swt_pool) + (width - 1) * sizeof(worker);
  swt_pool *pool = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  if (!pool) return NULL;
  *pool = (swt_pool){.width = width, .hook = hook, .userdata = userdata, .turn = PTHREAD_MUTEX_INITIALIZER};
  return pool;
}

swt_pool *swt_pool_create(unsigned width) { return create(width, NULL, NULL); }

swt_pool *swt_pool_create_hooked(unsigned width, swt_parallel_for hook, void *userdata) {
  return create(width, hook, userdata);
}

void swt_pool_destroy(swt_pool *pool) {
  if (!pool) return;
  if (pool->started > 0 && pool->process == getpid()) {
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->epoch, 1);
    futex_wake(&pool->epoch, INT_MAX);
    for (unsigned i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
  }
  free(pool);
}

unsigned swt_pool_width(const swt_pool *pool) { return pool->width; }

/// Makes the workers of this process. After fork the parent's don't exist here.
static void start(swt_pool *pool, pid_t process) {
  pool->process = process;
  pool->started = 0;
  atomic_store(&pool->state, 0);
  atomic_store(&pool->epoch, 0);
  atomic_store(&pool->sleepers, 0);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setstacksize(&attributes, stack_bytes);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i + 1 < pool->width; i++) {
    worker *w = &pool->workers[pool->started];
    *w = (worker){.pool = pool, .number = pool->started + 1};
    if (pthread_create(&w->thread, &attributes, work, w) != 0) break;
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

static void run_region(swt_pool *pool, size_t count, swt_task task, void *context) {
  pool->task = task;
  pool->context = context;
  pool->count = count;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  uint64_t number = (atomic_load_explicit(&pool->state, memory_order_relaxed) >> 32) + 1;
  atomic_store_explicit(&pool->state, number << 32 | OPEN, memory_order_release);
  atomic_fetch_add(&pool->epoch, 1);
  uint32_t sleepers = atomic_load(&pool->sleepers);
  if (sleepers > 0) futex_wake(&pool->epoch, (int)(count - 1 < sleepers ? count - 1 : sleepers));
  claim(pool, 0);
  atomic_fetch_and_explicit(&pool->state, ~(uint64_t)OPEN, memory_order_acquire);
  for (int i = 0; i < spins; i++) {
    if (!(atomic_load_explicit(&pool->state, memory_order_acquire) & INSIDE)) return;
    relax();
  }
  for (;;) {
    uint64_t s = atomic_fetch_or_explicit(&pool->state, WAITING, memory_order_acquire) | WAITING;
    if (!(s & INSIDE)) return;
    futex_wait(lower_half(pool), (uint32_t)s);
  }
}

typedef struct {
  swt_pool *pool;
  swt_task task;
  void *context;
} hooked;

static void run_hooked(void *argument, size_t index, size_t number) {
  hooked *h = argument;
  swt_pool *outer = current.pool;
  size_t outer_worker = current.worker;
  current.pool = h->pool;
  current.worker = number;
  h->task(h->context, index, number);
  current.pool = outer;
  current.worker = outer_worker;
}

void swt_pool_run(swt_pool *pool, size_t count, swt_task task, void *context) {
  if (count == 0) return;
  if (current.pool == pool) return run_alone(count, task, context, current.worker);
  if (count == 1 || pool->width == 1) return run_alone(count, task, context, 0);
  if (pool->hook) {
    hooked h = {pool, task, context};
    return pool->hook(pool->userdata, count, run_hooked, &h);
  }
  pid_t process = getpid();
  if (pool->process != process && pool->process != 0) pthread_mutex_init(&pool->turn, NULL);
  pthread_mutex_lock(&pool->turn);
  if (pool->process != process) start(pool, process);
  if (pool->started == 0) run_alone(count, task, context, 0);
  else run_region(pool, count, task, context);
  pthread_mutex_unlock(&pool->turn);
}
