#include "cli/ssh_agent.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::uint64_t kMostKeyBytes = 1U << 20;
constexpr const char* kSocket = "agent";

std::string program(const char* name) {
  if (const auto path = find_program(name)) {
    return *path;
  }
  throw Error(ErrorKind::not_found, std::string("--ssh with a key needs ") + name)
      .hint("apt-get install openssh-client, or give the socket of an agent");
}

/// Only what is safe between fork and exec.
[[noreturn]] void run_agent(const char* path, char* const* argv, int place, int nothing, pid_t parent) {
  // Debian's ssh-agent is set-group-ID, and such a program would forget whose end ends it.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == parent && ::fchdir(place) == 0) {
    ::setsid();
    for (const int fd : {0, 1, 2}) {
      ::dup2(nothing, fd);
    }
    ::execv(path, argv);
  }
  ::_exit(127);
}

bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid != 0;
}

}  // namespace

SshAgent::SshAgent(std::string option, const std::vector<std::string>& keys, TemporaryDirectory directory,
                   std::stop_token stop)
    : option_(std::move(option)),
      directory_(std::move(directory)),
      place_(open_file(directory_.path().string(), O_PATH | O_DIRECTORY)),
      stop_(std::move(stop)) {
  start();
  try {
    wait_for_socket();
    for (const auto& key : keys) {
      add(key);
    }
  } catch (...) {
    end();
    throw;
  }
}

SshAgent::~SshAgent() {
  end();
}

std::string SshAgent::socket() const {
  auto path = (directory_.path() / kSocket).string();
  if (path.size() < sizeof sockaddr_un::sun_path) {
    return path;
  }
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(place_.get()) + "/" + kSocket;
}

void SshAgent::start() {
  const auto path = program("ssh-agent");
  std::array<std::string, 4> words{path, "-D", "-a", kSocket};
  const std::array<char*, 5> argv{words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const UniqueFd nothing = open_file("/dev/null", O_RDWR);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) {
    run_agent(path.c_str(), argv.data(), place_.get(), nothing.get(), parent);
  }
  if (process_ < 0) {
    throw system_error("start ssh-agent");
  }
}

void SshAgent::wait_for_socket() const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!fs::is_socket(socket())) {
    if (std::chrono::steady_clock::now() > deadline || has_ended(process_)) {
      throw Error(ErrorKind::failed, "ssh-agent did not start");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void SshAgent::add(const std::string& key) const {
  // On standard input, as ssh-add refuses a file that others may read. A session of its own has no terminal to ask
  // for a passphrase on.
  const auto result =
      run_command({program("ssh-add"), "-q", "-"},
                  {.environment = {"SSH_AUTH_SOCK=" + socket(), "SSH_ASKPASS_REQUIRE=never", "PATH=/usr/bin:/bin"},
                   .directory = {},
                   .input = read_file(key, kMostKeyBytes),
                   .on_output = {},
                   .stop = stop_});
  if (result.status == 0) {
    return;
  }
  if (result.error.find("passphrase") != std::string::npos) {
    throw Error(ErrorKind::invalid, option_ + ": " + key + " needs its passphrase")
        .hint("add it to an agent (ssh-add " + key + ") and give that: " + option_.substr(0, option_.find('=')));
  }
  throw Error(ErrorKind::invalid, option_ + ": " + key + " is not a private key that ssh-add can read: " +
                                      result.error.substr(0, result.error.find('\n')));
}

void SshAgent::end() noexcept {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
    process_ = 0;
  }
}

}  // namespace dlc::cli
