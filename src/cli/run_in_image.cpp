#include "cli/run_in_image.h"

#include <fmt/format.h>

#include <cstdlib>

#include "cli/image_lookup.h"

namespace dlc::cli {

void require_image(const std::string& image, const GlobalOptions& global) {
  const auto store = open_store(global.store);
  static_cast<void>(find_image(*store, image));
}

CommandResult run_in_image(const std::string& image, const std::string& program,
                           const std::vector<std::string>& arguments, const GlobalOptions& global) {
  std::vector<std::string> argv{"/proc/self/exe"};
  const auto add_global = [&](const char* option, const std::string& value) {
    if (!value.empty()) {
      argv.insert(argv.end(), {option, value});
    }
  };
  add_global("--store", global.store);
  add_global("--runtime", global.runtime);
  add_global("--config", global.config);
  argv.insert(argv.end(), {"run", "--rm", "--user", "0", "--host-certs", "env", "--entrypoint", program});
  for (const char* name : {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "HTTP_PROXY", "HTTPS_PROXY",
                           "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      argv.insert(argv.end(), {"-e", fmt::format("{}={}", name, value)});
    }
  }
  argv.push_back(image);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv);
}

}  // namespace dlc::cli
