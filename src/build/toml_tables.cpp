#include "build/toml_tables.h"

#include <toml++/toml.h>

namespace dlc::build {

namespace {

SourceLocation place(const toml::source_position& position, const std::string& file) {
  return {file, static_cast<int>(position.line), static_cast<int>(position.column)};
}

TomlValue value_of(const toml::node& node, const std::string& file) {
  TomlValue value{.where = place(node.source().begin, file), .text = {}, .number = {}, .list = {}};
  if (const auto* text = node.as_string()) {
    value.text = text->get();
  } else if (const auto* number = node.as_integer()) {
    value.number = number->get();
  } else if (const auto* list = node.as_array()) {
    value.list.emplace();
    for (const auto& item : *list) {
      value.list->push_back(value_of(item, file));
    }
  }
  return value;
}

TomlTable table_of(const toml::table& table, const std::string& file) {
  TomlTable result{.where = place(table.source().begin, file), .entries = {}};
  for (const auto& [key, value] : table) {
    result.entries.push_back({.key = std::string(key.str()), .value = value_of(value, file)});
  }
  return result;
}

}  // namespace

Error TomlValue::wrong(std::string message) const {
  return Error(ErrorKind::invalid, std::move(message)).at(where);
}

Error TomlTable::wrong(std::string message) const {
  return Error(ErrorKind::invalid, std::move(message)).at(where);
}

std::vector<TomlTable> parse_toml_tables(std::string_view text, const std::string& file, const std::string& kind) {
  toml::table document;
  try {
    document = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::invalid, std::string(error.description())).at(place(error.source().begin, file));
  }
  std::vector<TomlTable> tables;
  for (const auto& [key, value] : document) {
    const auto* list = value.as_array();
    if (key.str() != kind || list == nullptr) {
      throw value_of(value, file)
          .wrong("unknown key " + std::string(key.str()))
          .hint(kind + "s are written as [[" + kind + "]]");
    }
    for (const auto& item : *list) {
      if (item.as_table() == nullptr) {
        throw value_of(item, file).wrong("a " + kind + " is a table: [[" + kind + "]]");
      }
      tables.push_back(table_of(*item.as_table(), file));
    }
  }
  return tables;
}

}  // namespace dlc::build
