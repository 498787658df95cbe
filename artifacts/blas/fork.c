/* GCC's OpenMP, whose threads OpenBLAS, oneDNN and PyTorch use, does not survive fork: a child that wants several
 * threads waits for ones that only its parent has, for good. So the child of a process with threads gets one, as
 * PyTorch's data loaders and MXNet see to it themselves; without this numpy in a multiprocessing.Pool hangs, once the
 * parent has multiplied matrices. Threads that the child makes, and omp_set_num_threads(), get as many as they ask for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>

/* Of this fork; NULL: the child may keep its number of threads. Looked up before, since a child of a process with
 * threads may not call the loader. */
static _Thread_local void (*set_num_threads)(int);

static void before_fork(void) {
  struct stat tasks;
  set_num_threads = NULL;
  if (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink <= 3) {
    return; /* ".", ".." and one thread */
  }
  void* library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (library != NULL) {
    set_num_threads = (void (*)(int))dlsym(library, "omp_set_num_threads");
    dlclose(library); /* who has loaded it keeps it */
  }
}

static void in_child(void) {
  if (set_num_threads != NULL) {
    set_num_threads(1);
  }
}

__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(before_fork, NULL, in_child);
}
