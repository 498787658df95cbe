#pragma once
// Which file of an image a library's name stands for, by the rules of glibc's ld.so(8): DT_RPATH of the file and of
// those that load it, LD_LIBRARY_PATH, DT_RUNPATH, the directories of ld.so.conf, the default ones. ld.so.cache is not
// read: it is made of the same directories, and a stale one is a fault of its own.
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "contents/elf.h"
#include "contents/image_tree.h"

namespace dlc::contents {

/// What keeps a file that begins as an ELF file from being started or linked.
enum class ElfFault {
  none,
  no_header,  ///< nothing of it could be read; `elf` is empty
  no_code,    ///< a program or shared object without a segment to load
  cut_off,    ///< one that ends before its headers, or what is to be loaded, does
};

struct ElfFile {
  std::string path;
  Elf elf;
  ElfFault fault = ElfFault::none;
};

/// Every ELF file of the image, sorted by path; hard links once. Reads with all cores.
[[nodiscard]] std::vector<ElfFile> find_elf_files(const ImageTree& tree);

/// Not thread-safe: it remembers what it found.
class Loader {
 public:
  /// `tree` and `files` outlive this. `env`: the image's.
  Loader(const ImageTree& tree, const std::vector<ElfFile>& files, const std::vector<std::string>& env);

  /// The file that `name`, needed by `user`, resolves to. `chain`: the files that loaded it, for DT_RPATH.
  [[nodiscard]] std::optional<std::string> find(const ElfFile& user, std::string_view name,
                                                const std::vector<const ElfFile*>& chain = {}) const;
  using Missing = std::map<std::string, std::set<std::string>>;
  /// For each file (by path) the needed names that resolve to nothing when it is loaded: by itself, or with each
  /// program or module that needs it. libcuda.so.1 is the host driver's and never missing.
  [[nodiscard]] Missing missing() const;
  [[nodiscard]] const ElfFile* elf_of(std::string_view path) const;

 private:
  [[nodiscard]] std::optional<std::string> search(const ElfFile& user, std::string_view name,
                                                  const std::string& directories, const ElfFile& origin) const;
  [[nodiscard]] std::optional<std::string> accept(const ElfFile& user, const std::string& path) const;
  [[nodiscard]] std::optional<std::string> find_in_common(const ElfFile& user, std::string_view name) const;
  [[nodiscard]] Missing load(const ElfFile& root, std::set<const ElfFile*>& loaded) const;
  void read_conf(const std::string& path, int depth);

  const ImageTree& tree_;
  std::map<std::string, const ElfFile*, std::less<>> by_path_;
  std::string library_path_;              ///< LD_LIBRARY_PATH
  std::vector<std::string> directories_;  ///< of ld.so.conf, then the default ones
  /// What the directories of all hold, by kind of file and name: asked for again and again.
  mutable std::map<std::tuple<unsigned, bool, std::uint16_t, std::string>, std::optional<std::optional<std::string>>>
      common_;
};

}  // namespace dlc::contents
