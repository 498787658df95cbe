/* cuFFT (279 MB): the operators contrib.fft and contrib.ifft on the GPU. MXNet looks at what cufftExecC2C returns, not at the plan's.
 * Numbers: enum cufftResult_t of cufft.h, 11.7. */
#include "stub.h"

enum { CUFFT_NOT_SUPPORTED = 16 };

static int missing(void) {
  say_what_is_missing("cuFFT", "nvidia-cufft-cu11==10.9.0.58");
  return CUFFT_NOT_SUPPORTED;
}

EXPORTED int cufftPlanMany(void) { return missing(); }
EXPORTED int cufftExecC2C(void) { return missing(); }
EXPORTED int cufftDestroy(void) { return missing(); }
