// A small worker pool: pthreads, the caller takes part, workers sleep when idle.
#ifndef SWT_H
#define SWT_H
#include <stddef.h>

typedef struct swt_pool swt_pool;
/// Called once for each index in [0, count). `worker` is in [0, width) and no two tasks that run at the same time share it.
typedef void (*swt_task)(void *context, size_t index, size_t worker);
/// A host's own pool: must call task(context, i, worker) for every i in [0, count) and return when all are done.
typedef void (*swt_parallel_for)(void *userdata, size_t count, swt_task task, void *context);

/// `width` counts the caller: width 1 makes no thread. NULL when memory is exhausted. Threads start at the first run,
/// and start again in a child after fork. A thread that can't be made is done without.
swt_pool *swt_pool_create(unsigned width);
/// Runs everything through the host's hook; `width` is the number of distinct worker numbers that the hook may pass.
swt_pool *swt_pool_create_hooked(unsigned width, swt_parallel_for hook, void *userdata);
/// Accepts NULL. Joins the workers.
void swt_pool_destroy(swt_pool *pool);
unsigned swt_pool_width(const swt_pool *pool);
/// Runs the task for every index; indices are claimed dynamically. Returns when all are done. One caller at a time;
/// a nested call from inside a task runs on the calling worker alone.
void swt_pool_run(swt_pool *pool, size_t count, swt_task task, void *context);
#endif
