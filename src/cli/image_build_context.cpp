#include "cli/image_build_context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "build/context_tree.h"
#include "build/git_checkout.h"
#include "build/git_url.h"
#include "build/root_tree.h"
#include "build/sources.h"
#include "build/unpack_archive.h"
#include "cli/progress.h"
#include "codec/sinks.h"
#include "dockerfile/ignore.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostDockerfile = 16U << 20;

bool is_git(const std::string& text) {
  std::error_code ignored;
  return !fs::exists(text, ignored) && (text.starts_with("github.com/") || build::parse_git_url(text).has_value());
}

bool is_http(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

/// Shows what a fetch does, before a build's own progress begins.
class FetchProgress {
 public:
  FetchProgress(const ImageBuildRequest& request, const std::string& name)
      : progress_(bus_, {.mode = request.progress, .style = PlainStyle::steps}),
        activity_(bus_, ActivityKind::pull, "[internal] load remote build context " + name) {
    for (const auto& value : request.secret_values) {
      bus_.mask(value);
    }
  }
  [[nodiscard]] Activity& activity() { return activity_; }
  void mask(const std::string& secret) { bus_.mask(secret); }

 private:
  EventBus bus_;
  Progress progress_;
  Activity activity_;
};

bool is_ssh(const std::string& url) {
  return url.starts_with("ssh://") || url.find("://") == std::string::npos;
}

/// "URL#ref:subdir" checked out below `folder`; returns the context directory.
fs::path clone(const std::string& text, const fs::path& folder, const std::stop_token& stop,
               ImageBuildRequest& request) {
  const auto url = build::parse_git_url(text.starts_with("github.com/") ? "https://" + text : text);
  if (!url) {
    throw Error(ErrorKind::usage, text + " is no git address");
  }
  const auto keep = request.lower.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  const bool kept = keep != request.lower.build_args.end() && (keep->second == "1" || keep->second == "true");
  const build::GitOp op{.url = url->remote,
                        .ref = url->ref,
                        .subdir = url->subdir,
                        .keep_git_dir = url->keep_git_dir.value_or(kept),
                        .submodules = url->submodules.value_or(true),
                        .commit_times = url->commit_times,
                        .checksum = url->checksum};
  auto agents = request.solve.ssh;
  if (const char* agent = std::getenv("SSH_AUTH_SOCK");  // NOLINT(concurrency-mt-unsafe): nothing of ours changes it
      is_ssh(op.url) && !agents.contains("default") && agent != nullptr) {
    agents["default"] = agent;  // the user fetches the context; a step gets no agent by this
  }
  const auto access = build::git_access(op, request.solve.secrets, agents);
  FetchProgress progress(request, op.url);
  progress.mask(access.token);
  const auto checkout = build::check_out(
      op, folder, access, [&](std::string_view output) { progress.activity().log(LogStream::err, output); }, stop);
  progress.activity().finish(ActivityResult::done);
  request.lower.context_time = [time = checkout.time] { return std::optional(time); };
  return checkout.files;
}

/// The files of an archive, or false where the file is none.
bool unpack_context(const fs::path& file, const fs::path& directory, const std::stop_token& stop) {
  const UniqueFd probe = open_file(file.string(), O_RDONLY);
  if (!build::is_archive(probe.get(), "the context")) {
    return false;
  }
  fs::create_directory(directory);
  const UniqueFd archive = open_file(file.string(), O_RDONLY);
  build::unpack_archive(archive.get(), "the context", build::RootTree(directory), "", std::nullopt, stop);
  return true;
}

void spool_stdin(const fs::path& path, const std::stop_token& stop) {
  const UniqueFd file = open_file(path.string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  codec::FdSource in(STDIN_FILENO, "standard input", stop);
  codec::FdSink out(file.get(), path.string());
  codec::copy(in, out);
}

/// A file that came as a stream: an archive is the context, anything else a Dockerfile without one. Returns the
/// context's directory, or an empty path.
fs::path take_stream(const fs::path& file, const fs::path& folder, const std::stop_token& stop,
                     ImageBuildRequest& request) {
  if (unpack_context(file, folder / "context", stop)) {
    request.lower.context_time = [directory = folder / "context"]() -> std::optional<std::int64_t> {
      const auto newest = build::newest_time(build::RootTree(directory));
      return newest == 0 ? std::nullopt : std::optional(newest);
    };
    return folder / "context";
  }
  request.dockerfile = read_file(file, kMostDockerfile);
  request.dockerfile_name = "Dockerfile";
  request.lower.context.local = {.name = "context", .entries = {}, .ignore = {}};
  return {};
}

fs::path fetch(const std::string& url, const fs::path& folder, const std::stop_token& stop,
               ImageBuildRequest& request) {
  FetchProgress progress(request, url);
  const auto fetched = build::fetch_file(url, folder, "fetched", std::nullopt, progress.activity(), stop);
  progress.activity().finish(ActivityResult::done);
  if (fetched.modified != 0) {
    request.lower.context_time = [time = fetched.modified] { return std::optional(time); };
  }
  return take_stream(fetched.file, folder, stop, request);
}

std::vector<std::string> read_ignore(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return {};
  }
  if (!fs::is_regular_file(file, ignored)) {
    throw Error(ErrorKind::invalid, file.string() + " is not a regular file");
  }
  auto lines = dockerfile::parse_ignore_file(read_file(file, kMostDockerfile));
  try {
    static_cast<void>(dockerfile::IgnoreMatcher(lines));
  } catch (Error& error) {
    throw error.at({file.filename().string(), 1, 0});
  }
  return lines;
}

build::LocalOp local_directory(const std::string& name, const fs::path& directory) {
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    throw Error(ErrorKind::not_found,
                fmt::format("unable to prepare context: path \"{}\" not found or not a directory", directory.string()));
  }
  if (::access(directory.c_str(), R_OK | X_OK) != 0) {
    throw system_error("unable to prepare context: open " + directory.string());
  }
  return {.name = name, .entries = {{fs::absolute(directory).lexically_normal().string(), ""}}, .ignore = {}};
}

build::NamedContext named_context(const std::string& name, const std::string& source) {
  build::NamedContext context;
  using Type = build::NamedContext::Type;
  if (source.starts_with("docker-image://") || source.starts_with("oci-layout://") ||
      source.starts_with("docker-archive:") || source.starts_with("oci-archive:")) {
    context.type = Type::image;
    context.value = source;
  } else if (is_git(source)) {
    context.type = Type::git;
    context.value = source;
  } else if (is_http(source)) {
    context.type = Type::http;
    context.value = source;
  } else {
    context.local = local_directory(name, source);
    context.local.ignore = read_ignore(fs::path(source) / ".dockerignore");
  }
  return context;
}

/// A Dockerfile from whatever writes it, for -f - and -f FIFO.
std::string read_stream(int fd, const std::string& what, const std::stop_token& stop) {
  codec::FdSource in(fd, what, stop);
  return codec::read_all(in);
}

/// A FIFO, as `-f <(...)` gives, is opened without waiting: its writer may never come.
std::string read_file_or_fifo(const fs::path& path, const std::stop_token& stop) {
  std::error_code ignored;
  if (!fs::is_fifo(path, ignored)) {
    return read_file(path, kMostDockerfile);
  }
  const UniqueFd fifo = open_file(path.string(), O_RDONLY | O_NONBLOCK);
  return read_stream(fifo.get(), path.string(), stop);
}

/// Docker looks for "dockerfile" too.
fs::path default_dockerfile(const fs::path& context) {
  std::error_code ignored;
  const auto lower = context / "dockerfile";
  return !fs::exists(context / "Dockerfile", ignored) && fs::exists(lower, ignored) ? lower : context / "Dockerfile";
}

/// Of a context that is not the user's own: a link in it must not lead out of it.
fs::path inside(const fs::path& context, const fs::path& path) {
  const auto resolved = build::resolve(build::RootTree(context), path.string(), build::Missing::fail);
  return resolved ? context / *resolved : context / "no such file";
}

void read_dockerfile(const std::string& file, const fs::path& context, const std::stop_token& stop,
                     ImageBuildRequest& request) {
  std::error_code ignored;
  const bool foreign = request.fetched_context.has_value() && !fs::path(file).is_absolute();
  fs::path path = file.empty() ? default_dockerfile(context) : fs::path(file);
  auto ignore = context / ".dockerignore";
  auto own = fs::path(path.string() + ".dockerignore");
  if (foreign) {
    const auto name = file.empty() ? path.filename() : path;
    path = inside(context, name);
    ignore = inside(context, ".dockerignore");
    own = inside(context, name.string() + ".dockerignore");
  }
  const auto status = fs::status(path, ignored);
  if (ignored == std::errc::permission_denied) {
    throw system_error(fmt::format("failed to read dockerfile: open {}", path.string()), EACCES);
  }
  if (!fs::is_regular_file(status) && !fs::is_fifo(status)) {
    throw Error(ErrorKind::not_found, fmt::format("failed to read dockerfile: open {}: no such file or directory",
                                                  file.empty() ? "Dockerfile" : file))
        .hint("name it with -f, or give another directory");
  }
  request.dockerfile = read_file_or_fifo(path, stop);
  request.dockerfile_name = file.empty() ? path.filename().string() : file;
  request.lower.context.local.ignore = read_ignore(fs::exists(own, ignored) ? own : ignore);
}

}  // namespace

void read_context(const GivenArguments& given, const RequestMeans& means, ImageBuildRequest& request) {
  const auto operand = given.operands.front();
  const auto file = given.last("file");
  auto& context = request.lower.context;
  fs::path directory = operand;
  if (operand == "-") {
    if (file == "-") {
      throw Error(ErrorKind::usage, "context and Dockerfile cannot both be read from standard input");
    }
    const auto& folder = request.fetched_context.emplace(means.make_directory()).path();
    spool_stdin(folder / "fetched", means.stop);
    directory = take_stream(folder / "fetched", folder, means.stop, request);
  } else if (is_git(operand)) {
    const auto& folder = request.fetched_context.emplace(means.make_directory()).path();
    directory = clone(operand, folder, means.stop, request);
  } else if (is_http(operand)) {
    const auto& folder = request.fetched_context.emplace(means.make_directory()).path();
    directory = fetch(operand, folder, means.stop, request);
  }
  if (request.dockerfile_name.empty()) {
    context.local = local_directory("context", directory);
    if (file == "-") {
      request.dockerfile = read_stream(STDIN_FILENO, "standard input", means.stop);
      request.dockerfile_name = "Dockerfile";
      context.local.ignore = read_ignore(directory / ".dockerignore");
    } else {
      read_dockerfile(file, directory, means.stop, request);
    }
    if (!request.lower.context_time) {
      request.lower.context_time = [local = context.local] {
        const auto newest = build::newest_time(build::ContextTree(local));
        return newest == 0 ? std::nullopt : std::optional(newest);
      };
    }
  }
  for (const auto& text : given.all("build-context")) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
      throw Error(ErrorKind::usage, "--build-context " + text + ": must be written NAME=SOURCE");
    }
    const auto name = text.substr(0, equals);
    request.lower.contexts[name] = named_context(name, text.substr(equals + 1));
  }
}

}  // namespace dlc::cli
