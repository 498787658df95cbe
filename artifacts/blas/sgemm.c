/* Products of float32 matrices (BLAS's sgemm) by oneDNN, for images whose framework takes its BLAS from a shared
 * library. It stands in LD_PRELOAD, before that library. Why: docs/images-pytorch.md#blas.
 *
 * Only products that are worth a call go there; small ones and everything else stay with the BLAS of the caller.
 * DLC_SGEMM=blas leaves all of them with it. Integers have 32 bits (LP64), as in Debian's OpenBLAS and in MXNet's
 * wheel. Sources: BLAS Technical Forum Standard 2.8.3 (sgemm), B.2.12 (cblas_sgemm); oneDNN 2.6, dnnl_sgemm: row-major,
 * leaves C alone where K is 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { ROW_MAJOR = 101, COLUMN_MAJOR = 102, NO_TRANS = 111, TRANS = 112, CONJ_TRANS = 113 };
enum { ONEDNN_SUCCESS = 0, ONEDNN_INVALID_ARGUMENTS = 2, ONEDNN_UNIMPLEMENTED = 3 };

/* A product of 80 x 80 matrices: below that a call of oneDNN costs more than it saves (AVX-512, 1 and 2 threads). */
static const double WORTH_A_CALL = 512000;

/* Two lengths of strings, which compilers of Fortran pass, follow; of one character nobody looks at them. */
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

/* A BLAS's own function: of the libraries that the caller is linked with, else one that is loaded for all, else
 * Debian's. All do the same, so the first one that is found serves every caller. */
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

/* oneDNN's letter; 0: none of BLAS's values. The conjugate of a real matrix is the matrix. */
static char letter_of_number(int trans) {
  return trans == NO_TRANS ? 'N' : trans == TRANS || trans == CONJ_TRANS ? 'T' : 0;
}

static char letter_of_letter(char trans) {
  if (trans == 'N' || trans == 'n') {
    return 'N';
  }
  return trans == 'T' || trans == 't' || trans == 'C' || trans == 'c' ? 'T' : 0;
}

/* Row-major; the letters as above. 0: C is as it was (or nothing to go by, beta being 0), and the BLAS has to compute
 * it; where arguments are wrong it says so. */
static int by_onednn(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int lda,
                     const float* b, int ldb, float beta, float* c, int ldc) {
  if (m <= 0 || n <= 0 || k <= 0 || (double)m * (double)n * (double)k < WORTH_A_CALL || alpha == 0 || trans_a == 0 ||
      trans_b == 0) {
    return 0;
  }
  pthread_once(&onednn_once, find_onednn);
  if (onednn == NULL) {
    return 0;
  }
  const int status = onednn(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (status != ONEDNN_SUCCESS && status != ONEDNN_INVALID_ARGUMENTS && status != ONEDNN_UNIMPLEMENTED && beta != 0) {
    fprintf(stderr, "libdlc_sgemm.so: oneDNN failed with status %d in the middle of a product: out of memory?\n",
            status);
    abort(); /* parts of C may have been multiplied by beta already */
  }
  return status == ONEDNN_SUCCESS;
}

EXPORTED void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                          int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  const char letter_a = letter_of_number(trans_a), letter_b = letter_of_number(trans_b);
  if (order == ROW_MAJOR && by_onednn(letter_a, letter_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) {
    return;
  }
  /* A column-major matrix is its transpose in row-major: C' = B' A'. */
  if (order == COLUMN_MAJOR && by_onednn(letter_b, letter_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc)) {
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

/* Callers from C often leave the lengths out, so they are not looked for. */
EXPORTED void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
                     const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                     const float* beta, float* c, const int* ldc) {
  if (by_onednn(letter_of_letter(*trans_b), letter_of_letter(*trans_a), *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c,
                *ldc)) {
    return;
  }
  static fortran_sgemm* blas;
  fortran_sgemm* function = __atomic_load_n(&blas, __ATOMIC_ACQUIRE);
  if (function == NULL) {
    function = (fortran_sgemm*)find_blas("sgemm_", __builtin_return_address(0));
    __atomic_store_n(&blas, function, __ATOMIC_RELEASE);
  }
  function(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 1, 1);
}
