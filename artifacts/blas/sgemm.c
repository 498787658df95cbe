/* Products of float32 matrices (BLAS's sgemm) by oneDNN. Preloaded by the CPU images whose framework takes its BLAS
 * from a shared library: oneDNN multiplies as fast as MKL, 1.1 to 5 times as fast as OpenBLAS 0.3.21
 * (docs/images-pytorch.md#blas), and is in the image for convolutions.
 *
 * Only products that are worth a call go there; small ones and everything else stay with the BLAS of the caller.
 * DLC_SGEMM=blas leaves all of them with it. Needs LP64 integers (32 bits), as OpenBLAS in Debian and in MXNet's wheel
 * has them. Sources: BLAS Technical Forum Standard 2.8.3 (sgemm); oneDNN 2.6, dnnl_sgemm: row-major, leaves C alone
 * where K is 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { COLUMN_MAJOR = 102, ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, CONJ_TRANS = 113 };

/* A product of 80 x 80 matrices: below that a call of oneDNN costs more than it saves (AVX-512, 1 and 2 threads). */
static const double WORTH_A_CALL = 512000;

typedef void fortran_sgemm(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                           const int*, const float*, const int*, const float*, float*, const int*, size_t, size_t);
typedef void c_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
typedef int onednn_sgemm(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t,
                         float, float*, int64_t);

static onednn_sgemm* onednn; /* NULL: not used */
static pthread_once_t onednn_once = PTHREAD_ONCE_INIT;

static void find_onednn(void) {
  const char* wanted = getenv("DLC_SGEMM");
  if ((wanted != NULL && strcmp(wanted, "blas") == 0) || !__builtin_cpu_supports("avx2")) {
    return;
  }
  void* library = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library != NULL) {
    onednn = (onednn_sgemm*)dlsym(library, "dnnl_sgemm");
  }
}

/* The function that the caller would have got: of the libraries that it is linked with, or was found among before this
 * library was put in front. All of them do the same, so the first one that is found serves all callers. */
static void* find_blas(const char* name, const void* caller) {
  Dl_info object;
  void* function = NULL;
  if (dladdr(caller, &object) != 0 && object.dli_fname != NULL) {
    void* library = dlopen(object.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    function = library != NULL ? dlsym(library, name) : NULL;
  }
  if (function == NULL) {
    function = dlsym(RTLD_NEXT, name);
  }
  static const char* const usual[] = {"libopenblas.so.0", "libblas.so.3"};
  for (size_t i = 0; function == NULL && i < sizeof usual / sizeof *usual; ++i) {
    void* library = dlopen(usual[i], RTLD_LAZY | RTLD_LOCAL);
    function = library != NULL ? dlsym(library, name) : NULL;
  }
  if (function == NULL) {
    fprintf(stderr, "libdlc_sgemm.so: no BLAS has %s: take this library out of LD_PRELOAD\n", name);
    abort();
  }
  return function;
}

/* oneDNN's letter; 0: none of BLAS's values, or complex ones. */
static char letter_of(int trans) {
  return trans == NO_TRANS ? 'N' : trans == TRANS || trans == CONJ_TRANS ? 'T' : 0;
}

static int trans_of(char letter) {
  switch (letter) {
    case 'N':
    case 'n':
      return NO_TRANS;
    case 'T':
    case 't':
      return TRANS;
    case 'C':
    case 'c':
      return CONJ_TRANS;
    default:
      return 0;
  }
}

/* Row-major. 0: nothing was done, the BLAS has to (where arguments are wrong it says so). */
static int by_onednn(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int lda,
                     const float* b, int ldb, float beta, float* c, int ldc) {
  const char letter_a = letter_of(trans_a), letter_b = letter_of(trans_b);
  if (m <= 0 || n <= 0 || k <= 0 || (double)m * (double)n * (double)k < WORTH_A_CALL || alpha == 0 || letter_a == 0 ||
      letter_b == 0) {
    return 0;
  }
  pthread_once(&onednn_once, find_onednn);
  return onednn != NULL && onednn(letter_a, letter_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) == 0;
}

EXPORTED void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                          int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  if (order == ROW_MAJOR && by_onednn(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) {
    return;
  }
  /* A column-major matrix is its transpose in row-major: C' = B' A'. */
  if (order == COLUMN_MAJOR && by_onednn(trans_b, trans_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc)) {
    return;
  }
  static c_sgemm* blas;
  c_sgemm* function = __atomic_load_n(&blas, __ATOMIC_ACQUIRE);
  if (function == NULL) {
    function = (c_sgemm*)find_blas("cblas_sgemm", __builtin_return_address(0));
    __atomic_store_n(&blas, function, __ATOMIC_RELEASE);
  }
  function(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

EXPORTED void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
                     const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                     const float* beta, float* c, const int* ldc, size_t length_a, size_t length_b) {
  if (by_onednn(trans_of(*trans_b), trans_of(*trans_a), *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c, *ldc)) {
    return;
  }
  static fortran_sgemm* blas;
  fortran_sgemm* function = __atomic_load_n(&blas, __ATOMIC_ACQUIRE);
  if (function == NULL) {
    function = (fortran_sgemm*)find_blas("sgemm_", __builtin_return_address(0));
    __atomic_store_n(&blas, function, __ATOMIC_RELEASE);
  }
  function(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, length_a, length_b);
}
