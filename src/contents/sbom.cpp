#include "contents/sbom.h"

#include <algorithm>

#include "contents/text_lines.h"

namespace dlc::contents {

namespace {

std::string distribution_of(const ImageTree& tree) {
  const auto text = tree.read("etc/os-release", 1U << 16);
  std::string id;
  std::string version;
  for (const auto line : text ? lines_of(std::string_view(*text)) : std::vector<std::string_view>()) {
    const auto value = replaced(std::string(line.substr(std::min(line.size(), line.find('=') + 1))), {"\"", "'"}, "");
    if (line.starts_with("ID=")) {
      id = value;
    } else if (line.starts_with("VERSION_ID=")) {
      version = value;
    }
  }
  return id.empty() || version.empty() ? id : id + "-" + version;
}

}  // namespace

SbomSubject read_sbom(const ImageTree& tree, std::string name, std::string digest, std::string created,
                      std::string architecture) {
  SbomSubject subject;
  subject.name = std::move(name);
  subject.digest = std::move(digest);
  subject.created = std::move(created);
  subject.architecture = std::move(architecture);
  subject.distribution = distribution_of(tree);
  subject.debian = debian_packages(tree);
  auto owned = debian_files(tree);
  for (auto& package : python_packages(tree)) {
    owned.insert(package.files.begin(), package.files.end());
    if (!owned.contains(package.metadata) || !package.files.empty()) {
      subject.python.push_back(std::move(package));
    }
  }
  for (const auto& file : find_elf_files(tree)) {
    if (!owned.contains(file.path) && file.fault != ElfFault::no_header) {
      subject.files.push_back({file.path, tree.find(file.path)->entry.content.hex(), file.elf.soname});
    }
  }
  return subject;
}

}  // namespace dlc::contents
