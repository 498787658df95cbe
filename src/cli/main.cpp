#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/dispatch.h"

namespace {

/// Where we are started without standard input, output or error (">&-"), the next file opened would get its number, and
/// what is meant for people would be written into it. Read-only: writing there fails, as it does without.
void fill_standard_descriptors() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDONLY);
    if (fd < 0 || fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  try {
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    return dlc::cli::dispatch(arguments);
  } catch (const dlc::Error& error) {
    std::fputs(dlc::cli::render(error).c_str(), stderr);
    return dlc::exit_status(error.kind());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dlc: internal error: %s\n", error.what());
    return 1;
  }
}
