#include <fmt/format.h>

#include <algorithm>

#include "contents/text_lines.h"
#include "verify/image_rule.h"

namespace dlc::verify {

namespace {

using contents::split;

std::string value_of(const oci::ImageConfig& config, std::string_view name) {
  for (const auto& line : config.env) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') {
      return line.substr(name.size() + 1);
    }
  }
  return "";
}

/// Where a program is found as execvp does; empty: nowhere.
std::string find_program(const Subject& subject, const std::string& name) {
  if (name.find('/') != std::string::npos) {
    const auto path = name.starts_with('/') ? name : subject.config.working_dir + "/" + name;
    return subject.tree.file(path) != nullptr ? path : "";
  }
  auto path = value_of(subject.config, "PATH");
  if (path.empty()) {
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  }
  for (const auto directory : split(path, ":")) {
    const auto place = std::string(directory) + "/" + name;
    if (const auto* node = subject.tree.file(place); node != nullptr && (node->entry.mode & 0111U) != 0) {
      return place;
    }
  }
  return "";
}

bool is_shell_form(const std::vector<std::string>& words) {
  return words.size() == 3 && (words[0] == "/bin/sh" || words[0] == "/bin/bash") && words[1] == "-c";
}

void check_program(const Subject& subject, const char* what, const std::string& name, const Report& report) {
  const auto path = find_program(subject, name);
  if (path.empty()) {
    report("", fmt::format("the {} starts {}, which is not in the image", what, name));
    return;
  }
  const auto* node = subject.tree.file(path);
  if ((node->entry.mode & 0111U) == 0) {
    report(node->entry.path, fmt::format("the {} starts it, but it may not be executed", what));
    return;
  }
  const auto head = subject.tree.read(*node, 0, 256);
  if (!head.starts_with("#!")) {
    return;
  }
  const auto end = head.find('\n');
  if (end != std::string::npos && head[end - 1] == '\r') {
    report(node->entry.path,
           "its first line ends with \\r\\n, and the kernel takes \\r for a part of the program's name; "
           "write it with \\n alone");
    return;
  }
  const auto line = contents::lines_of(std::string_view(head)).front().substr(2);
  const auto words = split(line, " \t");
  if (!words.empty() && subject.tree.file(words.front()) == nullptr) {
    report(node->entry.path, fmt::format("its first line names {}, which is not in the image", words.front()));
  } else if (words.size() > 1 && words.front().ends_with("/env") && words[1].find('=') == std::string_view::npos &&
             !words[1].starts_with('-') && find_program(subject, std::string(words[1])).empty()) {
    report(node->entry.path, fmt::format("its first line names {}, which is not in the image", words[1]));
  }
}

bool has_account(const Subject& subject, const char* file, std::string_view name) {
  const auto text = subject.tree.read(file, 1U << 20);
  const auto lines = text ? contents::lines_of(std::string_view(*text)) : std::vector<std::string_view>();
  return std::ranges::any_of(lines, [&](auto line) { return line.substr(0, line.find(':')) == name; });
}

}  // namespace

void check_labels(const Subject& subject, const Report& report) {
  for (const auto& name : subject.options.required_labels) {
    const auto found = subject.config.labels.find(name);
    if (found == subject.config.labels.end() || contents::trim(found->second).empty()) {
      report("", "the label " + name + " is missing");
    }
  }
}

void check_start(const Subject& subject, const Report& report) {
  const auto& entrypoint = subject.config.entrypoint;
  const auto& command = subject.config.cmd;
  const bool has_entrypoint = entrypoint && !entrypoint->empty();
  const bool has_command = command && !command->empty();
  if (!has_entrypoint && !has_command) {
    report("", "neither entrypoint nor command is set: a container of it starts nothing");
  }
  if (has_entrypoint && is_shell_form(*entrypoint)) {
    report("",
           "the entrypoint is in shell form: the command's words are lost, and signals reach the shell only; "
           R"(write ENTRYPOINT ["program", "word"])");
  } else if (has_entrypoint) {
    check_program(subject, "entrypoint", entrypoint->front(), report);
  }
  if (has_command && is_shell_form(*command)) {
    report("", R"(the command is in shell form: signals reach the shell only; write CMD ["program", "word"])");
  } else if (has_command && !has_entrypoint) {
    check_program(subject, "command", command->front(), report);
  }
}

void check_user(const Subject& subject, const Report& report) {
  const auto& user = subject.config.user;
  const auto name = user.substr(0, user.find(':'));
  const auto group = user.find(':') == std::string::npos ? std::string() : user.substr(user.find(':') + 1);
  const auto numeric = [](std::string_view text) { return text.find_first_not_of("0123456789") == text.npos; };
  if (!numeric(name) && !has_account(subject, "etc/passwd", name)) {
    report("", "the user " + name + " is not in /etc/passwd");
  }
  if (!numeric(group) && !has_account(subject, "etc/group", group)) {
    report("", "the group " + group + " is not in /etc/group");
  }
  if (subject.for_sagemaker() && !name.empty() && name != "root" && name != "0") {
    report("", "the user is " + name + ", but SageMaker's /opt/ml is root's");
  }
}

void check_paths_of_env(const Subject& subject, const Report& report) {
  for (const char* name : {"PATH", "LD_LIBRARY_PATH"}) {
    const auto value = value_of(subject.config, name);
    if (value.empty()) {
      continue;
    }
    // An empty part is the working directory: whoever can write there has his programs run.
    if (value.starts_with(':') || value.ends_with(':') || value.find("::") != std::string::npos) {
      report("", fmt::format("{} has an empty part, which means the working directory", name));
    }
    for (const auto part : split(value, ":")) {
      if (!part.starts_with('/')) {
        report("", fmt::format("{} has the relative directory {}", name, part));
      }
    }
  }
}

/// A list of requirements and nothing else: there is nothing to license.
bool has_only_metadata(const contents::PythonPackage& package) {
  return !package.files.empty() &&
         std::ranges::all_of(package.files, [&](const auto& file) { return file.starts_with(package.place + "/"); });
}

void check_licences(const Subject& subject, const Report& report) {
  for (const auto& package : subject.debian) {
    if (!package.has_copyright) {
      report("usr/share/doc/" + package.name,
             fmt::format("the Debian package {} {} comes without its copyright file", package.name, package.version));
    }
  }
  for (const auto& package : subject.python) {
    if (package.license.empty() && package.license_files.empty() && !has_only_metadata(package) &&
        !subject.debian_files.contains(package.metadata)) {
      report(package.metadata, fmt::format("the Python package {} {} neither names its licence nor brings it",
                                           package.name, package.version));
    }
  }
}

void check_growth(const Subject& subject, const Report& report) {
  if (!subject.growth || subject.growth->bytes <= 0) {
    return;
  }
  const auto grown = static_cast<std::uint64_t>(subject.growth->bytes);
  if (grown * 100 <= subject.against_bytes * subject.options.max_growth) {
    return;
  }
  std::string places;
  for (const auto& place : subject.growth->paths) {
    places += fmt::format("{}{} +{} MiB", places.empty() ? "" : ", ", place.path, to_mib(place.bytes));
  }
  report("",
         fmt::format("it has grown by {} MiB, more than {} %: {}", to_mib(grown), subject.options.max_growth, places));
}

void check_platform_limits(const Subject& subject, const Report& report) {
  constexpr std::uint64_t kSageMakerBytes = 10ULL << 30;
  constexpr std::size_t kLayers = 127;  // Docker's and containerd's overlay mounts
  if (subject.for_sagemaker() && subject.bytes() > kSageMakerBytes) {
    report("", fmt::format("it is {:.1f} GiB unpacked; SageMaker refuses more than 10 GiB for an endpoint",
                           static_cast<double>(subject.bytes()) / static_cast<double>(1U << 30)));
  }
  if (subject.layer_bytes.size() > kLayers) {
    report("", fmt::format("it has {} layers; Docker mounts at most {}", subject.layer_bytes.size(), kLayers));
  }
}

}  // namespace dlc::verify
