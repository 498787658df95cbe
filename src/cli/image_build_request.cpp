#include "cli/image_build_request.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "base/process.h"
#include "cli/image_build_context.h"
#include "cli/image_lowering.h"
#include "codec/sinks.h"
#include "dockerfile/ignore.h"
#include "net/url.h"
#include "oci/reference.h"
#include "sandbox/runtime_config.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nothing of ours changes it
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

Error usage(std::string message) {
  return {ErrorKind::usage, std::move(message)};
}

struct Pair {
  std::string key;
  std::string value;
};

Pair split_pair(const std::string& option, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw usage(fmt::format("--{} {}: must be written KEY=VALUE", option, text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

template <typename Number>
Number parse_number(const std::string& option, std::string_view text) {
  Number number{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
    throw usage(fmt::format("--{}: {} is no number", option, text));
  }
  return number;
}

/// "512m", "2g", "1024"; also "2gb", "1KiB".
std::uint64_t parse_bytes(const std::string& option, const std::string& text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  auto unit = text.substr(digits);
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto number = parse_number<std::uint64_t>(option, std::string_view(text).substr(0, digits));
  constexpr std::string_view kUnits = "bkmgt";
  const auto at = unit.empty() ? 0 : kUnits.find(unit[0]);
  const auto tail = unit.empty() ? std::string() : unit.substr(1);
  if (at == std::string_view::npos || (!tail.empty() && tail != "b" && tail != "ib")) {
    throw usage(fmt::format("--{}: {} is no size", option, text));
  }
  return number << (10 * at);
}

void read_build_args(const GivenArguments& given, build::LowerOptions& lower) {
  lower.build_args = host_proxies();
  for (const auto& text : given.all("build-arg")) {
    const auto equals = text.find('=');
    const auto key = text.substr(0, equals);
    if (key.empty()) {
      throw usage("--build-arg " + text + ": the name is missing");
    }
    if (equals != std::string::npos) {
      lower.build_args[key] = text.substr(equals + 1);
    } else if (const auto value = environment(key)) {
      lower.build_args[key] = *value;
    }
  }
  auto epoch = lower.build_args.contains("SOURCE_DATE_EPOCH") ? std::optional(lower.build_args["SOURCE_DATE_EPOCH"])
                                                              : environment("SOURCE_DATE_EPOCH");
  if (epoch && !epoch->empty()) {
    lower.build_args["SOURCE_DATE_EPOCH"] = *epoch;
    if (*epoch != "context") {  // else it is known when the context is
      const bool from_option = std::ranges::any_of(
          given.all("build-arg"), [](const auto& text) { return text.starts_with("SOURCE_DATE_EPOCH="); });
      lower.epoch = parse_number<std::int64_t>(
          from_option ? "build-arg SOURCE_DATE_EPOCH" : "build-arg SOURCE_DATE_EPOCH (from the environment)", *epoch);
    }
  }
}

/// SOURCE_DATE_EPOCH=context: the steps see the number.
void settle_epoch(build::LowerOptions& lower) {
  const auto given = lower.build_args.find("SOURCE_DATE_EPOCH");
  if (given == lower.build_args.end() || given->second != "context") {
    return;
  }
  lower.epoch = lower.context_time ? lower.context_time() : std::nullopt;
  if (lower.epoch) {
    given->second = std::to_string(*lower.epoch);
  } else {
    lower.build_args.erase(given);  // a context without files has no time
  }
}

void read_hosts(const GivenArguments& given, build::LowerOptions& lower) {
  for (const auto& text : given.all("add-host")) {
    const auto at = text.find_first_of("=:");
    if (at == 0 || at == std::string::npos || at + 1 == text.size()) {
      throw usage(fmt::format("--add-host: invalid host {}: must be written HOST:IP", text));
    }
    auto address = text.substr(at + 1);
    if (address == "host-gateway") {
      address = "127.0.0.1";  // steps have the host's network
    }
    if (address.starts_with('[') && address.ends_with(']')) {
      address = address.substr(1, address.size() - 2);
    }
    if (!net::is_address(address)) {
      throw usage(fmt::format("--add-host: invalid IP address in {}: {}", text, address));
    }
    lower.extra_hosts.push_back({text.substr(0, at), address});
  }
}

void read_limits(const GivenArguments& given, build::LowerOptions& lower) {
  if (const auto size = given.last("shm-size"); !size.empty()) {
    lower.shm_size = parse_bytes("shm-size", size);
  }
  for (const auto& text : given.all("ulimit")) {
    const auto pair = split_pair("ulimit", text);
    const auto colon = pair.value.find(':');
    const auto limit = [](std::string_view value) {
      return value == "-1" || value == "unlimited" ? ~std::uint64_t{0} : parse_number<std::uint64_t>("ulimit", value);
    };
    const auto soft = limit(std::string_view(pair.value).substr(0, colon));
    const auto hard = colon == std::string::npos ? soft : limit(std::string_view(pair.value).substr(colon + 1));
    if (!sandbox::is_limit(pair.key)) {
      throw usage(fmt::format("--ulimit {}: invalid ulimit type: {}", text, pair.key));
    }
    if (soft > hard) {
      throw usage(fmt::format("--ulimit {}: ulimit soft limit must be less than or equal to hard limit: {} > {}", text,
                              soft, hard));
    }
    lower.ulimits.push_back({pair.key, soft, hard});
  }
}

void read_network(const GivenArguments& given, ImageBuildRequest& request) {
  for (const auto& list : given.all("allow")) {
    for (const auto& right : build::split_csv(list)) {
      if (right == "network.host") {
        request.lower.allow_network_host = true;
      } else if (right == "security.insecure") {
        request.lower.allow_insecure = true;
      } else if (right == "device" || right.starts_with("device=")) {
        request.solve.devices.push_back(right == "device" ? "*" : right.substr(right.find('=') + 1));
      } else {
        throw usage("--allow " + right + " is not known: network.host, security.insecure, device or device=NAME");
      }
    }
  }
  const auto mode = given.last("network", "default");
  if (mode == "none") {
    request.lower.network = build::RunOp::Network::none;
    request.solve.network_none = true;
  } else if (mode != "default" && mode != "host") {
    throw usage("--network " + mode + " is not known: default, host or none");
  }
}

void read_secrets(const GivenArguments& given, ImageBuildRequest& request) {
  for (const auto& text : given.all("secret")) {
    std::map<std::string, std::string> fields;
    for (const auto& field : build::split_csv(text)) {
      const auto pair = split_pair("secret", field);
      if (pair.key != "id" && pair.key != "src" && pair.key != "source" && pair.key != "env" && pair.key != "type") {
        throw usage(fmt::format("--secret {}: unexpected key '{}'", text, pair.key))
            .hint("the keys are id, src, env and type");
      }
      fields[pair.key == "source" ? "src" : pair.key] = pair.value;
    }
    const auto id = fields["id"];
    if (id.empty()) {
      throw usage("--secret " + text + ": id is missing");
    }
    const bool from_env = fields.contains("env") || fields["type"] == "env" ||
                          (fields["type"].empty() && !fields.contains("src") && environment(id));
    std::string secret;
    if (from_env) {
      const auto name = fields.contains("env") ? fields["env"] : fields.contains("src") ? fields["src"] : id;
      const auto value = environment(name);
      if (!value) {
        throw usage(fmt::format("--secret id={}: the environment variable {} is not set", id, name));
      }
      secret = *value;
      request.secret_values.push_back(secret);
    } else {
      // Read once: `src=<(command)` and /dev/stdin give their bytes a single time.
      secret = read_file(fs::absolute(fields.contains("src") ? fields["src"] : id), 500U << 10);
      auto value = secret;
      value.erase(value.find_last_not_of("\r\n") + 1);
      request.secret_values.push_back(std::move(value));
    }
    request.solve.secrets[id] = std::move(secret);
  }
}

void check_keys(const std::string& option, const std::vector<std::string>& keys) {
  for (const auto& key : keys) {
    std::error_code ignored;
    if (fs::is_socket(key, ignored)) {
      throw usage(option + ": " + key + " is the socket of an agent, which stands alone");
    }
    if (!fs::is_regular_file(key, ignored)) {
      throw Error(ErrorKind::not_found, option + ": \"" + key + "\" is neither a key file nor the socket of an agent");
    }
  }
}

/// "default", "ID=SOCKET", "ID=KEY,KEY".
void read_agents(const GivenArguments& given, const RequestMeans& means, ImageBuildRequest& request) {
  for (const auto& text : given.all("ssh")) {
    const auto option = "--ssh " + text;
    const auto equals = text.find('=');
    const auto id = equals == 0 ? "default" : text.substr(0, equals);
    const auto value = equals == std::string::npos ? environment("SSH_AUTH_SOCK") : text.substr(equals + 1);
    if (!value || value->empty()) {
      throw usage(option + ": no agent: SSH_AUTH_SOCK is not set")
          .hint("start one (eval $(ssh-agent); ssh-add), or name a key: --ssh " + id + "=FILE");
    }
    if (request.solve.ssh.contains(id)) {
      throw usage(option + ": " + id + " is given twice").hint("several keys of one agent: --ssh " + id + "=KEY,KEY");
    }
    std::error_code ignored;
    if (fs::is_socket(*value, ignored)) {
      request.solve.ssh[id] = *value;
    } else {
      const auto keys = build::split_csv(*value);
      check_keys(option, keys);
      request.agents.push_back(std::make_unique<SshAgent>(option, keys, means.make_directory(), means.stop));
      request.solve.ssh[id] = request.agents.back()->socket();
    }
  }
}

/// The first output that keeps the image in the store decides how the build itself packs layers.
void choose_compression(ImageBuildRequest& request) {
  for (const auto& output : request.outputs) {
    if (output.compression && build::names_image(output.type)) {
      request.solve.compression = *output.compression;
      return;
    }
  }
}

void read_outputs(const GivenArguments& given, ImageBuildRequest& request) {
  for (const auto& text : given.all("output")) {
    request.outputs.push_back(build::parse_output(text));
  }
  const bool pushes = given.flag("push");
  const auto is_image = [](const auto& output) { return output.type == build::OutputType::image; };
  if (request.outputs.empty() || (pushes && std::ranges::none_of(request.outputs, is_image))) {
    request.outputs.emplace_back();
  }
  for (auto& output : request.outputs) {
    output.push = output.push || (pushes && is_image(output));
  }
  for (const auto& tag : given.all("tag")) {
    request.tags.push_back(oci::parse_reference(tag).str());
  }
  for (const auto& output : request.outputs) {
    for (const auto& name : output.names) {
      static_cast<void>(oci::parse_reference(name));
    }
  }
  for (const auto& text : given.all("annotation")) {
    const auto pair = split_pair("annotation", text);
    const auto annotations = build::parse_annotation(pair.key, pair.value);
    request.annotations.insert(request.annotations.end(), annotations.begin(), annotations.end());
  }
  build::check_outputs(request.outputs, request.tags);
  choose_compression(request);
}

void read_caches(const GivenArguments& given, ImageBuildRequest& request) {
  for (const auto& text : given.all("cache-from")) {
    request.cache_from.push_back(build::parse_cache_from(text));
  }
  for (const auto& text : given.all("cache-to")) {
    request.cache_to.push_back(build::parse_cache_to(text));
  }
}

void read_platforms(const GivenArguments& given, ImageBuildRequest& request) {
  auto& lower = request.lower;
  lower.platform = lower.build_platform = oci::host_platform();
  std::vector<std::string> platforms;
  for (const auto& list : given.all("platform")) {
    for (auto& one : build::split_csv(list)) {
      platforms.push_back(std::move(one));
    }
  }
  if (platforms.empty()) {
    if (const auto preset = environment("DOCKER_DEFAULT_PLATFORM"); preset && !preset->empty()) {
      platforms.push_back(*preset);
    }
  }
  for (const auto& text : platforms) {
    const auto platform = text == "local" ? oci::host_platform() : oci::parse_platform(text);
    if (std::ranges::find(request.platforms, platform) == request.platforms.end()) {
      request.platforms.push_back(platform);
    }
  }
  if (request.platforms.empty()) {
    request.platforms.push_back(oci::host_platform());
  }
  lower.platform = request.platforms.front();
}

void read_pull(const GivenArguments& given, ImageBuildRequest& request) {
  const auto value = given.last("pull", "false");
  if (value == "true" || value == "1" || value == "always") {
    request.pull = build::PullPolicy::always;
    request.refresh_bases = true;
  } else if (value == "never") {
    request.pull = build::PullPolicy::never;
  } else if (value == "missing") {
    request.pull = build::PullPolicy::missing;
  } else if (value != "false" && value != "0" && value != "newer") {
    throw usage("--pull=" + value + " is not known: always, newer, missing or never");
  }
}

/// "outline", "targets,format=json".
void read_call(const GivenArguments& given, ImageBuildRequest& request) {
  const auto fields = build::split_csv(given.flag("check") ? "check" : given.last("call", "build"));
  for (std::size_t i = 1; i < fields.size(); ++i) {
    if (fields[i] != "format=json" && fields[i] != "format=text") {
      throw usage("--call: unknown setting " + fields[i]).hint("format=json or format=text");
    }
    request.call_json = fields[i] == "format=json";
  }
  const auto& call = fields.front();
  if (call != "build" && call != "check" && call != "outline" && call != "targets" && call != "lint") {
    throw usage("--call " + call + " is not known: build, check, outline or targets");
  }
  request.call = call == "lint" ? "check" : call;
}

void read_progress(const GivenArguments& given, ImageBuildRequest& request) {
  const auto word = given.last("progress", environment("BUILDKIT_PROGRESS").value_or("auto"));
  const auto mode = parse_progress_mode(word.empty() ? "auto" : word);
  if (!mode) {
    throw usage("invalid progress: " + word).hint("one of auto, plain, tty, quiet, rawjson, jsonl");
  }
  request.quiet = given.flag("quiet");
  request.progress = request.quiet ? ProgressMode::quiet : *mode;
  read_call(given, request);
}

void read_stages(const GivenArguments& given, ImageBuildRequest& request) {
  auto& lower = request.lower;
  lower.target = given.last("target");
  lower.no_cache = given.flag("no-cache");
  for (const auto& list : given.all("no-cache-filter")) {
    for (auto& stage : build::split_csv(list)) {
      lower.no_cache_stages.push_back(std::move(stage));
    }
  }
  for (const auto& text : given.all("label")) {
    const auto equals = text.find('=');
    lower.labels[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  const auto certs = given.last("host-certs", "file");
  if (certs != "file" && certs != "env" && certs != "off") {
    throw usage("--host-certs " + certs + " is not known: file, env or off");
  }
  request.solve.host_certs = certs == "off"   ? sandbox::HostCerts::off
                             : certs == "env" ? sandbox::HostCerts::env
                                              : sandbox::HostCerts::file;
  if (const auto jobs = given.last("jobs"); !jobs.empty()) {
    request.solve.jobs = parse_number<unsigned>("jobs", jobs);
  }
}

}  // namespace

ImageBuildRequest read_request(const GivenArguments& given) {
  ImageBuildRequest request;
  if (given.operands.size() != 1) {
    throw usage(given.operands.empty() ? "the build context is missing" : "one build context is wanted, not several")
        .hint("dlc image build [OPTIONS] PATH | URL | -");
  }
  read_build_args(given, request.lower);
  read_hosts(given, request.lower);
  read_limits(given, request.lower);
  read_network(given, request);
  read_secrets(given, request);
  read_outputs(given, request);
  read_platforms(given, request);
  read_caches(given, request);
  read_pull(given, request);
  read_progress(given, request);
  read_stages(given, request);
  if (const auto what = given.last("on-failure"); !what.empty()) {
    request.failure_shell = parse_failure_shell(what);
  }
  for (const auto* name : {"sbom", "provenance"}) {
    if (const auto value = given.last(name); !value.empty() && value != "false" && value != "0") {
      request.warnings.push_back(fmt::format("--{} {}: no attestation is made", name, value));
    }
  }
  request.iidfile = given.last("iidfile");
  request.metadata_file = given.last("metadata-file");
  return request;
}

ImageBuildRequest complete_request(ImageBuildRequest request, const GivenArguments& given, const RequestMeans& means) {
  read_agents(given, means, request);
  read_context(given, means, request);
  settle_epoch(request.lower);
  request.lower.dockerfile_name = request.dockerfile_name;
  return request;
}

}  // namespace dlc::cli
