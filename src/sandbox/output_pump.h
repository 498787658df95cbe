#pragma once
// Moves a container's output and our signals while it runs.
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/events.h"
#include "base/fd.h"
#include "sandbox/container.h"
#include "sandbox/supervisor.h"

namespace dlc::sandbox {

/// The container's standard streams: our ends of the pipes, and the ends that the container gets.
class ContainerStreams {
 public:
  /// `user` becomes the pipes' owner: a program may open /dev/stdout anew.
  ContainerStreams(const ContainerSpec& spec, std::uint32_t uid, std::uint32_t gid);
  [[nodiscard]] std::array<int, 3> container_ends() const;
  void close_container_ends();

  UniqueFd out;  ///< empty with inherit_output
  UniqueFd err;

 private:
  UniqueFd in_;
  UniqueFd out_end_;
  UniqueFd err_end_;
  std::array<int, 3> ends_{0, 1, 2};
};

/// Until the container has ended. Returns whether it was ended by `stop`. All output is given to `on_output`, in this
/// thread; output that somebody outside the container still holds open is not waited for.
[[nodiscard]] bool pump(Supervisor& supervisor, ContainerStreams& streams, const ContainerSpec& spec,
                        const std::function<void(LogStream, std::string_view)>& on_output, const std::stop_token& stop);

/// "SIGTERM", "term", "15" to 15. Error(invalid) for anything else.
[[nodiscard]] int signal_number(std::string_view name);

}  // namespace dlc::sandbox
