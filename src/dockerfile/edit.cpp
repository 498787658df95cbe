#include "dockerfile/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dockerfile/text.h"

namespace dlc::dockerfile {

namespace {

std::size_t line_begin(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line; ++i) {
    const auto end = text.find('\n', begin);
    if (end == std::string_view::npos) {
      return text.size();
    }
    begin = end + 1;
  }
  return begin;
}

std::optional<std::size_t> number_of(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// A stage above `before` by its name.
std::optional<std::size_t> stage_named(const Dockerfile& file, std::string_view name, std::size_t before) {
  const auto wanted = lower(name);
  for (auto i = before; i-- > 0;) {
    if (file.stages[i].from.name == wanted) {
      return i;
    }
  }
  return std::nullopt;
}

/// What --from means: a stage's name or number.
std::optional<std::size_t> stage_from(const Dockerfile& file, std::string_view from, std::size_t before) {
  if (const auto number = number_of(from); number && *number < before) {
    return number;
  }
  return stage_named(file, from, before);
}

/// from= of a --mount as written.
std::string mount_from(std::string_view mount) {
  while (!mount.empty()) {
    const auto field = mount.substr(0, mount.find(','));
    if (field.starts_with("from=")) {
      return std::string(field.substr(5));
    }
    mount.remove_prefix(std::min(mount.size(), field.size() + 1));
  }
  return {};
}

std::vector<std::string> froms_of(const Instruction& instruction) {
  std::vector<std::string> froms;
  if (const auto* copy = std::get_if<Copy>(&instruction.body)) {
    froms.push_back(copy->from);
  } else if (const auto* run = std::get_if<Run>(&instruction.body)) {
    for (const auto& mount : run->mounts) {
      froms.push_back(mount_from(mount));
    }
  }
  std::erase(froms, "");
  return froms;
}

std::string_view last_component(std::string_view path) {
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path.substr(path.rfind('/') + 1);
}

/// The path in the image that one source of a COPY gets.
std::string destination_of(const Copy& copy, const std::string& source) {
  const bool directory = copy.dest.ends_with('/') || copy.sources.size() + copy.contents.size() > 1;
  if (!directory) {
    return copy.dest;
  }
  return copy.dest + (copy.dest.ends_with('/') ? "" : "/") + std::string(last_component(source));
}

std::string_view without_dot(std::string_view source) {
  while (source.starts_with("./") || source.starts_with('/')) {
    source.remove_prefix(source.starts_with('/') ? 1 : 2);
  }
  return source;
}

bool changes_files(const Instruction& instruction) {
  return std::holds_alternative<Run>(instruction.body) || std::holds_alternative<Copy>(instruction.body);
}

}  // namespace

std::optional<std::size_t> find_stage(const Dockerfile& file, const std::optional<std::string>& target) {
  if (!target || target->empty()) {
    return file.stages.size() - 1;
  }
  if (const auto named = stage_named(file, *target, file.stages.size())) {
    return named;
  }
  const auto number = number_of(*target);
  return number && *number < file.stages.size() ? number : std::nullopt;
}

std::vector<std::size_t> stage_ancestry(const Dockerfile& file, std::size_t stage) {
  std::vector<std::size_t> found{stage};
  while (const auto parent = stage_named(file, file.stages[found.back()].from.image, found.back())) {
    found.push_back(*parent);
  }
  return found;
}

std::vector<std::size_t> stages_read_by(const Dockerfile& file, std::size_t stage) {
  std::vector<std::size_t> found{stage};
  const auto add = [&](std::optional<std::size_t> other) {
    if (other && std::ranges::find(found, *other) == found.end()) {
      found.push_back(*other);
    }
  };
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto current = found[i];
    add(stage_named(file, file.stages[current].from.image, current));
    for (const auto& instruction : file.stages[current].instructions) {
      for (const auto& from : froms_of(instruction)) {
        add(stage_from(file, from, current));
      }
    }
  }
  return found;
}

std::vector<CopiedTo> copies_of(const Dockerfile& file, std::size_t stage, const std::string& source) {
  std::vector<CopiedTo> found;
  for (const auto& instruction : file.stages[stage].instructions) {
    const auto* copy = std::get_if<Copy>(&instruction.body);
    if (copy == nullptr || !copy->from.empty()) {
      continue;
    }
    for (const auto& name : copy->sources) {
      if (without_dot(name) == source) {
        found.push_back({destination_of(*copy, name), instruction.node.lines});
      }
    }
  }
  return found;
}

std::optional<LineRange> copy_that_makes(const Dockerfile& file, std::size_t stage, const std::string& path) {
  for (const auto& instruction : file.stages[stage].instructions) {
    const auto* copy = std::get_if<Copy>(&instruction.body);
    if (copy != nullptr &&
        std::ranges::any_of(copy->sources, [&](const auto& source) { return destination_of(*copy, source) == path; })) {
      return instruction.node.lines;
    }
  }
  return std::nullopt;
}

std::string copy_instruction(const std::string& source, const std::string& destination, const std::string& mode) {
  const auto flags = mode.empty() ? std::string() : "--chmod=" + mode + " ";
  const bool blanks = (source + destination).find(' ') != std::string::npos;
  return blanks ? fmt::format("COPY {}[{}, {}]", flags, quote(source), quote(destination))
                : fmt::format("COPY {}{} {}", flags, source, destination);
}

std::string add_instruction(std::string_view text, const Dockerfile& file, std::size_t stage,
                            std::string_view instruction) {
  const auto& instructions = file.stages[stage].instructions;
  const auto last = std::find_if(instructions.rbegin(), instructions.rend(), changes_files);
  const auto& lines = last != instructions.rend() ? last->node.lines : file.stages[stage].node.lines;
  const auto at = line_begin(text, lines.last + 1);
  const std::string newline = text.find("\r\n") != std::string_view::npos ? "\r\n" : "\n";
  const bool unended = at == text.size() && !text.ends_with('\n');
  return std::string(text.substr(0, at)) + (unended ? newline : "") + std::string(instruction) + newline +
         std::string(text.substr(at));
}

}  // namespace dlc::dockerfile
