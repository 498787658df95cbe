"""fork.c, preloaded: how many threads of OpenMP a forked child has, and that it does not wait for those of its parent."""
import pathlib
import signal
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "blas" / "fork.c"
# Prints how many threads a child had, -SIGALRM where it waited for 5 seconds. "used": the parent has threads.
PROGRAM = """
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static int threads(void) {
  int count = 0;
#pragma omp parallel reduction(+ : count)
  count += 1;
  return count;
}
int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "used") == 0) threads();
  for (int round = 0; round < 2; ++round) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      alarm(5);
      _exit(threads());
    }
    waitpid(child, &status, 0);
    printf("%d ", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  }
  printf("%d\\n", threads());
}
"""


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fork")
    (folder / "program.c").write_text(PROGRAM, encoding="utf-8")
    subprocess.run(["gcc", "-fopenmp", "-o", folder / "program", folder / "program.c"], check=True)
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", folder / "fork.so", SOURCE], check=True)

    def run(*arguments, **variables):
        environment = {"OMP_NUM_THREADS": "3", "LD_PRELOAD": str(folder / "fork.so"), **variables}
        done = subprocess.run([folder / "program", *arguments], env=environment, capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    return run


def test_the_child_of_a_process_with_threads_has_one(threads):
    assert threads("used") == [1, 1, 3]


def test_the_child_of_a_process_with_one_thread_has_all(threads):
    assert threads() == [3, 3, 3]


def test_without_the_library_it_waits_for_good(threads):
    """What the library is for: where this fails a new libgomp has mended it."""
    assert threads("used", LD_PRELOAD="") == [-signal.SIGALRM, -signal.SIGALRM, 3]
