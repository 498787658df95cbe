#include "cli/image_build_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "cli/json_text.h"
#include "dockerfile/mount.h"
#include "dockerfile/text.h"
#include "dockerfile/word.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

/// Columns with three blanks between them; an empty last cell leaves no blanks.
std::string columns(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size() ? fmt::format("{:<{}}", row[i], widths[i] + 3) : row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

/// Of the comment lines above an instruction, what the one says that begins with `name`.
std::string description(const dockerfile::Node& node, const std::string& name) {
  for (const auto& comment : node.comments) {
    const auto text = dockerfile::trim(comment);
    if (!name.empty() && text.starts_with(name + " ")) {
      return std::string(dockerfile::trim(text.substr(name.size())));
    }
  }
  return {};
}

struct Argument {
  std::string name, value, text;
};

struct Demand {
  std::string id;
  bool required = false;
};

/// What the stages that a target is made of ask for.
class Outline {
 public:
  Outline(const dockerfile::Dockerfile& file, const build::LowerOptions& options) : file_(file), options_(options) {
    for (const auto& instruction : file.global_args) {
      read_argument(instruction, false);
    }
    visit(find_target());
  }

  [[nodiscard]] std::string text() const {
    std::string text = fmt::format("TARGET:      {}\n", name().empty() ? "default" : name());
    if (const auto about = description(target_->node, target_->from.name); !about.empty()) {
      text += fmt::format("DESCRIPTION: {}\n", about);
    }
    Rows rows{{"BUILD ARG", "VALUE", "DESCRIPTION"}};
    for (const auto& argument : arguments_) {
      rows.push_back({argument.name, argument.value, argument.text});
    }
    text += rows.size() > 1 ? "\n" + columns(rows) : "";
    text += demands("SECRET", secrets_) + demands("SSH", agents_);
    return text;
  }

  [[nodiscard]] std::string json() const {
    Json arguments = Json::array();
    for (const auto& argument : arguments_) {
      arguments.push_back({{"name", argument.name}, {"description", argument.text}, {"value", argument.value}});
    }
    const auto list = [](const std::vector<Demand>& demands) {
      Json json = Json::array();
      for (const auto& demand : demands) {
        json.push_back({{"name", demand.id}, {"required", demand.required}});
      }
      return json;
    };
    const Json json{{"name", name()},
                    {"description", description(target_->node, target_->from.name)},
                    {"args", std::move(arguments)},
                    {"secrets", list(secrets_)},
                    {"ssh", list(agents_)}};
    return json_text(json);
  }

 private:
  [[nodiscard]] const std::string& name() const { return target_->from.name; }

  static std::string demands(const char* heading, const std::vector<Demand>& demands) {
    if (demands.empty()) {
      return {};
    }
    Rows rows{{heading, "REQUIRED"}};
    for (const auto& demand : demands) {
      rows.push_back({demand.id, demand.required ? "true" : ""});
    }
    return "\n" + columns(rows);
  }

  const dockerfile::Stage& find_target() {
    if (options_.target.empty()) {
      target_ = &file_.stages.back();
      return *target_;
    }
    target_ = find_stage(options_.target);
    if (target_ == nullptr) {
      throw Error(ErrorKind::invalid, fmt::format("target stage \"{}\" could not be found", options_.target));
    }
    return *target_;
  }

  [[nodiscard]] const dockerfile::Stage* find_stage(const std::string& wanted) const {
    std::size_t index = 0;
    const auto number = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
    if (!wanted.empty() && number.ec == std::errc() && number.ptr == wanted.data() + wanted.size()) {
      return index < file_.stages.size() ? &file_.stages[index] : nullptr;
    }
    const auto found =
        std::ranges::find(file_.stages, dockerfile::lower(wanted), [](const auto& stage) { return stage.from.name; });
    return found == file_.stages.end() || wanted.empty() ? nullptr : &*found;
  }

  std::string expanded(const std::string& text) const {
    try {
      return dockerfile::expand_word(text,
                                     [this](std::string_view name) -> std::optional<std::string> {
                                       const auto value = values_.find(std::string(name));
                                       return value == values_.end() ? std::nullopt : std::optional(value->second);
                                     },
                                     {.escape = file_.escape});
    } catch (const Error&) {  // the build will say it, at its line
      return text;
    }
  }

  void read_argument(const dockerfile::Instruction& instruction, bool of_stage) {
    for (const auto& pair : std::get<dockerfile::Arg>(instruction.body).args) {
      const auto given = options_.build_args.find(pair.key);
      if (given != options_.build_args.end()) {
        values_[pair.key] = given->second;
      } else if (pair.value) {
        values_[pair.key] = expanded(*pair.value);
      }
      Argument argument{pair.key, values_.contains(pair.key) ? values_[pair.key] : "",
                        description(instruction.node, pair.key)};
      const auto known = std::ranges::find(arguments_, pair.key, &Argument::name);
      if (known == arguments_.end()) {
        arguments_.push_back(std::move(argument));
      } else if (of_stage && known->text.empty()) {
        known->text = argument.text;
      }
    }
  }

  void visit(const dockerfile::Stage& stage) {
    if (!visited_.insert(&stage).second) {
      return;
    }
    visit_named(expanded(stage.from.image));
    for (const auto& instruction : stage.instructions) {
      if (std::holds_alternative<dockerfile::Arg>(instruction.body)) {
        read_argument(instruction, true);
      } else if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.body)) {
        visit_named(copy->from);
      } else if (const auto* run = std::get_if<dockerfile::Run>(&instruction.body)) {
        std::ranges::for_each(run->mounts, [&](const auto& mount) { read_mount(mount); });
      }
    }
  }

  void visit_named(const std::string& name) {
    if (const auto* stage = name.empty() ? nullptr : find_stage(name)) {
      visit(*stage);
    }
  }

  void read_mount(const std::string& text) {
    using Type = dockerfile::MountSpec::Type;
    const auto mount = dockerfile::parse_mount(text);
    if (mount.type == Type::secret) {
      const auto& path = mount.target;
      add(secrets_, mount.id.empty() ? path.substr(path.rfind('/') + 1) : mount.id, mount.required);
    } else if (mount.type == Type::ssh) {
      add(agents_, mount.id.empty() ? "default" : mount.id, mount.required);
    } else {
      visit_named(mount.from);
    }
  }

  static void add(std::vector<Demand>& demands, const std::string& id, bool required) {
    const auto known = std::ranges::find(demands, id, &Demand::id);
    if (known == demands.end()) {
      demands.push_back({id, required});
    } else {
      known->required = known->required || required;
    }
  }

  const dockerfile::Dockerfile& file_;
  const build::LowerOptions& options_;
  const dockerfile::Stage* target_ = nullptr;
  std::set<const dockerfile::Stage*> visited_;
  std::map<std::string, std::string> values_;
  std::vector<Argument> arguments_;
  std::vector<Demand> secrets_, agents_;
};

}  // namespace

std::string targets_text(const dockerfile::Dockerfile& file, bool json) {
  Rows rows{{"TARGET", "DESCRIPTION"}};
  Json list = Json::array();
  for (const auto& stage : file.stages) {
    const bool is_default = &stage == &file.stages.back();
    const auto& name = stage.from.name;
    if (name.empty() && !is_default) {
      continue;
    }
    const auto about = description(stage.node, name);
    rows.push_back({is_default ? name + (name.empty() ? "(default)" : " (default)") : name, about});
    list.push_back({{"name", name}, {"default", is_default}, {"description", about}, {"base", stage.from.image}});
  }
  const Json document{{"targets", std::move(list)}};
  return json ? json_text(document) : columns(rows);
}

std::string outline_text(const dockerfile::Dockerfile& file, const build::LowerOptions& options, bool json) {
  const Outline outline(file, options);
  return json ? outline.json() : outline.text();
}

}  // namespace dlc::cli
