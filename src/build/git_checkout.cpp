#include "build/git_checkout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "base/user_namespace.h"
#include "build/root_tree.h"
#include "codec/base64.h"
#include "dockerfile/text.h"

namespace dlc::build {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kCommitDigits = 40;

bool is_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// "https://host:8080" of a URL, and "host:8080".
struct Origin {
  std::string url, host;
};

Origin origin_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) {
    return {};
  }
  const auto end = std::min(url.find('/', scheme + 3), url.size());
  auto host = url.substr(scheme + 3, end - scheme - 3);
  host.erase(0, host.find('@') + 1);
  return {.url = url.substr(0, scheme + 3) + host, .host = host};
}

/// For messages: without user and password.
std::string shown(const std::string& url) {
  const auto scheme = url.find("://");
  const auto end = scheme == std::string::npos ? scheme : std::min(url.find('/', scheme + 3), url.size());
  const auto at = scheme == std::string::npos ? scheme : url.rfind('@', end);
  return at == std::string::npos || at < scheme ? url : url.substr(0, scheme + 3) + url.substr(at + 1);
}

/// Variables of ours that would lead git elsewhere.
bool is_for_another_repository(std::string_view line) {
  constexpr std::array<std::string_view, 9> kNames{
      "GIT_DIR=",       "GIT_WORK_TREE=",    "GIT_INDEX_FILE=",      "GIT_COMMON_DIR=", "GIT_OBJECT_DIRECTORY=",
      "GIT_NAMESPACE=", "GIT_CONFIG_COUNT=", "GIT_TERMINAL_PROMPT=", "SSH_AUTH_SOCK="};
  return std::ranges::any_of(kNames, [&](auto name) { return line.starts_with(name); });
}

bool is_ssh(const std::string& url) {
  return url.starts_with("ssh://") || url.find("://") == std::string::npos;
}

/// What ssh says of a server whose key is not the one it had, in a frame and with a page of advice.
constexpr std::string_view kOtherKey = "REMOTE HOST IDENTIFICATION HAS CHANGED";

/// The first line that git or ssh said and that is no warning: the ones behind it are advice.
std::string reason(std::string_view output) {
  if (output.find(kOtherKey) != std::string_view::npos) {
    return "the server has another key than the one in known_hosts: " + std::string(kOtherKey);
  }
  while (!output.empty()) {
    const auto end = std::min(output.find('\n'), output.size());
    auto line = dockerfile::trim(output.substr(0, end));
    if (!line.empty() && !dockerfile::lower(line.substr(0, 8)).starts_with("warning:")) {
      return std::string(line);
    }
    output.remove_prefix(std::min(end + 1, output.size()));
  }
  return {};
}

/// Runs git in one repository.
class Git {
 public:
  Git(const GitOp& op, const fs::path& directory, const GitAccess& access,
      const std::function<void(std::string_view)>& on_output, const std::stop_token& stop)
      : checkout_((directory / "checkout").string()), on_output_(on_output), stop_(stop) {
    for (char** line = environ; *line != nullptr; ++line) {
      if (!is_for_another_repository(*line)) {
        environment_.emplace_back(*line);
      }
    }
    environment_.emplace_back("GIT_TERMINAL_PROMPT=0");
    const bool own_command = std::ranges::any_of(environment_, [](const auto& l) { return l.starts_with("GIT_SSH"); });
    if (!own_command) {
      // A server that is not known yet is accepted, as BuildKit does; a known one with another key is not.
      environment_.push_back(
          "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=\"" +
          (directory / "known_hosts").string() + " ~/.ssh/known_hosts\"");
    }
    if (!access.agent.empty()) {
      environment_.push_back("SSH_AUTH_SOCK=" + access.agent);
    }
    const auto header = !access.header.empty() ? access.header
                        : access.token.empty() ? std::string()
                                               : "basic " + codec::base64_encode("x-access-token:" + access.token);
    if (const auto origin = origin_of(op.url); !header.empty() && origin.url.starts_with("http")) {
      // In the environment of git alone: the arguments of a process can be read by everybody.
      environment_.emplace_back("GIT_CONFIG_COUNT=1");
      environment_.push_back("GIT_CONFIG_KEY_0=http." + origin.url + "/.extraHeader");
      environment_.push_back("GIT_CONFIG_VALUE_0=Authorization: " + header);
    }
  }

  CommandResult attempt(std::vector<std::string> arguments, bool quiet = false) {
    auto argv = with_own_ids();
    argv.insert(argv.end(), {"git", "-c", "advice.detachedHead=false", "-c", "protocol.ext.allow=never", "-c",
                             "init.defaultBranch=master"});
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    CommandOptions options;
    options.environment = environment_;
    options.stop = stop_;
    if (!quiet) {
      options.on_output = [this](std::string_view text) {
        output_ += text;
        on_output_(text);
      };
    }
    output_.clear();
    return run_command(argv, options);
  }

  void run(std::vector<std::string> arguments, const std::string& what) {
    if (attempt(std::move(arguments)).status != 0) {
      const auto why = reason(output_);
      throw Error(ErrorKind::failed, what + (why.empty() ? "" : ": " + why));
    }
  }

  std::string ask(std::vector<std::string> arguments) {
    auto text = attempt(std::move(arguments), true).output;
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
  }

  [[nodiscard]] const std::string& checkout() const { return checkout_; }

 private:
  std::string checkout_;
  const std::function<void(std::string_view)>& on_output_;
  std::vector<std::string> environment_;
  std::string output_;
  std::stop_token stop_;
};

/// The commit alone where the server gives it by this name; a shortened or unadvertised commit is found among all
/// branches and tags.
void fetch(Git& git, const GitOp& op) {
  const auto& place = git.checkout();
  const auto wanted = op.ref.empty() ? std::string("HEAD") : op.ref;
  if (wanted.starts_with('-')) {
    throw Error(ErrorKind::invalid, "git ref " + wanted + " of " + shown(op.url) + " begins with a dash");
  }
  const std::vector<std::string> one{"-C", place, "fetch", "-q", "--depth=1", "--no-tags", "--", op.url, wanted};
  const bool may_be_commit = is_hex(wanted) && wanted.size() >= 7 && wanted.size() <= kCommitDigits;
  if (!may_be_commit) {
    git.run(one, "cannot fetch " + wanted + " of " + shown(op.url));
    git.run({"-C", place, "checkout", "-q", "--detach", "FETCH_HEAD"}, "git checkout");
    return;
  }
  if (git.attempt(one, true).status == 0) {
    git.run({"-C", place, "checkout", "-q", "--detach", "FETCH_HEAD"}, "git checkout");
    return;
  }
  git.run({"-C", place, "fetch", "-q", "--tags", "--", op.url, "+refs/heads/*:refs/remotes/origin/*"},
          "cannot fetch " + shown(op.url));
  git.run({"-C", place, "checkout", "-q", "--detach", wanted}, "commit " + wanted + " is not in " + shown(op.url));
}

void check_commit(const GitOp& op, const std::string& commit) {
  if (!op.checksum.empty() && !commit.starts_with(op.checksum)) {
    throw Error(ErrorKind::corrupt, "the commit of " + shown(op.url) + " is " + commit + ", expected " + op.checksum);
  }
}

/// Takes out of .git what differs from one fetch of the same commit to the next.
void settle_git_directory(Git& git, const GitOp& op) {
  const fs::path folder = fs::path(git.checkout()) / ".git";
  for (const char* name : {"logs", "FETCH_HEAD", "ORIG_HEAD", "index", "hooks"}) {
    remove_tree(folder / name);
  }
  git.run({"-C", git.checkout(), "read-tree", "HEAD"}, "git read-tree");  // an index without times and inodes
  git.run({"-C", git.checkout(), "remote", "add", "origin", "--", shown(op.url)}, "git remote");
}

void set_times(const fs::path& root, std::int64_t seconds) {
  const std::array<timespec, 2> times{timespec{.tv_sec = seconds, .tv_nsec = 0},
                                      timespec{.tv_sec = seconds, .tv_nsec = 0}};
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (::utimensat(AT_FDCWD, entry.path().c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error("set the time of " + entry.path().string());
    }
  }
}

fs::path find_files(const GitOp& op, const std::string& checkout) {
  const RootTree whole(checkout);
  const auto subdir = resolve(whole, op.subdir, Missing::fail);
  const auto node = subdir ? whole.lstat(*subdir) : std::nullopt;
  if (!node || node->type != Node::Type::directory) {
    throw Error(ErrorKind::not_found, "the directory " + op.subdir + " is not in " + shown(op.url));
  }
  return subdir->empty() ? fs::path(checkout) : fs::path(checkout) / *subdir;
}

std::string value_of(const std::map<std::string, std::string>& secrets, const std::string& id) {
  const auto found = secrets.find(id);
  if (found == secrets.end()) {
    return {};
  }
  auto value = found->second;
  value.erase(value.find_last_not_of("\r\n") + 1);
  return value;
}

}  // namespace

GitAccess git_access(const GitOp& op, const std::map<std::string, std::string>& secrets,
                     const std::map<std::string, std::string>& agents) {
  GitAccess access;
  if (const auto agent = agents.find("default"); agent != agents.end()) {
    access.agent = agent->second;
  }
  const auto host = origin_of(op.url).host;
  const auto of_host = [&](const std::string& id) {
    auto value = value_of(secrets, id + "." + host);
    return value.empty() ? value_of(secrets, id) : value;
  };
  access.token = of_host("GIT_AUTH_TOKEN");
  access.header = of_host("GIT_AUTH_HEADER");
  return access;
}

Checkout check_out(const GitOp& op, const fs::path& directory, const GitAccess& access,
                   const std::function<void(std::string_view)>& on_output, const std::stop_token& stop) {
  Git git(op, directory, access, on_output, stop);
  git.run({"init", "-q", git.checkout()}, "git init");
  try {
    fetch(git, op);
  } catch (Error& error) {
    if (is_ssh(op.url) && access.agent.empty() && error.message().find(kOtherKey) == std::string::npos) {
      error.hint("no SSH agent was given: --ssh default");
    }
    throw;
  }
  Checkout result;
  const auto head = git.ask({"-C", git.checkout(), "show", "-s", "--format=%H %ct", "HEAD"});
  result.commit = head.substr(0, head.find(' '));
  result.time = std::strtoll(head.c_str() + std::min(head.find(' '), head.size()), nullptr, 10);
  check_commit(op, result.commit);
  if (op.submodules) {
    git.run({"-C", git.checkout(), "submodule", "update", "-q", "--init", "--recursive", "--depth=1"},
            "the submodules of " + shown(op.url) + " cannot be fetched");
  }
  if (op.keep_git_dir) {
    settle_git_directory(git, op);
  } else {
    remove_tree(fs::path(git.checkout()) / ".git");
  }
  if (op.commit_times) {
    set_times(git.checkout(), result.time);
  }
  result.root = git.checkout();
  result.files = find_files(op, git.checkout());
  return result;
}

}  // namespace dlc::build
