#include "build/cdi.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "buildspec/document.h"

namespace dlc::build {

namespace fs = std::filesystem;

namespace {

using buildspec::Kind;
using buildspec::Node;

constexpr const char* kClass = "org.mobyproject.buildkit.device.class";
constexpr const char* kAutoAllow = "org.mobyproject.buildkit.device.autoallow";

/// A value of a CDI file; JSON is read as the YAML that it is.
class Value {
 public:
  explicit Value(const Node* node) : node_(node) {}

  [[nodiscard]] Value operator[](std::string_view key) const {
    const auto* entry = node_ != nullptr && node_->kind == Kind::mapping ? node_->find(key) : nullptr;
    return Value(entry != nullptr ? entry->value.node : nullptr);
  }
  [[nodiscard]] std::string text() const { return node_ != nullptr ? node_->text : std::string(); }
  [[nodiscard]] std::optional<std::uint32_t> number() const {
    const auto digits = text();
    if (digits.empty()) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc{} || result.ptr != digits.data() + digits.size()) {
      throw Error(ErrorKind::invalid, digits + " is no number");
    }
    return value;
  }
  void each(const std::function<void(const Value&)>& visit) const {
    if (node_ != nullptr && node_->kind == Kind::sequence) {
      std::ranges::for_each(node_->items, [&](const auto& use) { visit(Value(use.node)); });
    }
  }
  void each_entry(const std::function<void(const std::string&, const Value&)>& visit) const {
    if (node_ != nullptr && node_->kind == Kind::mapping) {
      std::ranges::for_each(node_->entries, [&](const auto& entry) { visit(entry.key, Value(entry.value.node)); });
    }
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> list;
    each([&](const Value& value) { list.push_back(value.text()); });
    return list;
  }

 private:
  const Node* node_;
};

CdiEdits read_edits(const Value& value) {
  CdiEdits result;
  auto& edits = result.device;
  edits.env = value["env"].texts();
  value["deviceNodes"].each([&](const Value& node) {
    edits.nodes.push_back({.path = node["path"].text(),
                           .host_path = node["hostPath"].text(),
                           .mode = node["fileMode"].number(),
                           .uid = node["uid"].number(),
                           .gid = node["gid"].number()});
  });
  value["mounts"].each([&](const Value& mount) {
    result.mounts.push_back({.host_path = mount["hostPath"].text(),
                             .container_path = mount["containerPath"].text(),
                             .type = mount["type"].text(),
                             .options = mount["options"].texts()});
  });
  value["hooks"].each([&](const Value& hook) {
    const auto timeout = hook["timeout"].number();
    edits.hooks.push_back({.name = hook["hookName"].text(),
                           .path = hook["path"].text(),
                           .args = hook["args"].texts(),
                           .env = hook["env"].texts(),
                           .timeout = timeout ? std::optional(static_cast<int>(*timeout)) : std::nullopt});
  });
  value["additionalGids"].each([&](const Value& group) { edits.groups.push_back(group.number().value_or(0)); });
  return result;
}

void read_annotations(const Value& value, std::map<std::string, std::string>& annotations) {
  value["annotations"].each_entry([&](const std::string& key, const Value& text) { annotations[key] = text.text(); });
}

/// "vendor.com/class": letters, digits, and - _ . inside.
bool is_kind(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && std::isalpha(static_cast<unsigned char>(part.front())) != 0 &&
           std::ranges::all_of(
               part, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
  };
  return slash != std::string_view::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

std::vector<CdiDevice> read_file_devices(const fs::path& file) {
  Diagnostics diagnostics;
  const auto document =
      buildspec::Document::parse(file.string(), read_file(file, buildspec::kMaxFileSize), {}, diagnostics);
  if (document->root() == nullptr) {
    throw Error(ErrorKind::invalid, diagnostics.all().empty() ? "it cannot be read" : diagnostics.all()[0].message);
  }
  const Value root(document->root());
  const auto kind = root["kind"].text();
  if (root["cdiVersion"].text().empty() || !is_kind(kind)) {
    throw Error(ErrorKind::invalid, "cdiVersion and kind (vendor/class) are wanted");
  }
  const auto spec_edits = read_edits(root["containerEdits"]);
  std::map<std::string, std::string> annotations;
  read_annotations(root, annotations);
  std::vector<CdiDevice> devices;
  root["devices"].each([&](const Value& value) {
    CdiDevice device{.kind = kind,
                     .name = value["name"].text(),
                     .annotations = annotations,
                     .edits = read_edits(value["containerEdits"]),
                     .spec_edits = spec_edits,
                     .file = file.string()};
    read_annotations(value, device.annotations);
    if (device.name.empty()) {
      throw Error(ErrorKind::invalid, "a device has no name");
    }
    devices.push_back(std::move(device));
  });
  return devices;
}

bool is_spec_file(const fs::path& file) {
  const auto extension = file.extension();
  return extension == ".json" || extension == ".yaml" || extension == ".yml";
}

}  // namespace

std::vector<fs::path> cdi_directories() {
  return {"/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"};
}

std::vector<CdiDevice> read_cdi(const std::vector<fs::path>& directories, std::vector<std::string>& problems) {
  std::map<std::string, CdiDevice> found;
  for (const auto& directory : directories) {
    std::error_code ignored;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
      if (is_spec_file(entry.path())) {
        files.push_back(entry.path());
      }
    }
    std::ranges::sort(files);
    for (const auto& file : files) {
      try {
        for (auto& device : read_file_devices(file)) {
          found.insert_or_assign(device.full_name(), std::move(device));
        }
      } catch (const Error& error) {
        problems.push_back(file.string() + ": " + error.what());
      }
    }
  }
  std::vector<CdiDevice> devices;
  for (auto& [name, device] : found) {
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<const CdiDevice*> match_cdi(const std::vector<CdiDevice>& devices, std::string_view name) {
  const auto equals = name.find('=');
  const auto kind = name.substr(0, equals);
  const auto wanted = equals == std::string_view::npos ? std::string_view() : name.substr(equals + 1);
  if (!is_kind(kind)) {
    throw Error(ErrorKind::invalid, "invalid device \"" + std::string(name) + "\"")
        .hint("write it vendor.com/class=name, as a file below /etc/cdi calls it");
  }
  std::vector<const CdiDevice*> matches;
  const auto add = [&](const auto& fits, bool one) {
    for (const auto& device : devices) {
      if (device.kind == kind && fits(device) && !(one && !matches.empty())) {
        matches.push_back(&device);
      }
    }
  };
  if (wanted.empty() || wanted == "*") {
    add([](const auto&) { return true; }, wanted.empty());
    return matches;
  }
  add([&](const auto& device) { return device.name == wanted; }, true);
  if (matches.empty()) {
    add(
        [&](const auto& device) {
          const auto group = device.annotations.find(kClass);
          return group != device.annotations.end() && group->second == wanted;
        },
        false);
  }
  return matches;
}

bool is_allowed_by_itself(const CdiDevice& device) {
  const auto found = device.annotations.find(kAutoAllow);
  return found != device.annotations.end() && (found->second == "true" || found->second == "1");
}

}  // namespace dlc::build
