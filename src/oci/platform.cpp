// Names of platforms: Go's GOOS/GOARCH with the variants of the image-spec (image-index.md, "Platform Variants").
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "oci/image.h"

namespace dlc::oci {

namespace {

bool is_os(std::string_view text) {
  constexpr std::array<std::string_view, 9> kSystems{"linux",   "windows", "darwin",  "freebsd", "netbsd",
                                                     "openbsd", "solaris", "android", "wasip1"};
  for (const auto name : kSystems) {
    if (text == name) {
      return true;
    }
  }
  return false;
}

/// Go's architectures, as normalized() writes them.
bool is_architecture(std::string_view text) {
  constexpr std::array<std::string_view, 24> kArchitectures{
      "386",     "amd64",  "amd64p32", "arm",      "armbe",     "arm64",       "arm64be", "loong64",
      "mips",    "mipsle", "mips64",   "mips64le", "mips64p32", "mips64p32le", "ppc",     "ppc64",
      "ppc64le", "riscv",  "riscv64",  "s390",     "s390x",     "sparc",       "sparc64", "wasm"};
  return std::ranges::find(kArchitectures, text) != kArchitectures.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return result;
}

bool is_component(std::string_view text) {
  if (text.empty()) {
    return false;
  }
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-' && c != '.') {
      return false;
    }
  }
  return true;
}

}  // namespace

Platform normalized(Platform platform) {
  platform.os = platform.os.empty() ? "linux" : lower(platform.os);
  if (platform.os == "macos") {
    platform.os = "darwin";
  }
  auto& arch = platform.architecture;
  auto& variant = platform.variant;
  arch = lower(arch);
  variant = lower(variant);
  if (arch == "i386" || arch == "i686") {
    arch = "386";
    variant.clear();
  } else if (arch == "x86_64" || arch == "x86-64") {
    arch = "amd64";
  } else if (arch == "aarch64") {
    arch = "arm64";
  } else if (arch == "armhf") {
    arch = "arm";
    variant = "v7";
  } else if (arch == "armel") {
    arch = "arm";
    variant = "v6";
  }
  if (!variant.empty() && std::isdigit(static_cast<unsigned char>(variant[0])) != 0 &&
      (arch == "arm" || arch == "arm64")) {
    variant.insert(variant.begin(), 'v');
  }
  if ((arch == "amd64" && variant == "v1") || (arch == "arm64" && variant == "v8")) {
    variant.clear();
  } else if (arch == "arm" && variant.empty()) {
    variant = "v7";
  }
  return platform;
}

Platform parse_platform(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const auto slash = text.find('/', start);
    parts.push_back(text.substr(start, slash == std::string_view::npos ? slash : slash - start));
    if (slash == std::string_view::npos) {
      break;
    }
    start = slash + 1;
  }
  bool good = parts.size() <= 3;
  for (const auto part : parts) {
    good = good && is_component(part);
  }
  if (!good) {
    throw Error(ErrorKind::invalid,
                "\"" + std::string(text) + "\" is no platform; expected os[/architecture[/variant]]")
        .hint("for example linux/amd64 or linux/arm64");
  }
  Platform platform;
  if (parts.size() == 1) {
    if (is_os(lower(parts[0]))) {
      platform = host_platform();
      platform.os = parts[0];
    } else {
      platform = normalized({.os = "linux", .architecture = std::string(parts[0]), .variant = {}});
      if (!is_architecture(platform.architecture)) {
        throw Error(ErrorKind::invalid, "\"" + std::string(text) + "\": unknown operating system or architecture")
            .hint("for example linux/amd64 or linux/arm64");
      }
    }
  } else {
    platform.os = parts[0];
    platform.architecture = parts[1];
    platform.variant = parts.size() == 3 ? parts[2] : std::string_view{};
  }
  return normalized(std::move(platform));
}

std::string to_string(const Platform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) {
    text += "/" + platform.variant;
  }
  return text;
}

Platform host_platform() {
  utsname name{};
  Platform platform;
  platform.architecture = ::uname(&name) == 0 ? name.machine : "amd64";
  if (platform.architecture.starts_with("armv")) {
    platform.variant = "v" + platform.architecture.substr(4, 1);
    platform.architecture = "arm";
  }
  return normalized(std::move(platform));
}

bool same_platform(const Platform& offered, const Platform& wanted) {
  return normalized(offered) == normalized(wanted);
}

}  // namespace dlc::oci
