#include "cli/run_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "base/suggest.h"
#include "cli/parse.h"

namespace dlc::cli {

namespace {

namespace fs = std::filesystem;
using sandbox::ContainerMount;

/// As typed, before any meaning.
struct RawOptions {
  std::vector<std::string> env, env_files, volumes, mounts, tmpfs, ports, ulimits, hosts;
  std::string entrypoint, memory, cpus, shm_size, network = "host", host_certs = "off", name;
  bool remove = false, detach = false;
};

Error run_usage(const std::string& text) {
  return Error(ErrorKind::usage, text).hint("dlc run --help lists the options");
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

/// "K=V", or "K" for the value it has here (left out where it has none), as docker run does.
void add_variable(std::vector<std::string>& env, const std::string& text) {
  if (text.empty() || text.front() == '=') {
    throw run_usage(fmt::format("-e {}: a variable needs a name", text));
  }
  if (text.find('=') != std::string::npos) {
    env.push_back(text);
  } else if (const char* value = std::getenv(text.c_str())) {  // NOLINT(concurrency-mt-unsafe): one thread
    env.push_back(text + "=" + value);
  }
}

void add_environment(RunOptions& options, const RawOptions& raw) {
  for (const auto& file : raw.env_files) {
    for (auto line : split(read_file(file, 16U << 20), '\n')) {
      if (line.ends_with('\r')) {
        line.pop_back();
      }
      line.erase(0, line.find_first_not_of(" \t") == std::string::npos ? line.size() : line.find_first_not_of(" \t"));
      if (!line.empty() && line.front() != '#') {
        add_variable(options.env, line);
      }
    }
  }
  for (const auto& text : raw.env) {
    add_variable(options.env, text);
  }
}

std::string container_path(const std::string& path, const std::string& option) {
  if (!path.starts_with('/')) {
    throw run_usage(fmt::format("{}: the path in the container must be absolute: {}", option, path));
  }
  const auto clean = fs::path(path).lexically_normal().string();
  if (clean == "/") {
    throw run_usage(fmt::format("{}: nothing can be mounted on /", option));
  }
  return clean.ends_with('/') ? clean.substr(0, clean.size() - 1) : clean;
}

ContainerMount bind_mount(const std::string& source, const std::string& target, bool read_only,
                          const std::string& option) {
  std::error_code ignored;
  const auto absolute = fs::absolute(source).lexically_normal();
  if (!fs::exists(absolute, ignored)) {
    throw Error(ErrorKind::not_found, fmt::format("{}: {} does not exist", option, absolute.string()))
        .hint("create it first: a mistyped name would otherwise become a new directory");
  }
  ContainerMount mount;
  mount.source = absolute.string();
  mount.target = container_path(target, option);
  mount.read_only = read_only;
  return mount;
}

void add_volume(RunOptions& options, const std::string& text) {
  const std::string option = "-v " + text;
  const auto parts = split(text, ':');
  if (parts.size() == 1) {
    options.directories.push_back(container_path(parts[0], option));
    return;
  }
  if (parts.size() > 3 || parts[0].empty() || parts[1].empty()) {
    throw run_usage(fmt::format("{}: want HOST:CONTAINER or HOST:CONTAINER:ro", option));
  }
  if (parts[0].find('/') == std::string::npos && parts[0] != "." && parts[0] != "..") {
    throw Error(ErrorKind::unsupported, fmt::format("{}: named volumes are not supported", option))
        .hint(fmt::format("for a directory write -v ./{}:{}", parts[0], parts[1]));
  }
  bool read_only = false;
  for (const auto& word : parts.size() == 3 ? split(parts[2], ',') : std::vector<std::string>{}) {
    if (word == "ro") {
      read_only = true;
    } else if (word != "rw" && word != "z" && word != "Z") {
      throw run_usage(fmt::format("{}: unknown option {}", option, word));
    }
  }
  options.mounts.push_back(bind_mount(parts[0], parts[1], read_only, option));
}

std::uint32_t parse_mode(const std::string& text, const std::string& option) {
  std::uint32_t mode = 0;
  const bool octal = !text.empty() && text.size() <= 5 && text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) {
    throw run_usage(fmt::format("{}: the mode must be octal: {}", option, text));
  }
  for (const char c : text) {
    mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
  }
  return mode & 07777U;
}

std::uint32_t parse_id(const std::string& text, const std::string& option) {
  std::uint32_t id = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (code != std::errc{} || end != text.data() + text.size()) {
    throw run_usage(fmt::format("{}: the user and the group of a tmpfs are numbers: {}", option, text));
  }
  return id;
}

void add_tmpfs(RunOptions& options, const std::string& text) {
  const std::string option = "--tmpfs " + text;
  const auto colon = text.find(':');
  ContainerMount mount;
  mount.type = ContainerMount::Type::tmpfs;
  mount.target = container_path(text.substr(0, colon), option);
  mount.read_only = false;
  mount.no_exec = true;
  for (const auto& word :
       colon == std::string::npos ? std::vector<std::string>{} : split(text.substr(colon + 1), ',')) {
    if (word.starts_with("size=")) {
      mount.size = parse_bytes(word.substr(5), option);
    } else if (word.starts_with("mode=")) {
      mount.mode = parse_mode(word.substr(5), option);
    } else if (word.starts_with("uid=")) {
      mount.uid = parse_id(word.substr(4), option);
    } else if (word.starts_with("gid=")) {
      mount.gid = parse_id(word.substr(4), option);
    } else if (word == "exec" || word == "noexec") {
      mount.no_exec = word == "noexec";
    } else if (word == "ro") {
      mount.read_only = true;
    } else if (word != "rw" && word != "nosuid" && word != "nodev") {
      throw run_usage(fmt::format("{}: unknown option {}", option, word));
    }
  }
  options.mounts.push_back(mount);
}

/// --mount type=bind,source=DIR,target=DIR[,readonly] or type=tmpfs,target=DIR[,tmpfs-size=N,tmpfs-mode=M].
void add_mount(RunOptions& options, const std::string& text) {
  const std::string option = "--mount " + text;
  std::string type = "volume";
  std::string source;
  std::string target;
  ContainerMount tmpfs;
  tmpfs.type = ContainerMount::Type::tmpfs;
  bool read_only = false;
  for (const auto& word : split(text, ',')) {
    const auto equal = word.find('=');
    const auto key = word.substr(0, equal);
    const auto value = equal == std::string::npos ? std::string() : word.substr(equal + 1);
    if (key == "type") {
      type = value;
    } else if (key == "source" || key == "src") {
      source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      target = value;
    } else if (key == "readonly" || key == "ro") {
      read_only = value.empty() || value == "true" || value == "1";
    } else if (key == "tmpfs-size") {
      tmpfs.size = parse_bytes(value, option);
    } else if (key == "tmpfs-mode") {
      tmpfs.mode = parse_mode(value, option);
    } else {
      throw run_usage(fmt::format("{}: unknown key {}", option, key));
    }
  }
  if (type == "bind") {
    options.mounts.push_back(bind_mount(source, target, read_only, option));
  } else if (type == "tmpfs") {
    tmpfs.target = container_path(target, option);
    tmpfs.read_only = read_only;
    options.mounts.push_back(tmpfs);
  } else {
    throw Error(ErrorKind::unsupported, fmt::format("{}: mounts of type {} are not supported", option, type))
        .hint("type=bind and type=tmpfs are");
  }
}

/// Below this the kernel searches for memory to take back without end before a program starts; Docker's limit too.
constexpr std::uint64_t kLeastMemory = 6U << 20;

std::uint64_t parse_memory(const std::string& text) {
  const auto bytes = parse_bytes(text, "--memory");
  if (bytes != 0 && bytes < kLeastMemory) {
    throw run_usage(fmt::format("--memory {}: want at least 6m", text));
  }
  return bytes;
}

std::uint64_t parse_number(const std::string& text, const std::string& option) {
  if (text == "-1" || text == "unlimited") {
    return ~std::uint64_t{0};
  }
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) {
    throw run_usage(fmt::format("{}: not a number: {}", option, text));
  }
  return value;
}

double parse_cpus(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kMost = 1e6;
  if (code != std::errc{} || end != text.data() + text.size() || !(value >= 0) || value > kMost) {
    throw run_usage(fmt::format("--cpus: not a number of CPUs: {} (want one such as 1.5)", text));
  }
  return value;
}

void add_ulimit(RunOptions& options, const std::string& text) {
  const std::string option = "--ulimit " + text;
  const auto equal = text.find('=');
  if (equal == std::string::npos || equal == 0) {
    throw run_usage(fmt::format("{}: want NAME=SOFT or NAME=SOFT:HARD", option));
  }
  const auto values = split(text.substr(equal + 1), ':');
  const auto soft = parse_number(values[0], option);
  const auto hard = values.size() > 1 ? parse_number(values[1], option) : soft;
  if (soft > hard) {
    throw run_usage(fmt::format("{}: the soft limit is above the hard one", option));
  }
  options.ulimits.emplace_back(text.substr(0, equal), std::pair(soft, hard));
}

/// The container has the host's ports, so publishing one under its own number is what happens anyway.
void check_port(RunOptions& options, const std::string& text) {
  const auto parts = split(text.substr(0, text.find('/')), ':');
  const bool same = parts.size() >= 2 && parts[parts.size() - 2] == parts.back();
  if (options.network == sandbox::Network::none) {
    throw run_usage(fmt::format("-p {} with --network none: there is no network to publish on", text));
  }
  if (!same) {
    throw Error(ErrorKind::unsupported, fmt::format("-p {}: ports cannot be mapped to others", text))
        .hint(fmt::format("the container uses the host's network: its port {} is the host's", parts.back()));
  }
  options.notes.push_back(fmt::format("-p {} is not needed: the container uses the host's network", text));
}

void add_host(RunOptions& options, const std::string& text) {
  const auto separator = text.find_first_of(":=");
  if (separator == std::string::npos || separator == 0 || separator + 1 == text.size()) {
    throw run_usage(fmt::format("--add-host {}: want NAME:ADDRESS", text));
  }
  const auto address = text.substr(separator + 1);
  options.hosts.emplace_back(text.substr(0, separator), address == "host-gateway" ? "127.0.0.1" : address);
}

void declare(CLI::App& app, RunOptions& options, RawOptions& raw) {
  app.prefix_command();
  app.footer("dlc run [OPTIONS] IMAGE [COMMAND] [ARGUMENT...]: options stand before the image.");
  const auto list = [&](const char* names, std::vector<std::string>& into, const char* text) {
    app.add_option(names, into, text)->allow_extra_args(false)->take_all();
  };
  app.add_flag("--rm", raw.remove, "remove the container at the end (it always is)");
  app.add_flag("-i,--interactive", options.interactive, "pass standard input on");
  app.add_flag("-t,--tty", options.terminal, "give the container a terminal, where there is one");
  app.add_flag("-d,--detach", raw.detach, "not supported: containers run in the foreground");
  list("-e,--env", raw.env, "NAME=VALUE, or NAME for its value here");
  list("--env-file", raw.env_files, "file with one variable a line");
  list("-v,--volume", raw.volumes, "HOST:CONTAINER[:ro]");
  list("--mount", raw.mounts, "type=bind,source=DIR,target=DIR[,readonly] or type=tmpfs,target=DIR");
  list("--tmpfs", raw.tmpfs, "DIR[:size=64m,mode=1777,exec]");
  list("-p,--publish", raw.ports, "accepted where both ports are the same: the network is the host's");
  list("--ulimit", raw.ulimits, "NAME=SOFT[:HARD]");
  list("--add-host", raw.hosts, "NAME:ADDRESS");
  app.add_option("-u,--user", options.user, "USER[:GROUP], names or numbers");
  app.add_option("-w,--workdir", options.working_dir, "working directory");
  app.add_option("--entrypoint", raw.entrypoint, "instead of the image's; its command is then not used");
  app.add_option("-m,--memory", raw.memory, "most memory, such as 512m or 4g");
  app.add_option("--cpus", raw.cpus, "most CPUs, such as 1.5");
  app.add_option("--shm-size", raw.shm_size, "size of /dev/shm (64m)");
  app.add_option("--network,--net", raw.network, "host or none (host)");
  app.add_option("--name", raw.name, "accepted; a container in the foreground needs none");
  app.add_option("-h,--hostname", options.hostname, "host name in the container");
  app.add_option("--platform", options.platform, "which image of an index, such as linux/arm64 (this machine's)");
  app.add_flag("--read-only", options.read_only, "the container cannot change its root file system");
  app.add_option("--stop-signal", options.stop_signal,
                 "what the command gets when dlc gets SIGTERM (the image's, else SIGTERM)");
  app.add_option("--stop-timeout", options.stop_timeout, "seconds from there to SIGKILL (never)")
      ->check([](const std::string& text) {
        const bool whole =
            !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
        return whole ? std::string() : fmt::format("not a number of seconds: {}", text);
      });
  app.add_option("--host-certs", raw.host_certs,
                 "off, file or env: give the container the host's certificate authorities (off)");
}

void interpret(RunOptions& options, const RawOptions& raw) {
  if (raw.detach) {
    throw Error(ErrorKind::unsupported, "-d: containers run in the foreground")
        .hint("let the shell run it in the background: dlc run ... &");
  }
  if (raw.network != "host" && raw.network != "none") {
    throw Error(ErrorKind::unsupported, fmt::format("--network {} is not supported", raw.network))
        .hint("host (the default) and none are");
  }
  options.network = raw.network == "none" ? sandbox::Network::none : sandbox::Network::host;
  if (raw.host_certs != "off" && raw.host_certs != "file" && raw.host_certs != "env") {
    throw run_usage("--host-certs: want off, file or env");
  }
  options.host_certs = raw.host_certs == "off"    ? sandbox::HostCerts::off
                       : raw.host_certs == "file" ? sandbox::HostCerts::file
                                                  : sandbox::HostCerts::env;
  options.cpus = raw.cpus.empty() ? 0 : parse_cpus(raw.cpus);
  options.memory = raw.memory.empty() ? 0 : parse_memory(raw.memory);
  options.shm_size = raw.shm_size.empty() ? options.shm_size : parse_bytes(raw.shm_size, "--shm-size");
  if (!options.working_dir.empty() && !options.working_dir.starts_with('/')) {
    throw run_usage(fmt::format("-w {}: the working directory must be an absolute path", options.working_dir));
  }
  add_environment(options, raw);
  const auto each = [&](const std::vector<std::string>& texts, void (*add)(RunOptions&, const std::string&)) {
    for (const auto& text : texts) {
      add(options, text);
    }
  };
  each(raw.volumes, add_volume);
  each(raw.mounts, add_mount);
  each(raw.tmpfs, add_tmpfs);
  each(raw.ulimits, add_ulimit);
  each(raw.ports, check_port);
  each(raw.hosts, add_host);
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text, std::string_view option) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  if (unit.ends_with("ib")) {
    unit.resize(unit.size() - 2);
  } else if (unit.size() == 2 && unit.ends_with('b')) {
    unit.resize(1);
  }
  constexpr std::string_view kUnits = "bkmgt";
  const auto power = unit.empty() ? 0 : unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
  const double bytes = power == std::string_view::npos ? -1 : number * std::pow(1024.0, static_cast<double>(power));
  constexpr double kMost = 9.0e18;
  if (code != std::errc{} || !(bytes >= 0) || bytes > kMost) {
    throw run_usage(fmt::format("{}: not a size: {} (want a number with b, k, m or g)", option, text));
  }
  return static_cast<std::uint64_t>(bytes);
}

std::optional<RunOptions> parse_run_options(std::span<const std::string> arguments) {
  CLI::App app("Run a command in a new container of an image.", "dlc run");
  app.set_help_flag("--help", "print this");
  RunOptions options;
  RawOptions raw;
  declare(app, options, raw);
  if (!parse(app, arguments)) {
    return std::nullopt;
  }
  auto rest = app.remaining();
  if (!rest.empty() && rest.front() == "--") {
    rest.erase(rest.begin());
  }
  if (rest.empty()) {
    throw run_usage("dlc run needs an image");
  }
  if (rest.front().starts_with('-')) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
      for (const auto& name : option->get_lnames()) {
        names.push_back("--" + name);
      }
    }
    const auto similar = closest(rest.front().substr(0, rest.front().find('=')), names);
    throw Error(ErrorKind::usage, "unknown option: " + rest.front())
        .hint(similar.empty() ? "dlc run --help lists the options" : "did you mean " + similar + "?");
  }
  options.image = rest.front();
  options.command.assign(rest.begin() + 1, rest.end());
  if (app.count("--entrypoint") > 0) {
    options.entrypoint = raw.entrypoint;
  }
  interpret(options, raw);
  return options;
}

}  // namespace dlc::cli
