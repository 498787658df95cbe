/* A stub stands for a library of NVIDIA's that libmxnet.so is linked with and inference does not call. The stubs' directory is the
 * last one of LD_LIBRARY_PATH, after those where pip puts the real ones. */
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))

/* On standard error: a status that MXNet turns into an exception cannot say what to install. */
static void say_what_is_missing(const char *library, const char *package) {
  fprintf(stderr, "%s is not in this image: pip install --break-system-packages --no-deps %s, or take the training image, which has it.\n",
          library, package);
}
