"""calloc.c, preloaded: blocks of zeros, which take no memory before they are touched."""
import pathlib
import resource
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "malloc" / "calloc.c"
# Its own allocator stands for tcmalloc: all large blocks begin at one place, so that each is of memory that was filled before.
# glibc's would give it back to the kernel.
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static char *area;
static size_t offset, used;
static _Alignas(16) char small[1 << 20]; /* what the C library itself takes */
void *malloc(size_t bytes) {
  if (area == NULL) area = mmap(NULL, 3UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes < 65536) return (used += (bytes + 15) & ~15UL) > sizeof small ? NULL : small + used - ((bytes + 15) & ~15UL);
  return bytes > 2UL << 30 ? NULL : area + offset;
}
void free(void *block) { (void)block; }
static long resident(void) {
  char text[64];
  long all = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  setvbuf(file, text, _IOFBF, sizeof text);
  if (fscanf(file, "%ld %ld", &all, &pages) != 2) abort();
  return pages * sysconf(_SC_PAGESIZE);
}
int main(int argc, char **argv) {
  if (argc > 2 && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return 2;
  size_t count = strtoul(argv[1], NULL, 0);
  for (offset = 4096; offset < 4096 + 64; offset += 16) {
    char *block = malloc(count + 32);
    memset(block - 16, 'x', count + 32);
    block = calloc(count, 1);
    for (size_t at = 0; at < count; ++at) if (block[at] != 0) return printf("at %zu of %zu\\n", at, count), 1;
    if (block[-1] != 'x' || block[count] != 'x') return puts("beside the block"), 1;
  }
  long before = resident();
  char *block = calloc(1UL << 27, 2);
  block[1UL << 27] = 1;
  printf("%d %p %p\\n", resident() - before < 4 << 20, calloc(1UL << 31, 4), calloc(-1UL, 2));
  return 0;
}
"""
MEBI = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calloc")
    (folder / "program.c").write_text(PROGRAM, encoding="utf-8")
    warnings = ["-Wall", "-Wextra", "-Werror"]
    # As in the images: with optimization a compiler makes one call of calloc of malloc and memset.
    subprocess.run(["gcc", "-O2", *warnings, "-shared", "-fPIC", "-fvisibility=hidden", "-o", folder / "calloc.so", SOURCE], check=True)
    subprocess.run(["gcc", "-O1", "-fno-builtin", "-rdynamic", "-o", folder / "program", folder / "program.c"], check=True)
    return folder


def run(folder, *arguments, **variables):
    environment = {"LD_PRELOAD": str(folder / "calloc.so"), **variables}
    return subprocess.run([folder / "program", *arguments], env=environment, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("size", [65536, 32 * MEBI - 1, 32 * MEBI, 32 * MEBI + 1, 32 * MEBI + 4080, 32 * MEBI + 8191, 40 * MEBI])
def test_blocks_are_zero_and_large_ones_take_no_memory(folder, size):
    done = run(folder, str(size))
    assert (done.returncode, done.stdout) == (0, "1 (nil) (nil)\n")


def test_memory_that_is_locked(folder):
    """The kernel does not take it back: it is cleared by hand."""
    done = run(folder, str(32 * MEBI), "locked")
    if done.returncode == 2:
        pytest.skip(f"this machine locks no memory: {resource.getrlimit(resource.RLIMIT_MEMLOCK)}")
    assert (done.returncode, done.stdout) == (0, "0 (nil) (nil)\n")


def test_memory_of_a_shared_file(folder):
    """tcmalloc's setting for huge pages: they would come back with their content."""
    done = run(folder, str(32 * MEBI), TCMALLOC_MEMFS_MALLOC_PATH="/dev/hugepages/")
    assert (done.returncode, done.stdout) == (0, "0 (nil) (nil)\n")
