#include "dockerfile/flags.h"

#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string found = closest(word, candidates);
  return found.empty() || found == word ? "" : " (did you mean " + found + "?)";
}

Flags::Flags(const Node& node, const std::vector<Known>& known) {
  for (const std::string& flag : node.flags) {
    const std::size_t equals = flag.find('=');
    const std::string name = flag.substr(2, equals == std::string::npos ? equals : equals - 2);
    const std::string shown = "--" + name;
    const bool has_value = equals != std::string::npos;
    std::string value = has_value ? flag.substr(equals + 1) : "";
    const auto found = std::find_if(known.begin(), known.end(), [&](const Known& k) { return k.name == name; });
    if (found == known.end()) {
      std::vector<std::string> names;
      std::transform(known.begin(), known.end(), std::back_inserter(names),
                     [](const Known& k) { return std::string(k.name); });
      fail("unknown flag: " + shown + did_you_mean(name, names));
    }
    if (found->kind != Kind::list &&
        std::any_of(given_.begin(), given_.end(), [&](const Given& other) { return other.name == name; })) {
      fail("duplicate flag specified: " + shown);
    }
    if (found->kind == Kind::boolean ? has_value && value.empty() : !has_value) {
      fail("missing a value on flag: " + shown);
    }
    if (found->kind == Kind::boolean) {
      const std::string word = has_value ? lower(value) : "true";
      if (word != "true" && word != "false") {
        fail("expecting boolean value for flag " + shown + ", not: " + value);
      }
      value = word;
    }
    given_.push_back({name, std::move(value)});
  }
}

std::string Flags::text(std::string_view name) const {
  const auto found =
      std::find_if(given_.begin(), given_.end(), [name](const Given& given) { return given.name == name; });
  return found == given_.end() ? std::string() : found->value;
}

std::vector<std::string> Flags::list(std::string_view name) const {
  std::vector<std::string> values;
  for (const Given& given : given_) {
    if (given.name == name) {
      values.push_back(given.value);
    }
  }
  return values;
}

std::optional<bool> Flags::boolean(std::string_view name) const {
  const auto found =
      std::find_if(given_.begin(), given_.end(), [name](const Given& given) { return given.name == name; });
  return found == given_.end() ? std::nullopt : std::optional(found->value == "true");
}

}  // namespace dlc::dockerfile
