/* cuSOLVER (235 MB): decompositions and solvers of linalg and np.linalg on the GPU. MXNet makes a handle for every stream and demands
 * that it succeeds, so that works here; each operation is refused, and MXNet raises an exception for it.
 * Numbers: enum cusolverStatus_t of cusolver_common.h, 11.7. */
#include "stub.h"

enum { CUSOLVER_STATUS_SUCCESS = 0, CUSOLVER_STATUS_NOT_SUPPORTED = 9 };

static char handle; /* its address is what a caller holds; nothing is kept in it */

EXPORTED int cusolverDnCreate(void **made) {
  *made = &handle;
  return CUSOLVER_STATUS_SUCCESS;
}
EXPORTED int cusolverDnDestroy(void *made) {
  (void)made;
  return CUSOLVER_STATUS_SUCCESS;
}
EXPORTED int cusolverDnSetStream(void *made, void *stream) {
  (void)made;
  (void)stream;
  return CUSOLVER_STATUS_SUCCESS;
}

static int missing(void) {
  say_what_is_missing("cuSOLVER", "nvidia-cusolver-cu11==11.4.0.1");
  return CUSOLVER_STATUS_NOT_SUPPORTED;
}

#define REFUSED(operation) \
  EXPORTED int cusolverDnS##operation(void) { return missing(); } \
  EXPORTED int cusolverDnD##operation(void) { return missing(); }

REFUSED(geqrf)
REFUSED(geqrf_bufferSize)
REFUSED(gesvd)
REFUSED(gesvd_bufferSize)
REFUSED(getrf)
REFUSED(getrf_bufferSize)
REFUSED(getrs)
REFUSED(orgqr)
REFUSED(orgqr_bufferSize)
REFUSED(potrf)
REFUSED(potrf_bufferSize)
REFUSED(syevd)
REFUSED(syevd_bufferSize)
