#include "build/cache_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "build/output_spec.h"

namespace dlc::build {

namespace {

constexpr std::array<std::string_view, 4> kServices{"gha", "s3", "azblob", "inline"};
/// Keys of buildx that say how its cache is packed; ours is an OCI manifest over the layers as they are.
constexpr std::array<std::string_view, 6> kWithoutEffect{"oci-mediatypes",    "image-manifest", "compression",
                                                         "compression-level", "compat",         "force-compression"};

CacheSpec::Type parse_type(const std::string& option, const std::string& word) {
  if (word == "local") {
    return CacheSpec::Type::local;
  }
  if (word == "registry") {
    return CacheSpec::Type::registry;
  }
  if (word == "inline") {
    throw Error(ErrorKind::unsupported,
                option + ": type=inline is not there: an image's configuration carries no cache")
        .hint("use type=registry,ref=NAME beside the image, or type=local,dest=DIR");
  }
  const bool service = std::ranges::find(kServices, word) != kServices.end();
  throw Error(service ? ErrorKind::unsupported : ErrorKind::usage,
              fmt::format("{}: {} type={}", option, service ? "no support for" : "unknown", word))
      .hint(service ? "use type=local and let the service keep the directory, or type=registry"
                    : "one of local, registry");
}

bool is_true(const std::string& option, const std::string& key, const std::string& value) {
  if (value == "true" || value == "1" || value == "false" || value == "0") {
    return value == "true" || value == "1";
  }
  throw Error(ErrorKind::usage, fmt::format("{}: {}={} is neither true nor false", option, key, value));
}

void apply(CacheSpec& spec, const std::string& option, const std::string& key, const std::string& value) {
  const bool to = option == "--cache-to";
  if (key == (to ? "dest" : "src") || key == "ref") {
    spec.place = value;
  } else if (key == "tag") {
    spec.tag = value;
  } else if (key == "digest" && !to) {
    spec.digest = value;
  } else if (key == "mode" && to) {
    if (value != "min" && value != "max") {
      throw Error(ErrorKind::usage, fmt::format("{}: mode={} is not known: min or max", option, value));
    }
    spec.mode = value == "max" ? CacheSpec::Mode::max : CacheSpec::Mode::min;
  } else if (key == "ignore-error" && to) {
    spec.ignore_error = is_true(option, key, value);
  } else if (std::ranges::find(kWithoutEffect, key) == kWithoutEffect.end()) {
    throw Error(ErrorKind::usage, fmt::format("{}: unknown key {}", option, key));
  }
}

CacheSpec parse(const std::string& option, std::string_view text) {
  CacheSpec spec;
  const auto fields = split_csv(text);
  if (fields.size() == 1 && fields.front().find('=') == std::string::npos) {
    spec.type = CacheSpec::Type::registry;
    spec.place = fields.front();
  } else {
    std::string type;
    for (const auto& field : fields) {
      const auto equals = field.find('=');
      if (equals == std::string::npos || equals == 0) {
        throw Error(ErrorKind::usage, fmt::format("{}: {} must be written KEY=VALUE", option, field));
      }
      if (field.starts_with("type=")) {
        type = field.substr(equals + 1);
      }
    }
    if (type.empty()) {
      throw Error(ErrorKind::usage, option + " " + std::string(text) + ": type is missing")
          .hint("type=local or registry");
    }
    spec.type = parse_type(option, type);
    for (const auto& field : fields) {
      const auto equals = field.find('=');
      if (!field.starts_with("type=")) {
        apply(spec, option, field.substr(0, equals), field.substr(equals + 1));
      }
    }
  }
  if (spec.place.empty()) {
    const auto* key = spec.type == CacheSpec::Type::registry ? "ref=NAME"
                      : option == "--cache-to"               ? "dest=DIR"
                                                             : "src=DIR";
    throw Error(ErrorKind::usage, fmt::format("{} {}: {} is missing", option, text, key));
  }
  return spec;
}

}  // namespace

CacheSpec parse_cache_from(std::string_view text) {
  return parse("--cache-from", text);
}

CacheSpec parse_cache_to(std::string_view text) {
  return parse("--cache-to", text);
}

}  // namespace dlc::build
