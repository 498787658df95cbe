#pragma once
// A TOML file that is a list of tables of one kind, such as [[base]], as values with their places. toml++ stays behind
// it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dlc::build {

/// One of the three is there, or none where the value is of another type.
struct TomlValue {
  SourceLocation where;
  std::optional<std::string> text;
  std::optional<std::int64_t> number;
  std::optional<std::vector<TomlValue>> list;

  /// Error(invalid) at this place.
  [[nodiscard]] Error wrong(std::string message) const;
};

struct TomlTable {
  struct Entry {
    std::string key;
    TomlValue value;
  };
  SourceLocation where;
  std::vector<Entry> entries;

  [[nodiscard]] Error wrong(std::string message) const;
};

/// The tables [[kind]] of a file that holds nothing else, in its order. Throws Error(invalid) with file, line and
/// column.
[[nodiscard]] std::vector<TomlTable> parse_toml_tables(std::string_view text, const std::string& file,
                                                       const std::string& kind);

/// The tables as `Item`s, each made by `parse`. Error(invalid) at a table whose name an earlier one has.
template <typename Item, typename Parse>
[[nodiscard]] std::vector<Item> parse_named_items(std::string_view text, const std::string& file,
                                                  const std::string& kind, Parse parse) {
  std::vector<Item> items;
  for (const auto& table : parse_toml_tables(text, file, kind)) {
    Item item = parse(table);
    for (const auto& earlier : items) {
      if (earlier.name == item.name) {
        throw table.wrong("the " + kind + " " + item.name + " is there twice");
      }
    }
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace dlc::build
