// JSON of the image-spec 1.1 types. nlohmann's object is a sorted map, so equal values give equal bytes.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "oci/image.h"
#include "oci/json_guard.h"

namespace dlc::oci {

namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

Json parse_object(std::string_view text, std::string_view what) {
  guard_json(text, what);
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    refuse(fmt::format("{} is not valid JSON", what));
  }
  if (!json.is_object()) {
    refuse(fmt::format("{} is no JSON object", what));
  }
  return json;
}

/// The member, or null where it is missing or null itself (Go writes null for empty lists and maps).
const Json* find(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string get_string(const Json& object, const char* name) {
  const Json* value = find(object, name);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_string()) {
    refuse(fmt::format("member \"{}\" is no string", name));
  }
  return value->get<std::string>();
}

bool get_bool(const Json& object, const char* name) {
  const Json* value = find(object, name);
  if (value == nullptr) {
    return false;
  }
  if (!value->is_boolean()) {
    refuse(fmt::format("member \"{}\" is neither true nor false", name));
  }
  return value->get<bool>();
}

std::int64_t get_integer(const Json& object, const char* name, std::int64_t low, std::int64_t high) {
  const Json* value = find(object, name);
  if (value == nullptr) {
    return 0;
  }
  bool good = value->is_number_integer();
  if (good && value->is_number_unsigned()) {
    good = value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }
  const std::int64_t number = good ? value->get<std::int64_t>() : 0;
  if (!good || number < low || number > high) {
    refuse(fmt::format("member \"{}\" is no integer from {} to {}", name, low, high));
  }
  return number;
}

const Json& require(const Json& object, const char* name, Json::value_t type, std::string_view what) {
  const Json* value = find(object, name);
  if (value == nullptr || value->type() != type) {
    refuse(fmt::format("{} has no {} \"{}\"", what, type == Json::value_t::array ? "list" : "object", name));
  }
  return *value;
}

std::vector<std::string> get_strings(const Json& object, const char* name) {
  std::vector<std::string> result;
  const Json* value = find(object, name);
  if (value == nullptr) {
    return result;
  }
  if (value->is_string()) {  // Docker once wrote a single string for a list of one
    result.push_back(value->get<std::string>());
    return result;
  }
  if (!value->is_array()) {
    refuse(fmt::format("member \"{}\" is no list", name));
  }
  for (const auto& item : *value) {
    if (!item.is_string()) {
      refuse(fmt::format("member \"{}\" holds something that is no string", name));
    }
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::optional<std::vector<std::string>> get_command(const Json& object, const char* name) {
  if (find(object, name) == nullptr) {
    return std::nullopt;
  }
  return get_strings(object, name);
}

std::map<std::string, std::string> get_map(const Json& object, const char* name) {
  std::map<std::string, std::string> result;
  const Json* value = find(object, name);
  if (value == nullptr) {
    return result;
  }
  if (!value->is_object()) {
    refuse(fmt::format("member \"{}\" is no object", name));
  }
  for (const auto& [key, item] : value->items()) {
    if (!item.is_string() && !item.is_null()) {
      refuse(fmt::format("member \"{}\" of \"{}\" is no string", key, name));
    }
    result.emplace(key, item.is_null() ? std::string() : item.get<std::string>());
  }
  return result;
}

/// The keys of an object that stands for a set ("80/tcp": {}), sorted.
std::vector<std::string> get_set(const Json& object, const char* name) {
  std::vector<std::string> result;
  const Json* value = find(object, name);
  if (value == nullptr) {
    return result;
  }
  if (!value->is_object()) {
    refuse(fmt::format("member \"{}\" is no object", name));
  }
  for (const auto& [key, item] : value->items()) {
    result.push_back(key);
  }
  return result;
}

Platform get_platform(const Json& object) {
  Platform platform;
  platform.os = get_string(object, "os");
  platform.architecture = get_string(object, "architecture");
  platform.variant = get_string(object, "variant");
  return platform;
}

Digest get_digest(const Json& value, std::string_view what) {
  if (!value.is_string()) {
    refuse(fmt::format("{} is no string", what));
  }
  return Digest::parse(value.get_ref<const std::string&>());
}

Descriptor get_descriptor(const Json& object, std::string_view what) {
  if (!object.is_object()) {
    refuse(fmt::format("{} is no descriptor object", what));
  }
  Descriptor result;
  result.media_type = get_string(object, "mediaType");
  const Json* digest = find(object, "digest");
  if (digest == nullptr) {
    refuse(fmt::format("{} has no digest", what));
  }
  result.digest = get_digest(*digest, "digest");
  if (find(object, "size") == nullptr) {
    refuse(fmt::format("{} has no size", what));
  }
  result.size = static_cast<std::uint64_t>(get_integer(object, "size", 0, std::numeric_limits<std::int64_t>::max()));
  result.annotations = get_map(object, "annotations");
  result.artifact_type = get_string(object, "artifactType");
  if (const Json* platform = find(object, "platform")) {
    if (!platform->is_object()) {
      refuse(fmt::format("the platform of {} is no object", what));
    }
    result.platform = get_platform(*platform);
  }
  return result;
}

std::vector<Descriptor> get_descriptors(const Json& list, std::string_view what) {
  std::vector<Descriptor> result;
  result.reserve(list.size());
  for (const auto& item : list) {
    result.push_back(get_descriptor(item, what));
  }
  return result;
}

HealthCheck get_healthcheck(const Json& object) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  HealthCheck result;
  result.test = get_strings(object, "Test");
  result.interval_ns = get_integer(object, "Interval", 0, kMax);
  result.timeout_ns = get_integer(object, "Timeout", 0, kMax);
  result.start_period_ns = get_integer(object, "StartPeriod", 0, kMax);
  result.start_interval_ns = get_integer(object, "StartInterval", 0, kMax);
  result.retries = static_cast<int>(get_integer(object, "Retries", 0, std::numeric_limits<int>::max()));
  return result;
}

History get_history(const Json& object) {
  if (!object.is_object()) {
    refuse("an entry of \"history\" is no object");
  }
  History result;
  result.created = get_string(object, "created");
  result.created_by = get_string(object, "created_by");
  result.author = get_string(object, "author");
  result.comment = get_string(object, "comment");
  result.empty_layer = get_bool(object, "empty_layer");
  return result;
}

/// What is left of `object` without the members we know and those that describe the container an old Docker built the
/// image in, which say nothing about the image.
std::string unknown_members(const Json& object, std::initializer_list<const char*> known) {
  Json rest = object;
  for (const char* name : known) {
    rest.erase(name);
  }
  return rest.empty() ? std::string() : rest.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void get_run_config(const Json& object, ImageConfig& result) {
  result.user = get_string(object, "User");
  result.env = get_strings(object, "Env");
  result.entrypoint = get_command(object, "Entrypoint");
  result.cmd = get_command(object, "Cmd");
  result.exposed_ports = get_set(object, "ExposedPorts");
  result.volumes = get_set(object, "Volumes");
  result.working_dir = get_string(object, "WorkingDir");
  result.labels = get_map(object, "Labels");
  result.stop_signal = get_string(object, "StopSignal");
  result.args_escaped = get_bool(object, "ArgsEscaped");
  result.on_build = get_strings(object, "OnBuild");
  result.shell = get_strings(object, "Shell");
  if (const Json* health = find(object, "Healthcheck")) {
    if (!health->is_object()) {
      refuse("member \"Healthcheck\" is no object");
    }
    result.healthcheck = get_healthcheck(*health);
  }
  result.extra_config =
      unknown_members(object, {"User",        "Env",       "Entrypoint", "Cmd",         "ExposedPorts", "Volumes",
                               "WorkingDir",  "Labels",    "StopSignal", "ArgsEscaped", "OnBuild",      "Shell",
                               "Healthcheck", "Hostname",  "Domainname", "AttachStdin", "AttachStdout", "AttachStderr",
                               "Tty",         "OpenStdin", "StdinOnce",  "Image"});
}

template <typename Text>
void put(Json& object, const char* name, const Text& text) {
  if (!text.empty()) {
    object[name] = text;
  }
}

void put(Json& object, const char* name, std::int64_t number) {
  if (number != 0) {
    object[name] = number;
  }
}

void put_set(Json& object, const char* name, const std::vector<std::string>& keys) {
  for (const auto& key : keys) {
    object[name][key] = Json::object();
  }
}

Json platform_json(const Platform& platform) {
  Json result = {{"architecture", platform.architecture}, {"os", platform.os}};
  put(result, "variant", platform.variant);
  return result;
}

Json descriptor_json(const Descriptor& descriptor) {
  Json result = {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
  put(result, "annotations", descriptor.annotations);
  put(result, "artifactType", descriptor.artifact_type);
  put(result, "data", descriptor.data);
  if (descriptor.platform) {
    result["platform"] = platform_json(*descriptor.platform);
  }
  return result;
}

Json descriptors_json(const std::vector<Descriptor>& descriptors) {
  Json result = Json::array();
  for (const auto& descriptor : descriptors) {
    result.push_back(descriptor_json(descriptor));
  }
  return result;
}

Json history_json(const History& entry) {
  Json result = Json::object();
  put(result, "created", entry.created);
  put(result, "created_by", entry.created_by);
  put(result, "author", entry.author);
  put(result, "comment", entry.comment);
  if (entry.empty_layer) {
    result["empty_layer"] = true;
  }
  return result;
}

Json healthcheck_json(const HealthCheck& health) {
  Json result = Json::object();
  put(result, "Test", health.test);
  put(result, "Interval", health.interval_ns);
  put(result, "Timeout", health.timeout_ns);
  put(result, "StartPeriod", health.start_period_ns);
  put(result, "StartInterval", health.start_interval_ns);
  put(result, "Retries", std::int64_t{health.retries});
  return result;
}

Json run_config_json(const ImageConfig& config) {
  Json result = config.extra_config.empty() ? Json::object() : parse_object(config.extra_config, "extra_config");
  put(result, "User", config.user);
  put(result, "Env", config.env);
  put(result, "Entrypoint", config.entrypoint.value_or(std::vector<std::string>{}));
  put(result, "Cmd", config.cmd.value_or(std::vector<std::string>{}));
  put_set(result, "ExposedPorts", config.exposed_ports);
  put_set(result, "Volumes", config.volumes);
  put(result, "WorkingDir", config.working_dir);
  put(result, "Labels", config.labels);
  put(result, "StopSignal", config.stop_signal);
  if (config.args_escaped) {
    result["ArgsEscaped"] = true;
  }
  put(result, "OnBuild", config.on_build);
  put(result, "Shell", config.shell);
  if (config.healthcheck) {
    result["Healthcheck"] = healthcheck_json(*config.healthcheck);
  }
  return result;
}

/// Text that is no UTF-8 (a Dockerfile may hold any bytes) gets U+FFFD, as Go's encoder does.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The document's own word on its type, checked against its members.
void check_type(const Json& json, std::string_view what, std::string& media_type, DocumentKind kind) {
  if (json.contains("layers") && json.contains("manifests")) {
    refuse(fmt::format("{} has both \"layers\" and \"manifests\"", what));
  }
  if (json.contains("fsLayers")) {
    throw Error(ErrorKind::unsupported, fmt::format("{} has Docker's old schema 1", what))
        .hint("ask the registry's owner to push the image again with a current tool");
  }
  if (get_integer(json, "schemaVersion", 0, std::numeric_limits<std::int64_t>::max()) != 2) {
    refuse(fmt::format("{} has no schemaVersion 2", what));
  }
  const auto declared = get_string(json, "mediaType");
  const bool good = kind == DocumentKind::manifest ? is_manifest_type(declared) : is_index_type(declared);
  if (!declared.empty() && !good) {
    refuse(fmt::format("{} says that its media type is \"{}\"", what, declared));
  }
  if (!declared.empty()) {
    media_type = declared;
  }
}

}  // namespace

std::string to_json(const ImageConfig& config) {
  Json result = config.extra.empty() ? Json::object() : parse_object(config.extra, "extra");
  result.update(platform_json(config.platform));
  put(result, "created", config.created);
  put(result, "author", config.author);
  put(result, "os.version", config.os_version);
  result["config"] = run_config_json(config);
  Json diff_ids = Json::array();
  for (const auto& diff_id : config.diff_ids) {
    diff_ids.push_back(diff_id.str());
  }
  result["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
  for (const auto& entry : config.history) {
    result["history"].push_back(history_json(entry));
  }
  return text_of(result);
}

std::string to_json(const Manifest& manifest) {
  Json result = {{"schemaVersion", 2},
                 {"mediaType", manifest.media_type},
                 {"config", descriptor_json(manifest.config)},
                 {"layers", descriptors_json(manifest.layers)}};
  put(result, "annotations", manifest.annotations);
  put(result, "artifactType", manifest.artifact_type);
  if (manifest.subject) {
    result["subject"] = descriptor_json(*manifest.subject);
  }
  return text_of(result);
}

std::string to_json(const Index& index) {
  Json result = {
      {"schemaVersion", 2}, {"mediaType", index.media_type}, {"manifests", descriptors_json(index.manifests)}};
  put(result, "annotations", index.annotations);
  return text_of(result);
}

ImageConfig parse_config(std::string_view json) {
  const Json object = parse_object(json, "image config");
  ImageConfig result;
  result.platform = get_platform(object);
  result.created = get_string(object, "created");
  result.author = get_string(object, "author");
  result.os_version = get_string(object, "os.version");
  if (const Json* config = find(object, "config")) {
    if (!config->is_object()) {
      refuse("member \"config\" of the image config is no object");
    }
    get_run_config(*config, result);
  }
  if (const Json* rootfs = find(object, "rootfs")) {
    if (!rootfs->is_object()) {
      refuse("member \"rootfs\" of the image config is no object");
    }
    if (const auto type = get_string(*rootfs, "type"); !type.empty() && type != "layers") {
      refuse(fmt::format("the rootfs of the image config has the unknown type \"{}\"", type));
    }
    for (const auto& diff_id : get_strings(*rootfs, "diff_ids")) {
      result.diff_ids.push_back(Digest::parse(diff_id));
    }
  }
  if (const Json* history = find(object, "history")) {
    if (!history->is_array()) {
      refuse("member \"history\" of the image config is no list");
    }
    std::transform(history->begin(), history->end(), std::back_inserter(result.history), get_history);
  }
  result.extra =
      unknown_members(object, {"architecture", "os", "variant", "created", "author", "os.version", "config", "rootfs",
                               "history", "id", "parent", "container", "container_config", "docker_version"});
  return result;
}

Manifest parse_manifest(std::string_view json) {
  const Json object = parse_object(json, "image manifest");
  Manifest result;
  check_type(object, "image manifest", result.media_type, DocumentKind::manifest);
  result.config = get_descriptor(require(object, "config", Json::value_t::object, "image manifest"), "the config");
  result.layers = get_descriptors(require(object, "layers", Json::value_t::array, "image manifest"), "a layer");
  result.annotations = get_map(object, "annotations");
  result.artifact_type = get_string(object, "artifactType");
  if (const Json* subject = find(object, "subject")) {
    result.subject = get_descriptor(*subject, "the subject");
  }
  return result;
}

Index parse_index(std::string_view json) {
  const Json object = parse_object(json, "image index");
  Index result;
  check_type(object, "image index", result.media_type, DocumentKind::index);
  result.manifests = get_descriptors(require(object, "manifests", Json::value_t::array, "image index"), "an entry");
  result.annotations = get_map(object, "annotations");
  return result;
}

DocumentKind document_kind(std::string_view json) {
  const Json object = parse_object(json, "image manifest");
  const auto declared = get_string(object, "mediaType");
  const bool is_index = declared.empty() ? object.contains("manifests") : is_index_type(declared);
  const auto kind = is_index ? DocumentKind::index : DocumentKind::manifest;
  std::string ignored;
  check_type(object, "image manifest", ignored, kind);
  if (!object.contains(is_index ? "manifests" : "layers")) {
    refuse("neither an image manifest nor an image index");
  }
  return kind;
}

}  // namespace dlc::oci
