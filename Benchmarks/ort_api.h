/* The part of onnxruntime's C interface that the comparison needs. OrtApi is a table of functions whose order never
 * changes; this names the entries that are used, by their position in version 1 of the table. The library comes from
 * the wheel that PyPI has, which brings no header. */
#ifndef ORT_API_H
#define ORT_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtMemoryInfo OrtMemoryInfo;

typedef struct {
  const void *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

enum { ORT_LOGGING_ERROR = 3, ORT_DEVICE_ALLOCATOR = 0, ORT_MEM_TYPE_DEFAULT = 0 };

/* ORT(api, Name)(...) calls the entry `Name` of the table. */
#define ORT(api, name) ((Ort##name)((void *const *)(api))[ORT_##name])

enum {
  ORT_GetErrorMessage = 2,
  ORT_CreateEnv = 3,
  ORT_CreateSession = 7,
  ORT_Run = 9,
  ORT_CreateSessionOptions = 10,
  ORT_SetIntraOpNumThreads = 24,
  ORT_SetInterOpNumThreads = 25,
  ORT_SessionGetOutputCount = 31,
  ORT_SessionGetOutputName = 37,
  ORT_CreateTensorWithDataAsOrtValue = 49,
  ORT_CreateCpuMemoryInfo = 69,
  ORT_GetAllocatorWithDefaultOptions = 78,
  ORT_ReleaseValue = 96
};

typedef const char *(*OrtGetErrorMessage)(const OrtStatus *);
typedef OrtStatus *(*OrtCreateEnv)(int level, const char *id, OrtEnv **);
typedef OrtStatus *(*OrtCreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **);
typedef OrtStatus *(*OrtRun)(OrtSession *, const OrtRunOptions *, const char *const *input_names,
                             const OrtValue *const *inputs, size_t input_count, const char *const *output_names,
                             size_t output_count, OrtValue **outputs);
typedef OrtStatus *(*OrtCreateSessionOptions)(OrtSessionOptions **);
typedef OrtStatus *(*OrtSetIntraOpNumThreads)(OrtSessionOptions *, int threads);
typedef OrtStatus *(*OrtSetInterOpNumThreads)(OrtSessionOptions *, int threads);
typedef OrtStatus *(*OrtSessionGetOutputCount)(const OrtSession *, size_t *);
typedef OrtStatus *(*OrtSessionGetOutputName)(const OrtSession *, size_t, OrtAllocator *, char **);
typedef OrtStatus *(*OrtCreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t size,
                                                        const int64_t *shape, size_t rank, int type, OrtValue **);
typedef OrtStatus *(*OrtCreateCpuMemoryInfo)(int allocator, int mem_type, OrtMemoryInfo **);
typedef OrtStatus *(*OrtGetAllocatorWithDefaultOptions)(OrtAllocator **);
typedef void (*OrtReleaseValue)(OrtValue *);

#endif
