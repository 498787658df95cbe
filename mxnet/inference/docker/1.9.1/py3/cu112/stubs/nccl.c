/* NCCL (241 MB): the key-value store "nccl", which sums gradients of several GPUs. MXNet looks at none of the results: going on after a
 * failure would give wrong sums, so making the communicator ends the process, as cuDNN does where a part of it is missing.
 * Numbers: enum ncclResult_t of nccl.h, 2.14. */
#include <stdlib.h>

#include "stub.h"

enum { ncclInvalidUsage = 5 };

EXPORTED int ncclCommInitAll(void) {
  say_what_is_missing("NCCL", "nvidia-nccl-cu11==2.14.3");
  abort();
}
EXPORTED int ncclCommDestroy(void) { return ncclInvalidUsage; }
EXPORTED int ncclGroupStart(void) { return ncclInvalidUsage; }
EXPORTED int ncclGroupEnd(void) { return ncclInvalidUsage; }
EXPORTED int ncclReduce(void) { return ncclInvalidUsage; }
EXPORTED int ncclBcast(void) { return ncclInvalidUsage; }
