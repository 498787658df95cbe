#include "contents/packages.h"

#include <algorithm>
#include <tuple>

#include "contents/text_lines.h"

namespace dlc::contents {

namespace {

constexpr std::string_view kDpkg = "var/lib/dpkg";

/// The names after "License:" in a DEP-5 copyright file, those joined by and/or apart.
std::vector<std::string> dep5_licenses(std::string_view text) {
  std::set<std::string> found;
  if (!text.starts_with("Format:")) {
    return {};
  }
  for (const auto line : lines_of(text)) {
    if (!lower(line.substr(0, 8)).starts_with("license:")) {
      continue;
    }
    auto rest = std::string(trim(line.substr(8)));
    for (const std::string_view word : {" and/or ", " and ", " or ", ", "}) {
      rest = replaced(rest, {word}, "|");
    }
    for (const auto name : split(rest, "|")) {
      if (!trim(name).empty()) {
        found.emplace(trim(name));
      }
    }
  }
  return {found.begin(), found.end()};
}

void add_debian(const ImageTree& tree, const Fields& fields, bool needs_status, std::vector<DebianPackage>& found) {
  DebianPackage package;
  package.name = field(fields, "Package");
  package.version = field(fields, "Version");
  if (package.name.empty() || package.version.empty() ||
      (needs_status && !field(fields, "Status").ends_with(" installed"))) {
    return;
  }
  package.architecture = field(fields, "Architecture");
  package.maintainer = field(fields, "Maintainer");
  package.homepage = field(fields, "Homepage");
  const auto source = field(fields, "Source");  // "name" or "name (version)"
  const auto open = source.find(" (");
  package.source = source.empty() ? package.name : source.substr(0, open);
  package.source_version =
      open == std::string::npos ? package.version : source.substr(open + 2, source.find(')', open) - open - 2);
  if (const auto text = tree.read("usr/share/doc/" + package.name + "/copyright", 4U << 20)) {
    package.has_copyright = true;
    package.licenses = dep5_licenses(*text);
  }
  found.push_back(std::move(package));
}

std::string join_classifiers(const Fields& fields) {
  constexpr std::string_view kPrefix = "License :: ";
  std::string result;
  for (const auto& value : all_fields(fields, "Classifier")) {
    if (value.starts_with(kPrefix)) {
      const auto name = value.substr(value.rfind(":: ") + 3);
      result += (result.empty() ? "" : " AND ") + name;
    }
  }
  return result;
}

std::string license_of(const Fields& fields) {
  constexpr std::size_t kLongest = 100;  // some projects put the whole text there
  if (auto expression = field(fields, "License-Expression"); !expression.empty()) {
    return expression;
  }
  const auto text = field(fields, "License");
  if (!text.empty() && text != "UNKNOWN" && text.size() <= kLongest && text.find('\n') == std::string::npos) {
    return text;
  }
  auto classifiers = join_classifiers(fields);
  return !classifiers.empty() || text.empty() || text == "UNKNOWN" ? classifiers : std::string(lines_of(text).front());
}

/// The first field of a line of CSV.
std::string first_csv(std::string_view line) {
  if (!line.starts_with('"')) {
    return std::string(line.substr(0, line.find(',')));
  }
  std::string text;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '"' && (i + 1 >= line.size() || line[++i] != '"')) {
      break;
    }
    text += line[i];
  }
  return text;
}

void read_files(const ImageTree& tree, PythonPackage& package) {
  const auto add_all = [&](const std::string& list, const std::string& base) {
    const auto text = tree.read(package.place + "/" + list, 64U << 20);
    for (const auto line : text ? lines_of(*text) : std::vector<std::string_view>()) {
      if (const auto name = first_csv(line); !name.empty()) {
        package.files.push_back(name.starts_with('/') ? clean_path(name) : clean_path(base + "/" + name));
      }
    }
  };
  add_all("RECORD", package.site());
  if (package.files.empty()) {
    add_all("installed-files.txt", package.place);
  }
}

bool looks_like_licence(std::string_view path) {
  const auto name = lower(base_name(path));
  return name.starts_with("licen") || name.starts_with("copying") || name.starts_with("notice");
}

void add_python(const ImageTree& tree, const std::string& place, const std::string& metadata,
                std::vector<PythonPackage>& found) {
  const auto text = tree.read(metadata, 8U << 20);
  if (!text) {
    return;
  }
  std::string_view rest = *text;
  const auto fields = next_fields(rest);
  PythonPackage package;
  package.name = field(fields, "Name");
  package.version = field(fields, "Version");
  if (package.name.empty() || package.version.empty()) {
    return;
  }
  package.place = place;
  package.metadata = metadata;
  package.requires_dist = all_fields(fields, "Requires-Dist");
  package.requires_python = field(fields, "Requires-Python");
  package.license = license_of(fields);
  read_files(tree, package);
  const auto below = place + "/";
  for (auto at = tree.nodes().lower_bound(below); at != tree.nodes().end() && at->first.starts_with(below); ++at) {
    if (at->second.entry.type == 'f' && (looks_like_licence(at->first) || at->first.starts_with(below + "licenses/"))) {
      package.license_files.push_back(at->first);
    }
  }
  for (const auto& path : package.files) {
    if (looks_like_licence(path) && !path.starts_with(below) && tree.file(path) != nullptr) {
      package.license_files.push_back(path);
    }
  }
  found.push_back(std::move(package));
}

}  // namespace

std::vector<DebianPackage> debian_packages(const ImageTree& tree) {
  std::vector<DebianPackage> found;
  const auto status = tree.read(std::string(kDpkg) + "/status");
  for (std::string_view rest = status ? std::string_view(*status) : ""; !rest.empty();) {
    add_debian(tree, next_fields(rest), true, found);
  }
  for (const auto& path : tree.list(std::string(kDpkg) + "/status.d")) {
    const auto text = path.ends_with(".md5sums") ? std::nullopt : tree.read(path);
    if (std::string_view rest = text ? std::string_view(*text) : ""; !rest.empty()) {
      add_debian(tree, next_fields(rest), false, found);
    }
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return std::tie(a.name, a.architecture) < std::tie(b.name, b.architecture);
  });
  return found;
}

std::set<std::string, std::less<>> debian_files(const ImageTree& tree) {
  std::set<std::string, std::less<>> owned;
  std::map<std::string, std::string, std::less<>> directories;  // as listed -> with links followed
  const auto add = [&](std::string_view listed) {
    const auto path = clean_path(listed);
    const std::string directory(directory_of(path));
    auto known = directories.find(directory);
    if (known == directories.end()) {
      known = directories.emplace(directory, tree.resolve(directory).value_or(directory)).first;
    }
    owned.insert(known->second + (known->second.empty() ? "" : "/") + std::string(base_name(path)));
  };
  for (const auto& path : tree.list(std::string(kDpkg) + "/info")) {
    const auto text = path.ends_with(".list") ? tree.read(path) : std::nullopt;
    for (const auto line : text ? lines_of(*text) : std::vector<std::string_view>()) {
      add(line);
    }
  }
  for (const auto& path : tree.list(std::string(kDpkg) + "/status.d")) {
    const auto text = path.ends_with(".md5sums") ? tree.read(path) : std::nullopt;
    for (const auto line : text ? lines_of(*text) : std::vector<std::string_view>()) {
      if (const auto blank = line.find("  "); blank != std::string_view::npos) {
        add(line.substr(blank + 2));
      }
    }
  }
  return owned;
}

std::vector<PythonPackage> python_packages(const ImageTree& tree) {
  std::vector<PythonPackage> found;
  for (const auto& [path, node] : tree.nodes()) {
    const bool directory = node.entry.type == 'd';
    const auto site = base_name(directory_of(path));
    if ((site != "site-packages" && site != "dist-packages") || (!directory && node.entry.type != 'f')) {
      continue;
    }
    if (path.ends_with(".dist-info") && directory) {
      add_python(tree, path, path + "/METADATA", found);
    } else if (path.ends_with(".egg-info")) {
      add_python(tree, path, directory ? path + "/PKG-INFO" : path, found);
    }
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return std::tuple(a.site(), normalized_name(a.name), a.version) <
           std::tuple(b.site(), normalized_name(b.name), b.version);
  });
  return found;
}

std::string normalized_name(std::string_view name) {
  std::string result;
  for (const char c : lower(trim(name))) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (!separator || result.empty() || result.back() != '-') {
      result += separator ? '-' : c;
    }
  }
  return result;
}

}  // namespace dlc::contents
