#pragma once
// A table for people: columns as wide as their content, two blanks between them, no trailing blanks.
#include <string>
#include <vector>

namespace dlc::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void add(std::vector<std::string> row);
  /// Ends in a newline.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace dlc::cli
