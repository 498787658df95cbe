#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "contents/loader.h"
#include "verify/image_rule.h"

namespace dlc::verify {

void check_libraries(const Subject& subject, const Report& report) {
  const contents::Loader loader(subject.tree, subject.elf, subject.config.env);
  for (const auto& [path, names] : loader.missing()) {
    const auto* file = loader.elf_of(path);
    if (architecture_of(file->elf) == subject.config.platform.architecture) {  // others: check_architecture
      report(path, fmt::format("needs {}, which the loader does not find", fmt::join(names, ", ")));
    }
  }
  for (const auto& file : subject.elf) {
    if (!file.elf.interpreter.empty() && architecture_of(file.elf) == subject.config.platform.architecture &&
        subject.tree.file(file.elf.interpreter) == nullptr) {
      report(file.path, fmt::format("its loader {} is not there", file.elf.interpreter));
    }
  }
}

void check_architecture(const Subject& subject, const Report& report) {
  for (const auto& file : subject.elf) {
    const auto architecture = architecture_of(file.elf);
    const bool usual =
        std::ranges::any_of(std::initializer_list<std::string_view>{"bin/", "sbin/", "usr/bin/", "usr/sbin/",
                                                                    "usr/lib/", "usr/local/", "lib/", "opt/"},
                            [&](auto directory) { return file.path.starts_with(directory); });
    if (usual && file.elf.dynamic && architecture != subject.config.platform.architecture) {
      report(file.path,
             fmt::format("is for {}, the image for {}", architecture.empty() ? "another machine" : architecture,
                         subject.config.platform.architecture));
    }
  }
}

void check_reference_blas(const Subject& subject, const Report& report) {
  const contents::Loader loader(subject.tree, subject.elf, subject.config.env);
  std::map<std::string, std::pair<std::string, std::size_t>> found;  // library -> first user, users
  for (const auto& file : subject.elf) {
    for (const auto& name : file.elf.needed) {
      if (name != "libblas.so.3" && name != "libcblas.so.3") {
        continue;
      }
      // Debian's reference library lies in .../blas/ and needs nothing but libc, libm and libgfortran; OpenBLAS, ATLAS
      // and MKL stand in under the same name from directories of their own.
      const auto library = loader.find(file, name);
      if (library && library->find("/blas/libblas.so.3") != std::string::npos) {
        auto& users = found[*library];
        users.first = users.second++ == 0 ? file.path : users.first;
      }
    }
  }
  for (const auto& [library, users] : found) {
    report(library, fmt::format("the reference BLAS is used by /{}{}; install libopenblas0-pthread", users.first,
                                users.second > 1 ? fmt::format(" and {} more", users.second - 1) : ""));
  }
}

}  // namespace dlc::verify
