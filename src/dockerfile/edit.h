#pragma once
// Edits of a Dockerfile's text at the places that its instructions know: every other byte stays as it is. The results
// are texts; nothing is written here.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/dockerfile.h"

namespace dlc::dockerfile {

/// The stage that `target` (a name in any case, or a number) means; the last one without a target. Nullopt: there is
/// none.
[[nodiscard]] std::optional<std::size_t> find_stage(const Dockerfile& file, const std::optional<std::string>& target);

/// The stage and those that it is made from by FROM, the stage itself first.
[[nodiscard]] std::vector<std::size_t> stage_ancestry(const Dockerfile& file, std::size_t stage);

/// The stage and all that its build reads: by FROM, COPY --from and RUN --mount=from.
[[nodiscard]] std::vector<std::size_t> stages_read_by(const Dockerfile& file, std::size_t stage);

/// Where a COPY or ADD of `stage` from the context puts the context's file `source`.
struct CopiedTo {
  std::string destination;  ///< the file's path in the image, or as written where that is not known
  LineRange lines;
};
[[nodiscard]] std::vector<CopiedTo> copies_of(const Dockerfile& file, std::size_t stage, const std::string& source);
/// The COPY or ADD of `stage` that makes this path of the image.
[[nodiscard]] std::optional<LineRange> copy_that_makes(const Dockerfile& file, std::size_t stage,
                                                       const std::string& path);

/// "COPY --chmod=0755 tool.py /usr/local/bin/tool.py"; the form with brackets where a name has blanks.
[[nodiscard]] std::string copy_instruction(const std::string& source, const std::string& destination,
                                           const std::string& mode);

/// The text with an instruction below the stage's last RUN, COPY or ADD, so that least of what follows runs again.
[[nodiscard]] std::string add_instruction(std::string_view text, const Dockerfile& file, std::size_t stage,
                                          std::string_view instruction);

}  // namespace dlc::dockerfile
