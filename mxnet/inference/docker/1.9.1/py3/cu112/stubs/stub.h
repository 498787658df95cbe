/* A stub stands for a library of NVIDIA's that libmxnet.so is linked with and inference does not call. The loader takes it only where
 * the real one is not installed: the stubs' directory is the last one of LD_LIBRARY_PATH. */
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))

/* On standard error: a status that MXNet turns into an exception cannot say what to install. */
static void say_what_is_missing(const char *library, const char *package) {
  fprintf(stderr, "%s is not in this image: pip install %s, or take the training image, which has it.\n", library, package);
}
