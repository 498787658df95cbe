#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/dispatch.h"

int main(int argc, char** argv) {
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
