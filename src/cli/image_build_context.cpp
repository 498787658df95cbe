#include "cli/image_build_context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/process.h"
#include "codec/sinks.h"
#include "dockerfile/ignore.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostDockerfile = 16U << 20;

bool is_git(const std::string& text) {
  const auto path = text.substr(0, text.find('#'));
  const bool remote = text.starts_with("https://") || text.starts_with("http://");
  return text.starts_with("git://") || text.starts_with("git@") || text.starts_with("ssh://") ||
         text.starts_with("github.com/") || (remote && path.ends_with(".git"));
}

bool is_http(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

void run_or_throw(const std::vector<std::string>& argv, const std::string& what, const std::string& input = {}) {
  CommandOptions options;
  options.input = input;
  const auto result = run_command(argv, options);
  if (result.status != 0) {
    auto text = result.error;
    text.erase(text.find_last_not_of('\n') + 1);
    throw Error(ErrorKind::failed, what + ": " + text);
  }
}

TemporaryDirectory make_folder() {
  const fs::path parent = fs::temp_directory_path();
  return {parent, "dlc-context-"};
}

/// "URL#ref:subdir" checked out below `folder`; returns the context directory.
fs::path clone(const std::string& text, const fs::path& folder) {
  const auto hash = text.find('#');
  auto url = text.substr(0, hash);
  if (url.starts_with("github.com/")) {
    url.insert(0, "https://");
  }
  const auto fragment = hash == std::string::npos ? std::string() : text.substr(hash + 1);
  const auto colon = fragment.find(':');
  const auto ref = fragment.substr(0, colon);
  const auto subdir = colon == std::string::npos ? std::string() : fragment.substr(colon + 1);
  const auto checkout = (folder / "checkout").string();
  run_or_throw({"git", "init", "--quiet", checkout}, "git");
  run_or_throw({"git", "-C", checkout, "fetch", "--quiet", "--depth", "1", "--", url, ref.empty() ? "HEAD" : ref},
               "cannot fetch " + url);
  run_or_throw({"git", "-C", checkout, "checkout", "--quiet", "FETCH_HEAD"}, "git checkout");
  remove_tree(fs::path(checkout) / ".git");
  const auto context = fs::weakly_canonical(fs::path(checkout) / subdir);
  if (!context.string().starts_with(fs::canonical(checkout).string())) {
    throw Error(ErrorKind::invalid, text + ": the directory lies outside the repository");
  }
  return context;
}

/// Standard input: a tar (plain or compressed) becomes a directory, anything else is a Dockerfile.
bool unpack_stdin(const std::string& data, const fs::path& folder) {
  constexpr std::size_t kMagicAt = 257;
  const auto starts = [&](std::string_view magic) { return std::string_view(data).starts_with(magic); };
  const bool compressed = starts("\x1f\x8b") || starts("BZh") ||
                          starts(
                              "\xfd"
                              "7zXZ") ||
                          starts("\x28\xb5\x2f\xfd");
  const bool plain = data.size() > kMagicAt + 5 && data.compare(kMagicAt, 5, "ustar") == 0;
  if (!compressed && !plain) {
    return false;
  }
  fs::create_directory(folder / "context");
  std::string tar = data;
  if (compressed) {
    codec::MemorySource in(data);
    const auto out = codec::decompress(in);
    tar = codec::read_all(*out);
  }
  // GNU tar refuses names that lead out of the directory, and makes links after files.
  run_or_throw({"tar", "-x", "-C", (folder / "context").string(), "--numeric-owner", "-p"},
               "the context cannot be read", tar);
  return true;
}

std::vector<std::string> read_ignore(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return {};
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

std::string read_stdin() {
  codec::FdSource in(STDIN_FILENO, "standard input");
  return codec::read_all(in);
}

/// Docker looks for "dockerfile" too.
fs::path default_dockerfile(const fs::path& context) {
  std::error_code ignored;
  const auto lower = context / "dockerfile";
  return !fs::exists(context / "Dockerfile", ignored) && fs::exists(lower, ignored) ? lower : context / "Dockerfile";
}

void read_dockerfile(const std::string& file, const fs::path& context, ImageBuildRequest& request) {
  std::error_code ignored;
  fs::path path = file.empty() ? default_dockerfile(context) : fs::path(file);
  if (!file.empty() && request.fetched_context && !path.is_absolute()) {
    path = context / path;
  }
  if (!fs::exists(path, ignored)) {
    throw Error(ErrorKind::not_found, fmt::format("failed to read dockerfile: open {}: no such file or directory",
                                                  file.empty() ? "Dockerfile" : file))
        .hint("name it with -f, or give another directory");
  }
  request.dockerfile = read_file(path, kMostDockerfile);
  request.dockerfile_name = file.empty() ? path.filename().string() : file;
  const auto own = path.string() + ".dockerignore";
  request.lower.context.local.ignore =
      read_ignore(fs::exists(own, ignored) ? fs::path(own) : context / ".dockerignore");
}

}  // namespace

void read_context(const GivenArguments& given, ImageBuildRequest& request) {
  const auto operand = given.operands.front();
  const auto file = given.last("file");
  auto& context = request.lower.context;
  fs::path directory = operand;
  if (operand == "-") {
    if (file == "-") {
      throw Error(ErrorKind::usage, "context and Dockerfile cannot both be read from standard input");
    }
    request.fetched_context.emplace(make_folder());
    auto data = read_stdin();
    if (unpack_stdin(data, request.fetched_context->path())) {
      directory = request.fetched_context->path() / "context";
    } else {
      request.dockerfile = std::move(data);
      request.dockerfile_name = "Dockerfile";
      context.local = {.name = "context", .entries = {}, .ignore = {}};
    }
  } else if (is_git(operand)) {
    request.fetched_context.emplace(make_folder());
    directory = clone(operand, request.fetched_context->path());
  } else if (is_http(operand)) {
    throw Error(ErrorKind::unsupported, "a context from " + operand + " is not there yet")
        .hint("curl -sSL " + operand + " | dlc image build -");
  }
  if (request.dockerfile_name.empty()) {
    context.local = local_directory("context", directory);
    if (file == "-") {
      request.dockerfile = read_stdin();
      request.dockerfile_name = "Dockerfile";
      context.local.ignore = read_ignore(directory / ".dockerignore");
    } else {
      read_dockerfile(file, directory, request);
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
