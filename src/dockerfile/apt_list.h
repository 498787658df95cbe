#pragma once
// The packages that the RUNs of a Dockerfile have apt-get install, and the text with one more of them.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/debian_package.h"
#include "dockerfile/dockerfile.h"

namespace dlc::dockerfile {

/// The packages of an `apt-get install`.
struct AptList {
  struct Word {
    std::string text;       ///< as written
    std::size_t begin = 0;  ///< byte in the file
    std::size_t end = 0;    ///< byte behind it
    std::size_t line = 0;   ///< byte at which its line begins
    bool alone = false;     ///< the only package of its line, and nothing else stands before it
  };
  const Node* run = nullptr;
  std::vector<Word> packages;  ///< at least one, where there is no `problem`
  std::string problem;         ///< why nothing can be added to it by a program; empty: it can
  SourceLocation problem_at;
};

/// The lists in RUNs of the stage and of those it is made from (in each RUN its last), the last one first. `text` is
/// the file's.
[[nodiscard]] std::vector<AptList> find_apt_lists(std::string_view text, const Dockerfile& file, std::size_t stage);

/// The words of the list that name this package, in whatever version and architecture.
[[nodiscard]] std::vector<const AptList::Word*> words_of(const AptList& list, std::string_view name);

/// The text with a package added: at its place in the alphabet where the list is sorted, else at its end; on a line of
/// its own where the others stand so. The list has no `problem`.
[[nodiscard]] std::string add_apt_package(std::string_view text, const Dockerfile& file, const AptList& list,
                                          std::string_view package);

/// The place of a byte of the file.
[[nodiscard]] SourceLocation place_of(std::string_view text, const Dockerfile& file, std::size_t byte);

}  // namespace dlc::dockerfile
