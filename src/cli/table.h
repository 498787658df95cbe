#pragma once
// A table for people: columns as wide as their content, two blanks between them, no trailing blanks.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::cli {

/// Columns on a terminal, for text without wide characters: UTF-8 continuation bytes take none.
[[nodiscard]] std::size_t text_width(std::string_view text);

class Table {
 public:
  explicit Table(std::vector<std::string> header);
  /// The cells are shown as `printable` gives them.
  void add(std::vector<std::string> row);
  /// Ends in a newline.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace dlc::cli
