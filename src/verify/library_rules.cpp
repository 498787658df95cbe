#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "contents/loader.h"
#include "verify/image_rule.h"

namespace dlc::verify {

namespace {

using contents::ElfFault;

bool is_below_one_of(std::string_view path, std::initializer_list<std::string_view> directories) {
  return std::ranges::any_of(directories, [&](auto directory) { return path.starts_with(directory); });
}

/// Files that hold the debugging half of another one keep its headers and not what they speak of.
bool is_debug_file(std::string_view path) {
  return path.ends_with(".debug") || path.starts_with("usr/lib/debug/");
}

bool is_program(const Subject& subject, std::string_view path) {
  return is_below_one_of(path, {"bin/", "sbin/", "usr/bin/", "usr/sbin/", "usr/local/bin/", "usr/local/sbin/"}) &&
         (subject.tree.find(path)->entry.mode & 0111U) != 0;
}

void check_wholeness(const Subject& subject, const contents::ElfFile& file, const Report& report) {
  const auto size = subject.tree.find(file.path)->entry.size;
  if (file.fault == ElfFault::cut_off && !is_debug_file(file.path) &&
      architecture_of(file.elf) == subject.config.platform.architecture) {
    report(file.path, fmt::format("is cut off: it has {} bytes, and by its headers at least {}", size, file.elf.end));
  } else if ((file.fault == ElfFault::no_header || file.fault == ElfFault::no_code) && is_program(subject, file.path)) {
    report(file.path, "is a damaged program: its ELF headers make no sense");
  }
}

}  // namespace

void check_libraries(const Subject& subject, const Report& report) {
  const contents::Loader loader(subject.tree, subject.elf, subject.config.env);
  for (const auto& [path, names] : loader.missing()) {
    const auto* file = loader.elf_of(path);
    if (architecture_of(file->elf) == subject.config.platform.architecture) {  // others: check_architecture
      report(path, fmt::format("needs {}, which the loader does not find", fmt::join(names, ", ")));
    }
  }
  for (const auto& file : subject.elf) {
    check_wholeness(subject, file, report);
    if (!file.elf.interpreter.empty() && architecture_of(file.elf) == subject.config.platform.architecture &&
        subject.tree.file(file.elf.interpreter) == nullptr) {
      report(file.path, fmt::format("its loader {} is not there", file.elf.interpreter));
    }
  }
}

void check_architecture(const Subject& subject, const Report& report) {
  for (const auto& file : subject.elf) {
    const auto architecture = architecture_of(file.elf);
    const bool usual = is_below_one_of(
        file.path, {"bin/", "sbin/", "usr/bin/", "usr/sbin/", "usr/lib/", "usr/local/", "lib/", "opt/"});
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
    report(library, fmt::format("the reference BLAS is used by /{}{}; install libopenblas0-openmp", users.first,
                                users.second > 1 ? fmt::format(" and {} more", users.second - 1) : ""));
  }
}

}  // namespace dlc::verify
