#include "build/agent_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/error.h"

namespace dlc::build {

namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(ErrorKind::unsupported, path + ": the path of a socket has at most 107 bytes");
  }
  path.copy(static_cast<char*>(address.sun_path), path.size());
  return address;
}

UniqueFd make_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    throw system_error("create a socket");
  }
  return fd;
}

/// sockaddr_un as the system calls take it.
const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // NOLINT(*-reinterpret-cast): the sockets API
}

/// One end of a connection, with what is to be sent to it.
struct End {
  UniqueFd fd;
  std::string pending;

  void send() {
    const ssize_t count = ::send(fd.get(), pending.data(), pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
      pending.erase(0, static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      pending.clear();  // it has gone
    }
  }
};

class Connection {
 public:
  Connection(UniqueFd client, UniqueFd agent) : client_{std::move(client), {}}, agent_{std::move(agent), {}} {}

  void wait_for(std::vector<pollfd>& fds) const {
    add(client_, agent_, fds);
    add(agent_, client_, fds);
  }
  void go_on(const pollfd& client, const pollfd& agent) {
    move(client, client_, agent_);
    move(agent, agent_, client_);
  }
  [[nodiscard]] bool over() const { return ended_ && client_.pending.empty() && agent_.pending.empty(); }

 private:
  /// Nothing is read before what was read is sent on. An end of which nothing is wanted is left out of the wait: its
  /// hang-up would end each wait at once.
  void add(const End& here, const End& there, std::vector<pollfd>& fds) const {
    const int in = !ended_ && there.pending.empty() ? POLLIN : 0;
    const int out = here.pending.empty() ? 0 : POLLOUT;
    fds.push_back({(in | out) == 0 ? -1 : here.fd.get(), static_cast<short>(in | out), 0});
  }

  void move(const pollfd& state, End& here, End& there) {
    if (!here.pending.empty() && (state.revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
      here.send();
    }
    if (ended_ || !there.pending.empty() || (state.revents & (POLLIN | POLLERR | POLLHUP)) == 0) {
      return;
    }
    std::array<char, 1 << 16> buffer{};
    const ssize_t count = ::recv(here.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) {
      there.pending.assign(buffer.data(), static_cast<std::size_t>(count));
      there.send();
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended_ = true;
    }
  }

  End client_;
  End agent_;
  bool ended_ = false;
};

void accept_one(int listener, const std::string& agent, std::vector<Connection>& connections) {
  UniqueFd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) {
    return;
  }
  UniqueFd server = make_socket();
  const auto address = address_of(agent);
  if (::connect(server.get(), generic(address), sizeof address) == 0) {
    connections.emplace_back(std::move(client), std::move(server));
  }  // else the client sees the end of its connection: no agent any more
}

void relay(int listener, int wake, const std::string& agent) {
  std::vector<Connection> connections;
  while (true) {
    std::vector<pollfd> fds{{wake, POLLIN, 0}, {listener, POLLIN, 0}};
    for (const auto& connection : connections) {
      connection.wait_for(fds);
    }
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      continue;
    }
    if (fds[0].revents != 0) {
      return;
    }
    for (std::size_t i = 0; i < connections.size(); ++i) {
      connections[i].go_on(fds[2 + 2 * i], fds[3 + 2 * i]);
    }
    std::erase_if(connections, [](const Connection& connection) { return connection.over(); });
    if (fds[1].revents != 0) {
      accept_one(listener, agent, connections);
    }
  }
}

}  // namespace

AgentSocket::AgentSocket(const std::string& path, std::string agent, mode_t mode, uid_t uid, gid_t gid)
    : listener_(make_socket()), wake_(::eventfd(0, EFD_CLOEXEC)) {
  static_cast<void>(address_of(agent));
  const auto address = address_of(path);
  if (!wake_ || ::bind(listener_.get(), generic(address), sizeof address) != 0 || ::chmod(path.c_str(), mode) != 0 ||
      ::chown(path.c_str(), uid, gid) != 0 || ::listen(listener_.get(), 16) != 0) {
    throw system_error("listen at " + path);
  }
  relay_ = std::jthread([listener = listener_.get(), wake = wake_.get(), agent = std::move(agent)] {
    try {
      relay(listener, wake, agent);
    } catch (const std::exception&) {  // out of sockets: the step sees an agent that does not answer
    }
  });
}

AgentSocket::~AgentSocket() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace dlc::build
