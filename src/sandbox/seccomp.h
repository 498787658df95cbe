#pragma once
// The system calls a container may use: those of Docker's default profile (moby's documentation, "Seccomp security
// profiles for Docker"), as the `linux.seccomp` object of the OCI runtime-spec.
#include <span>
#include <string>
#include <string_view>

namespace dlc::sandbox {

/// Calls allowed whatever their arguments.
[[nodiscard]] std::span<const std::string_view> allowed_system_calls();
/// The JSON text of `linux.seccomp`. Calls that this machine's libseccomp does not know are left out.
[[nodiscard]] const std::string& seccomp_profile();

}  // namespace dlc::sandbox
