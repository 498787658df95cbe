#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "contents/bytecode.h"
#include "contents/python_requirement.h"
#include "contents/python_version.h"
#include "verify/image_rule.h"

namespace dlc::verify {

namespace {

using contents::PythonPackage;

/// "3.11" of ".../python3.11/site-packages"; Debian's dist-packages without a number belong to the python3 of the
/// image.
std::string python_of(const contents::ImageTree& tree, std::string_view site) {
  constexpr std::string_view kPython = "python3.";
  auto at = site.rfind(kPython);
  std::string path(site);
  if (at == std::string_view::npos) {
    path = tree.resolve("usr/bin/python3").value_or("");
    at = path.rfind(kPython);
  }
  if (at == std::string::npos) {
    return "";
  }
  const auto end = path.find_first_not_of("0123456789", at + kPython.size());
  return "3." + path.substr(at + kPython.size(), end == std::string::npos ? end : end - at - kPython.size());
}

/// The packages that one Python sees: by version of Python, except that a virtual environment sees its own only.
std::string environment_of(const contents::ImageTree& tree, const PythonPackage& package) {
  const auto lib = package.site().rfind("/lib/python");
  const auto prefix = lib == std::string::npos ? std::string() : package.site().substr(0, lib);
  const bool isolated = !prefix.empty() && tree.find(prefix + "/pyvenv.cfg") != nullptr;
  return python_of(tree, package.site()) + (isolated ? " " + prefix : "");
}

class Dependencies {
 public:
  Dependencies(const std::vector<const PythonPackage*>& packages, contents::MarkerEnvironment environment,
               const Report& report)
      : environment_(std::move(environment)), report_(report) {
    for (const auto* package : packages) {
      // The first on the path counts: /usr/local before Debian's own.
      auto& known = installed_[contents::normalized_name(package->name)];
      if (known == nullptr || (package->site().starts_with("usr/local/") && !known->site().starts_with("usr/local/"))) {
        known = package;
      }
    }
  }

  void check() {
    for (const auto& [name, package] : installed_) {
      check_python(*package);
      check(*package, "");
    }
  }

 private:
  void check_python(const PythonPackage& package) {
    const auto& version = environment_.at("python_version");
    // Only major and minor are known: the last patch release of the minor stands for all of them.
    if (!package.requires_python.empty() && !contents::allows(package.requires_python, version + ".999") &&
        !contents::allows(package.requires_python, version)) {
      report_(package.metadata, fmt::format("{} {} requires python {}, this is {}", package.name, package.version,
                                            package.requires_python, version));
    }
  }

  /// The requirements that come with one extra ("": those without).
  void check(const PythonPackage& package, const std::string& extra) {
    if (!done_.emplace(&package, extra).second) {
      return;
    }
    for (const auto& text : package.requires_dist) {
      const auto requirement = contents::parse_requirement(text);
      auto environment = environment_;
      environment["extra"] = extra;
      const auto holds = requirement ? contents::evaluate_marker(requirement->marker, environment) : std::nullopt;
      if (!holds) {
        report_(package.metadata,
                fmt::format("{} {} has a malformed requirement: {}", package.name, package.version, text));
      } else if (*holds) {
        check(package, *requirement);
      }
    }
  }

  void check(const PythonPackage& package, const contents::PythonRequirement& requirement) {
    const auto found = installed_.find(requirement.name);
    if (found == installed_.end()) {
      report_(package.metadata, fmt::format("{} {} requires {}{}, which is not installed", package.name,
                                            package.version, requirement.name, requirement.specifiers));
    } else if (!contents::allows(requirement.specifiers, found->second->version)) {
      report_(package.metadata, fmt::format("{} {} requires {}{}, but {} is installed", package.name, package.version,
                                            requirement.name, requirement.specifiers, found->second->version));
    } else {
      for (const auto& extra : requirement.extras) {
        check(*found->second, extra);
      }
    }
  }

  std::map<std::string, const PythonPackage*> installed_;
  contents::MarkerEnvironment environment_;
  const Report& report_;
  std::set<std::pair<const PythonPackage*, std::string>> done_;
};

std::string fault_of_bytecode(const contents::ImageTree& tree, const contents::Node& node, const std::string& source) {
  const auto* original = tree.file(source);
  if (original == nullptr) {
    return "its source " + ("/" + source) + " is not there, so it is never used";
  }
  const auto header = contents::parse_bytecode(tree.read(node, 0, 16));
  if (!header) {
    return "is no compiled Python";
  }
  if (header->flags == 0) {
    const bool fits = header->size == static_cast<std::uint32_t>(original->entry.size) &&
                      header->mtime == static_cast<std::uint32_t>(original->entry.mtime);
    return fits ? "" : "is of another time or size than its source: each import compiles anew";
  }
  const auto hash = contents::source_hash(tree.read(*original, 0, original->entry.size), header->magic);
  return hash == header->hash ? "" : "is of another source than the one beside it";
}

/// What images leave out on purpose without editing metadata: see docs/image-check.md.
bool may_be_removed(std::string_view path) {
  for (const char* part : {"/tests/", "/test/", "/testing/", "/include/", "/__pycache__/", "/docs/", "/doc/", "/man/",
                           "/examples/", "/cmake/", "/pkgconfig/", "/share/"}) {
    if (path.find(part) != std::string_view::npos) {
      return true;
    }
  }
  return std::ranges::any_of(std::initializer_list<std::string_view>{".pyc", ".pyi", ".h", ".hpp", ".a", ".c", ".cc",
                                                                     ".cpp", "_test.py", ".exe", ".cu", ".cuh", ".pyx",
                                                                     ".pxd", ".cmake", ".md", ".rst", ".txt", ".proto"},
                             [&](auto ending) { return path.ends_with(ending); });
}

}  // namespace

void check_python_dependencies(const Subject& subject, const Report& report) {
  std::map<std::string, std::vector<const PythonPackage*>> environments;
  for (const auto& package : subject.python) {
    environments[environment_of(subject.tree, package)].push_back(&package);
  }
  for (const auto& [name, packages] : environments) {
    const auto version = python_of(subject.tree, packages.front()->site());
    if (!version.empty()) {
      Dependencies(packages, contents::linux_cpython(version, subject.config.platform.architecture), report).check();
    }
  }
}

void check_bytecode(const Subject& subject, const Report& report) {
  for (const auto& [path, node] : subject.tree.nodes()) {
    const auto source = node.entry.type == 'f' ? contents::source_of_bytecode(path) : std::string();
    if (!source.empty()) {
      if (auto fault = fault_of_bytecode(subject.tree, node, source); !fault.empty()) {
        report(path, std::move(fault));
      }
    }
  }
}

void check_python_files(const Subject& subject, const Report& report) {
  for (const auto& package : subject.python) {
    if (subject.debian_files.contains(package.metadata)) {  // Debian puts the files elsewhere than RECORD says
      continue;
    }
    std::size_t count = 0;
    std::string first;
    for (const auto& path : package.files) {
      if (!may_be_removed("/" + path) && !subject.tree.resolve(path)) {
        first = count++ == 0 ? path : first;
      }
    }
    if (count > 0) {
      report(package.metadata, fmt::format("{} {} lists files that are not there ({} of them), such as /{}",
                                           package.name, package.version, count, first));
    }
  }
}

}  // namespace dlc::verify
