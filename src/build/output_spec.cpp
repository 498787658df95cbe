#include "build/output_spec.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace dlc::build {

namespace {

struct TypeName {
  std::string_view word;
  OutputType type;
};
constexpr std::array kTypes{TypeName{"image", OutputType::image},   TypeName{"oci", OutputType::oci},
                            TypeName{"docker", OutputType::docker}, TypeName{"tar", OutputType::tar},
                            TypeName{"local", OutputType::local},   TypeName{"cacheonly", OutputType::cacheonly},
                            TypeName{"registry", OutputType::image}};

/// Keys of buildx that change nothing here.
constexpr std::array<std::string_view, 8> kWithoutEffect{"unpack",    "name-canonical",     "dangling-name-prefix",
                                                         "buildinfo", "attestation-prefix", "mode",
                                                         "context",   "danglingnameprefix"};

[[noreturn]] void fail(std::string message, std::string hint = {}) {
  throw Error(ErrorKind::usage, "--output: " + std::move(message)).hint(std::move(hint));
}

OutputType parse_type(const std::string& word) {
  for (const auto& name : kTypes) {
    if (name.word == word) {
      return name.type;
    }
  }
  fail("unknown type " + word, "one of image, registry, oci, docker, tar, local, cacheonly");
}

bool parse_bool(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1" || value.empty()) {
    return true;
  }
  if (value == "false" || value == "0") {
    return false;
  }
  fail(fmt::format("{}={} is neither true nor false", key, value));
}

codec::Compression parse_kind(const std::string& value) {
  if (value == "gzip") {
    return codec::Compression::gzip;
  }
  if (value == "zstd") {
    return codec::Compression::zstd;
  }
  if (value == "uncompressed" || value == "none") {
    return codec::Compression::none;
  }
  if (value == "estargz") {
    throw Error(ErrorKind::unsupported, "--output: compression=estargz is not made here")
        .hint("zstd packs better and faster; gzip is read by everything");
  }
  fail("unknown compression " + value, "one of gzip, zstd, uncompressed");
}

codec::CompressionOptions& compression_of(OutputSpec& spec) {
  if (!spec.compression) {
    spec.compression.emplace();
  }
  return *spec.compression;
}

void check_level(const codec::CompressionOptions& options) {
  const int most = options.kind == codec::Compression::zstd ? 22 : options.kind == codec::Compression::gzip ? 9 : 0;
  if (options.level < 0 || options.level > most) {
    fail(fmt::format("compression-level={} is out of range", options.level),
         most == 0 ? "uncompressed layers have no level" : fmt::format("from 0 to {}", most));
  }
}

void read_level(OutputSpec& spec, const std::string& value) {
  auto& level = compression_of(spec).level;
  const auto result = std::from_chars(value.data(), value.data() + value.size(), level);
  if (value.empty() || result.ec != std::errc{} || result.ptr != value.data() + value.size()) {
    fail("compression-level=" + value + " is no number");
  }
}

bool* switch_of(OutputSpec& spec, const std::string& key) {
  const std::array<std::pair<std::string_view, bool*>, 8> switches{{{"tar", &spec.tar},
                                                                    {"force-compression", &spec.force_compression},
                                                                    {"oci-mediatypes", &spec.oci_media_types},
                                                                    {"rewrite-timestamp", &spec.rewrite_timestamp},
                                                                    {"push", &spec.push},
                                                                    {"push-by-digest", &spec.push_by_digest},
                                                                    {"registry.insecure", &spec.insecure},
                                                                    {"store", &spec.store}}};
  const auto found = std::ranges::find(switches, key, [](const auto& entry) { return entry.first; });
  return found == switches.end() ? nullptr : found->second;
}

void add_annotation(OutputSpec& spec, const std::string& key, const std::string& value) {
  constexpr std::string_view kWord = "annotation";
  const auto dot = key.find('.');
  auto level = key.substr(kWord.size(), dot - kWord.size());  // "", "-index", "[linux/amd64]", "-manifest[...]"
  level = level.starts_with('-') ? level.substr(1) : "manifest" + level;
  auto annotations = parse_annotation(level + ":" + key.substr(dot + 1), value);
  spec.annotations.insert(spec.annotations.end(), annotations.begin(), annotations.end());
}

void apply(OutputSpec& spec, const std::string& key, const std::string& value) {
  if (bool* flag = switch_of(spec, key)) {
    *flag = parse_bool(key, value);
  } else if (key == "type") {
    spec.type = parse_type(value);
    spec.push = spec.push || value == "registry";
  } else if (key == "dest") {
    spec.dest = value;
  } else if (key == "name") {
    const auto names = split_csv(value);
    spec.names.insert(spec.names.end(), names.begin(), names.end());
  } else if (key == "compression") {
    compression_of(spec).kind = parse_kind(value);
  } else if (key == "compression-level") {
    read_level(spec, value);
  } else if (key == "platform-split") {
    spec.platform_split = parse_bool(key, value);
  } else if (key.starts_with("annotation") && key.find('.') != std::string::npos) {
    add_annotation(spec, key, value);
  } else if (std::ranges::find(kWithoutEffect, key) == kWithoutEffect.end()) {
    fail("unknown key " + key);
  }
}

void check_destination(const OutputSpec& spec) {
  const bool is_directory = spec.type == OutputType::local || (names_image(spec.type) && !spec.tar);
  if (is_directory && (spec.dest.empty() || spec.dest == "-")) {
    fail("dest=DIR is missing");
  }
  if (is_stream(spec) && ::isatty(STDOUT_FILENO) == 1) {
    fail("dest file is required; refusing to write a tar to the terminal");
  }
}

Annotation::Level parse_level(std::string_view word) {
  if (word == "manifest") {
    return Annotation::Level::manifest;
  }
  if (word == "index") {
    return Annotation::Level::index;
  }
  if (word == "manifest-descriptor") {
    return Annotation::Level::manifest_descriptor;
  }
  if (word == "index-descriptor") {
    return Annotation::Level::index_descriptor;
  }
  throw Error(ErrorKind::usage, fmt::format("unknown annotation type \"{}\"", word))
      .hint("one of manifest, index, manifest-descriptor, index-descriptor");
}

}  // namespace

bool names_image(OutputType type) {
  return type == OutputType::image || type == OutputType::oci || type == OutputType::docker;
}

bool is_stream(const OutputSpec& spec) {
  const bool archive = (spec.type == OutputType::oci || spec.type == OutputType::docker) && spec.tar;
  return (archive || spec.type == OutputType::tar) && (spec.dest.empty() || spec.dest == "-");
}

std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> fields{""};
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      if (quoted && i + 1 < text.size() && text[i + 1] == '"') {
        fields.back() += c;
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

std::vector<Annotation> parse_annotation(const std::string& key, const std::string& value) {
  const auto colon = key.find(':');
  if (colon == std::string::npos) {
    return {{.level = Annotation::Level::manifest, .platform = std::nullopt, .key = key, .value = value}};
  }
  std::vector<Annotation> annotations;
  for (const auto& type : split_csv(key.substr(0, colon))) {
    const auto bracket = type.find('[');
    std::optional<oci::Platform> platform;
    if (bracket != std::string::npos) {
      if (!type.ends_with(']')) {
        throw Error(ErrorKind::usage, fmt::format("annotation type \"{}\": the closing ] is missing", type));
      }
      platform = oci::parse_platform(type.substr(bracket + 1, type.size() - bracket - 2));
    }
    annotations.push_back({.level = parse_level(std::string_view(type).substr(0, bracket)),
                           .platform = std::move(platform),
                           .key = key.substr(colon + 1),
                           .value = value});
  }
  return annotations;
}

OutputSpec parse_output(std::string_view text) {
  OutputSpec spec;
  if (text == "-") {
    spec.type = OutputType::tar;
    spec.dest = "-";
    check_destination(spec);
    return spec;
  }
  if (text.find('=') == std::string_view::npos) {
    spec.type = OutputType::local;
    spec.dest = text;
    return spec;
  }
  for (const auto& field : split_csv(text)) {
    const auto equals = field.find('=');
    apply(spec, field.substr(0, equals), equals == std::string::npos ? std::string() : field.substr(equals + 1));
  }
  if (spec.compression) {
    check_level(*spec.compression);
  }
  if (spec.type != OutputType::image && spec.type != OutputType::cacheonly) {
    check_destination(spec);
  }
  return spec;
}

}  // namespace dlc::build
