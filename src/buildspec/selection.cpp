#include "buildspec/selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "base/suggest.h"

namespace dlc::buildspec {

namespace {

const std::vector<std::string> kDeviceTypes{"cpu", "gpu", "eia", "inf", "hpu", "neuron", "neuronx"};
const std::vector<std::string> kImageTypes{"training", "inference"};
const std::vector<std::string> kPyVersions{"py2", "py3", "py36"};
const std::set<std::string> kAllSuites{"ec2", "ecs", "eks", "sagemaker"};

void check_values(std::string_view option, const std::vector<std::string>& values,
                  const std::vector<std::string>& known) {
  for (const auto& value : values) {
    if (std::find(known.begin(), known.end(), value) != known.end()) {
      continue;
    }
    const auto similar = closest(value, known);
    throw Error(ErrorKind::usage, fmt::format("{}: unknown value \"{}\"", option, value))
        .hint(fmt::format("{}valid values: {}", similar.empty() ? "" : fmt::format("did you mean {}? ", similar),
                          fmt::join(known, ", ")));
  }
}

std::set<std::string> set_of(const std::vector<std::string>& values, const std::vector<std::string>& known) {
  const auto& chosen = values.empty() ? known : values;
  return {chosen.begin(), chosen.end()};
}

Combination everything(std::set<std::string> suites) {
  return {set_of({}, kDeviceTypes), set_of({}, kImageTypes), set_of({}, kPyVersions), std::move(suites)};
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return parts;
}

/// The path below the framework's directory: `mxnet/` or, for huggingface_pytorch, `huggingface/pytorch/` too.
std::optional<std::string_view> below(std::string_view path, std::string_view framework) {
  std::string directory(framework);
  for (int i = 0; i < 2; ++i) {
    if (path.starts_with(directory + "/")) {
      return path.substr(directory.size() + 1);
    }
    const auto underscore = directory.find('_');
    if (underscore == std::string::npos) {
      break;
    }
    directory[underscore] = '/';
  }
  return std::nullopt;
}

/// training/docker/1.9.1/py3/[cu101/]Dockerfile.gpu
std::optional<Combination> of_dockerfile(const std::vector<std::string_view>& parts) {
  constexpr std::size_t kPython = 3;
  const std::string_view name = parts.back();
  if (parts.size() <= kPython + 1 || !name.starts_with("Dockerfile.")) {
    return std::nullopt;
  }
  const std::string device(name.substr(name.rfind('.') + 1));
  return Combination{{device}, {std::string(parts[0])}, {std::string(parts[kPython])}, kAllSuites};
}

std::optional<Combination> of_framework_file(std::string_view path) {
  const auto parts = split_path(path);
  if (parts.empty()) {
    return std::nullopt;
  }
  if (parts.back().starts_with("buildspec") && parts.back().ends_with(".yml")) {
    return everything(kAllSuites);
  }
  return of_dockerfile(parts);
}

/// A file of the tests: below test/sagemaker_tests/FRAMEWORK/TYPE, test/dlc_tests/SUITE/FRAMEWORK/TYPE, or shared.
std::optional<Combination> of_test_file(std::string_view path, std::string_view framework) {
  const auto suite_of = [&](std::string_view rest, std::set<std::string> suites) -> std::optional<Combination> {
    const auto inner = below(rest, framework);
    if (!inner) {
      return std::nullopt;
    }
    const auto parts = split_path(*inner);
    auto combination = everything(std::move(suites));
    if (!parts.empty() && combination.image_types.count(std::string(parts[0])) != 0) {
      combination.image_types = {std::string(parts[0])};
    }
    return combination;
  };
  const auto parts = split_path(path);
  if (parts.size() < 3 || (parts[1] != "sagemaker_tests" && parts[1] != "dlc_tests")) {
    return everything(kAllSuites);
  }
  const bool sagemaker = parts[1] == "sagemaker_tests";
  auto rest = path.substr(parts[0].size() + parts[1].size() + 2);
  if (sagemaker) {
    const bool of_some_framework = parts.size() > 4;
    const auto found = suite_of(rest, {"sagemaker"});
    return found || of_some_framework ? found : everything({"sagemaker"});
  }
  const std::string suite(parts[2]);
  if ((suite == "ec2" || suite == "ecs" || suite == "eks") && parts.size() > 4) {
    return suite_of(rest.substr(suite.size() + 1), {suite});
  }
  return everything({"ec2", "ecs", "eks"});
}

Choice of_changed_files(const std::vector<std::string>& files, std::string_view framework) {
  Choice choice;
  for (const std::string_view path : files) {
    std::optional<Combination> found;
    if (const auto inner = below(path, framework)) {
      found = of_framework_file(*inner);
    } else if (path.starts_with("src/") || path == "testspec.yml") {
      found = everything(kAllSuites);
    } else if (path.starts_with("test/")) {
      found = of_test_file(path, framework);
    }
    if (found) {
      choice.combinations.push_back(std::move(*found));
    }
  }
  return choice;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

template <class Member>
std::set<std::string> united(const std::vector<Combination>& combinations, Member member,
                             const std::vector<std::string>& known) {
  std::set<std::string> values;
  for (const auto& combination : combinations) {
    for (const auto& value : combination.*member) {
      if (std::find(known.begin(), known.end(), value) != known.end()) {
        values.insert(value);
      }
    }
  }
  return values;
}

}  // namespace

std::span<const std::string> known_device_types() {
  return kDeviceTypes;
}
std::span<const std::string> known_image_types() {
  return kImageTypes;
}
std::span<const std::string> known_py_versions() {
  return kPyVersions;
}

std::string selection_variable(std::string_view framework, std::string_view device_type, std::string_view image_type,
                               std::string_view py_version) {
  return fmt::format("{}_{}_{}_{}", upper(framework), upper(device_type), upper(image_type), upper(py_version));
}

bool Combination::covers(const PlannedImage& image) const {
  return device_types.count(image.device_type) != 0 && image_types.count(image.image_type) != 0 &&
         py_versions.count(image.python_version) != 0;
}

std::vector<std::string> Choice::variables(std::string_view framework) const {
  std::vector<std::string> names;
  const auto devices = united(combinations, &Combination::device_types, kDeviceTypes);
  const auto types = united(combinations, &Combination::image_types, kImageTypes);
  const auto pythons = united(combinations, &Combination::py_versions, kPyVersions);
  for (const auto& device : devices) {
    for (const auto& type : types) {
      for (const auto& python : pythons) {
        names.push_back(selection_variable(framework, device, type, python));
      }
    }
  }
  return names;
}

void check_selection(const ResolveOptions& options) {
  check_values("--device_types", options.device_types, kDeviceTypes);
  check_values("--image_types", options.image_types, kImageTypes);
  check_values("--py_versions", options.py_versions, kPyVersions);
}

Choice choose(const ResolveOptions& options, std::string_view framework) {
  const auto context = options.environment.find("BUILD_CONTEXT");
  const bool pull_request = context != options.environment.end() && context->second == "PR";
  if (pull_request && options.changed_files) {
    return of_changed_files(*options.changed_files, framework);
  }
  Combination chosen{set_of(options.device_types, kDeviceTypes),
                     set_of(options.image_types, kImageTypes),
                     set_of(options.py_versions, kPyVersions),
                     {}};
  if (pull_request) {
    chosen.suites = kAllSuites;
  }
  return {{std::move(chosen)}};
}

}  // namespace dlc::buildspec
