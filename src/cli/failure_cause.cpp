#include "cli/failure_cause.h"

#include <array>
#include <string_view>

namespace dlc::cli {

namespace {

struct Sign {
  std::string_view text;  ///< as it occurs in a line
  const char* rule;
  const char* likely;
  const char* hint;
};

constexpr const char* kCertificate = "a server's certificate is not trusted inside the step";
constexpr const char* kCertificateHint =
    "behind a TLS-intercepting proxy use --host-certs env (the default of dlc build): RUN steps then trust what the "
    "host trusts";
constexpr const char* kNetwork = "the network or the server cannot be reached from the step";
constexpr const char* kNetworkHint =
    "dlc doctor checks the mirrors; http_proxy and https_proxy of the host reach RUN steps";
constexpr const char* kSpace = "no space left where the store is";
constexpr const char* kSpaceHint = "dlc store df shows what takes it, dlc store gc frees what nothing needs";
constexpr const char* kMemory = "the step ran out of memory and was killed";
constexpr const char* kMemoryHint = "fewer steps at once need less memory: --jobs 1";

// The first sign that is seen decides: the more telling ones stand first.
constexpr std::array kSigns{
    Sign{"CERTIFICATE_VERIFY_FAILED", "certificate", kCertificate, kCertificateHint},
    Sign{"certificate verify failed", "certificate", kCertificate, kCertificateHint},
    Sign{"SSL certificate problem", "certificate", kCertificate, kCertificateHint},
    Sign{"Certificate verification failed", "certificate", kCertificate, kCertificateHint},
    Sign{"self-signed certificate", "certificate", kCertificate, kCertificateHint},
    Sign{"No space left on device", "space", kSpace, kSpaceHint},
    Sign{"have enough free space in", "space", kSpace, kSpaceHint},  // apt-get, which looks before it writes
    Sign{"Disk quota exceeded", "space", kSpace, kSpaceHint},
    Sign{"Release file for ", "mirror-expired", "the mirror's signed index is out of date (or the clock is wrong)",
         "compare `date` with the mirror; a snapshot mirror needs Acquire::Check-Valid-Until=false"},
    Sign{"EXPKEYSIG", "mirror-key", "the key that signs the package mirror has expired", "update the archive keyring"},
    Sign{"NO_PUBKEY", "mirror-key", "the key that signs the package mirror is not known in the image",
         "install the mirror's keyring first"},
    Sign{"Temporary failure in name resolution", "network", kNetwork, kNetworkHint},
    Sign{"Temporary failure resolving", "network", kNetwork, kNetworkHint},
    Sign{"Could not resolve host", "network", kNetwork, kNetworkHint},
    Sign{"Name or service not known", "network", kNetwork, kNetworkHint},
    Sign{"Network is unreachable", "network", kNetwork, kNetworkHint},
    Sign{"Connection refused", "network", kNetwork, kNetworkHint},
    Sign{"Connection timed out", "network", kNetwork, kNetworkHint},
    Sign{"No matching distribution found", "package", "the package (or this version of it) is not known to the index",
         "check its name and version, and that it has a build for this python and platform"},
    Sign{"Unable to locate package", "package", "the package is not known to the mirror",
         "check its name; apt-get update must run in the same RUN"},
    Sign{"THESE PACKAGES DO NOT MATCH THE HASHES", "package-hash",
         "a downloaded package is not the one that was locked",
         "renew the lock file, or check the index that served it"},
    Sign{"error while loading shared libraries", "library", "a shared library is missing in the image",
         "the line above names it; apt-file search finds its package"},
    Sign{"cannot open shared object file", "library", "a shared library is missing in the image",
         "the line above names it; apt-file search finds its package"},
    Sign{"Permission denied", "permission", "a file or directory is not accessible to the step's user",
         "compare USER with the owner and mode of the file"},
    Sign{"exec format error", "platform", "a program in the image is for another platform",
         "register an emulator (binfmt_misc), or build for this machine's platform"},
    Sign{"Exec format error", "platform", "a program in the image is for another platform",
         "register an emulator (binfmt_misc), or build for this machine's platform"},
};

constexpr std::array kMessageSigns{
    Sign{"exit code: 137", "memory", kMemory, kMemoryHint},
    Sign{"out of memory", "memory", kMemory, kMemoryHint},
    Sign{"exit code: 127", "command", "a command of the step is not in the image", "install it in an earlier step"},
    Sign{"exit code: 126", "command", "a command of the step cannot be executed", "check its mode and its #! line"},
};

FailureCause cause_of(const Sign& sign) {
  return {sign.rule, sign.likely, sign.hint};
}

}  // namespace

std::optional<FailureCause> find_cause(const std::string& message, const std::vector<std::string>& lines) {
  for (const auto& sign : kSigns) {
    if (message.find(sign.text) != std::string::npos) {
      return cause_of(sign);
    }
    for (const auto& line : lines) {
      if (line.find(sign.text) != std::string::npos) {
        return cause_of(sign);
      }
    }
  }
  for (const auto& sign : kMessageSigns) {
    if (message.find(sign.text) != std::string::npos) {
      return cause_of(sign);
    }
  }
  return std::nullopt;
}

}  // namespace dlc::cli
