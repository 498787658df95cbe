/* calloc for tcmalloc, which clears all that it gives out: numpy.zeros() of ten gigabytes would take as much memory, and
 * seconds, before anything is written. Here the kernel takes the pages of large blocks back and hands out cleared ones when
 * they are touched, as glibc's calloc has it. Preloaded before tcmalloc.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes from which the kernel clears, as in glibc. To touch new pages takes up to seven times as long as to clear old ones, and a
 * program may need blocks of the same size again and again. */
#define LARGE ((size_t)32 << 20)

/* Through a pointer: of malloc and memset the compiler would make a call of calloc. */
static void* (*volatile take)(size_t) = malloc;

/* 0 until it is known that memory is the process's own: pages of a shared file (hugetlbfs) would come back as they were. */
static size_t page;

__attribute__((constructor)) static void look_at_memory(void) {
  if (getenv("TCMALLOC_MEMFS_MALLOC_PATH") == NULL) {
    page = (size_t)sysconf(_SC_PAGESIZE);
  }
}

/* 1 where the pages that lie whole in the block are zero now. */
static int clear_by_kernel(char* block, size_t bytes) {
  size_t before = -(uintptr_t)block & (page - 1);
  size_t whole = (bytes - before) & ~(page - 1);
  if (madvise(block + before, whole, MADV_DONTNEED) != 0) {
    return 0; /* locked in memory, for example */
  }
  memset(block, 0, before);
  memset(block + before + whole, 0, bytes - before - whole);
  return 1;
}

void* calloc(size_t count, size_t size) __attribute__((visibility("default")));
void* calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  char* block = take(bytes);
  if (block != NULL && (bytes < LARGE || page == 0 || !clear_by_kernel(block, bytes))) {
    memset(block, 0, bytes);
  }
  return block;
}
