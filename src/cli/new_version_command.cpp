#include "cli/new_version_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "buildspec/document.h"
#include "buildspec/edit.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/repository_edit.h"
#include "cli/version_mentions.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

using Documents = std::vector<std::shared_ptr<const buildspec::Document>>;

struct Upgrade {
  EditOptions edit;
  std::string version;
  std::string from;  ///< the folders that are copied
};

const buildspec::Use& version_of(const buildspec::Document& document) {
  return document.root()->find("version")->value;
}

bool is_version(const std::string& version) {
  return !version.empty() && version.size() <= 64 && version.front() != '.' && version.front() != '-' &&
         std::ranges::all_of(version,
                             [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}

void check_version(const std::string& option, const std::string& version) {
  if (!is_version(version)) {
    throw Error(ErrorKind::usage, fmt::format("{}: \"{}\" can't be part of a tag and a folder's name", option, version))
        .hint("letters, digits, `.`, `_` and `-`, such as 2.1.0");
  }
}

/// The version that stands in the buildspec.
void check_old_version(const buildspec::Document& document, const std::string& version) {
  if (!is_version(version)) {
    throw Error(ErrorKind::invalid, "`version` can't be part of a tag and a folder's name as it stands here")
        .at(document.location(version_of(document).at))
        .hint("write it behind its key, in one line: version: &VERSION 1.2.3");
  }
}

/// The framework's buildspecs that are meant: all those of one version, since they share its folders.
Documents choose_documents(const Documents& documents, const Upgrade& upgrade) {
  Documents fitting;
  std::set<std::string> versions;
  std::string list;
  for (const auto& document : documents) {
    const auto& version = document->text(version_of(*document));
    list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", document->name(), version);
    if (upgrade.from.empty() || documents.size() == 1 || version == upgrade.from) {
      fitting.push_back(document);
      versions.insert(version);
    }
  }
  if (fitting.empty()) {
    throw Error(ErrorKind::usage, fmt::format("--from: no buildspec here has the version {}: {}", upgrade.from, list))
        .hint("name one of their versions, or one of the files: --buildspec FILE");
  }
  if (versions.size() != 1) {
    throw Error(ErrorKind::usage, fmt::format("the buildspecs here have several versions: {}", list))
        .hint("say which is to become the new one: --from VERSION or --buildspec FILE");
  }
  return fitting;
}

std::string framework_folder(const std::string& buildspec) {
  const auto folder = fs::path(buildspec).parent_path().generic_string();
  return folder.empty() ? "." : folder;
}

/// The folders `docker/<version>` of the framework: its own and its types'.
std::vector<std::string> version_folders(const std::string& framework, const std::string& version) {
  std::vector<std::string> found;
  const auto add = [&](const fs::path& parent) {
    const auto path = parent / "docker" / version;
    if (fs::is_directory(path)) {
      found.push_back(path.generic_string());
    }
  };
  add(framework);
  for (const auto& entry : fs::directory_iterator(framework)) {
    if (entry.is_directory() && entry.path().filename() != "docker") {
      add(entry.path());
    }
  }
  std::ranges::sort(found);
  return found;
}

std::set<std::string> known_versions(const std::string& framework) {
  std::set<std::string> versions;
  const auto add = [&](const fs::path& docker) {
    std::error_code error;
    for (fs::directory_iterator entry(docker, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      const auto name = entry->path().filename().string();
      if (entry->is_directory() && std::isdigit(static_cast<unsigned char>(name.front())) != 0) {
        versions.insert(name);
      }
    }
  };
  add(fs::path(framework) / "docker");
  for (const auto& entry : fs::directory_iterator(framework)) {
    add(entry.path() / "docker");
  }
  return versions;
}

/// The node whose text the version is: a scalar of its own, or the one that an alias names.
const buildspec::Node& version_scalar(const buildspec::Document& document) {
  const auto& use = version_of(document);
  if (use.node->joined) {
    throw Error(ErrorKind::invalid, "`version` is put together by !join")
        .at(document.location(use.at))
        .hint("write the version itself there: version: &VERSION 1.2.3");
  }
  if (use.node->anchor.empty()) {
    throw Error(ErrorKind::invalid, "`version` has no anchor, so no tag and no path can follow it")
        .at(document.location(use.at))
        .hint("write version: &VERSION " + use.node->source + ", and *VERSION where the images name the version");
  }
  return *use.node;
}

void copy_folders(FileEdits& edits, const std::string& framework, const Upgrade& upgrade) {
  const auto folders = version_folders(framework, upgrade.from);
  if (folders.empty()) {
    const auto known = known_versions(framework);
    throw Error(ErrorKind::usage, fmt::format("{} has no folder docker/{}", framework, upgrade.from))
        .hint(known.empty() ? "there is none to copy from"
                            : fmt::format("--from VERSION, one of: {}", fmt::join(known, ", ")));
  }
  auto strangers = version_folders(framework, upgrade.version);
  const auto by_hand =
      "take it away and run this again; or, where it is meant to be like that, change the buildspec's "
      "line by hand: version: " +
      buildspec::yaml_scalar(upgrade.version);
  for (const auto& folder : folders) {
    const auto to = (fs::path(folder).parent_path() / upgrade.version).generic_string();
    std::erase(strangers, to);
    try {
      if (!edits.copy_directory(folder, to)) {  // an earlier run was killed, or a person began by hand
        std::fprintf(stderr, "note: %s is there already, equal to %s, and stays\n", to.c_str(), folder.c_str());
      }
    } catch (Error& error) {
      throw error.kind() == ErrorKind::usage ? error.hint(by_hand) : error;
    }
  }
  if (!strangers.empty()) {
    throw Error(ErrorKind::usage, fmt::format("{} exists already, and there is no docker/{} beside it",
                                              fmt::join(strangers, ", "), upgrade.from))
        .hint(by_hand);
  }
}

/// Every image must be as before, with the new version where the old one was.
void verify_images(const buildspec::Plan& before, const buildspec::Plan& after, const std::set<std::string>& buildspecs,
                   const std::string& old_version, const std::string& version) {
  for (const auto& image : before.images) {
    const auto same = [&](const auto& other) { return other.buildspec == image.buildspec && other.name == image.name; };
    const auto found = std::ranges::find_if(after.images, same);
    if (found == after.images.end()) {
      throw Error(ErrorKind::failed,
                  fmt::format("{} has a version of its own, so it would no longer be built", image.name))
          .at(image.where)
          .hint("let its `version` be *VERSION, or take the key out");
    }
    const bool ours = buildspecs.contains(image.buildspec);
    const auto facts = facts_of(*found);
    for (const auto& [what, value] : facts_of(image)) {
      const auto now = facts.find(what);
      const bool kept = now != facts.end() && now->second == value;
      const bool follows = ours && now != facts.end() && now->second == replace_version(value, old_version, version);
      if (!kept && !follows && !what.starts_with("context ")) {
        throw Error(ErrorKind::failed, fmt::format("{} of {} would become \"{}\" instead of \"{}\"", what, image.name,
                                                   now == facts.end() ? "" : now->second, value))
            .at(image.where);
      }
    }
    if (ours && found->version != version) {
      throw Error(ErrorKind::failed, fmt::format("{} would have the version {}", image.name, found->version))
          .at(image.where);
    }
    for (const auto& entry : image.context) {  // a target may have the version in its name
      const auto moved = "context " + replace_version(entry.target, old_version, version);
      const auto now =
          facts.contains("context " + entry.target) ? facts.find("context " + entry.target) : facts.find(moved);
      if (now == facts.end() ||
          (now->second != entry.path && (!ours || now->second != replace_version(entry.path, old_version, version)))) {
        throw Error(ErrorKind::failed, fmt::format("{} would lose {} of its context", image.name, entry.target))
            .at(entry.where);
      }
    }
  }
  if (after.images.size() != before.images.size()) {
    throw Error(ErrorKind::failed, fmt::format("{} images instead of {}", after.images.size(), before.images.size()));
  }
}

/// What names the old version and may have to follow.
struct Mentions {
  std::vector<Mention> own;     ///< in the buildspecs and the new folders
  std::vector<Mention> others;  ///< in the framework's other files and what speaks of it elsewhere
};

void add_mentions_of_folders(const std::string& framework, const Upgrade& upgrade, const std::string& old_version,
                             std::vector<Mention>& found) {
  for (const auto& folder : version_folders(framework, upgrade.from)) {
    const auto to = (fs::path(folder).parent_path() / upgrade.version).generic_string();
    std::vector<Mention> lines;
    add_mentions_below(".", folder, old_version, [](const std::string& /*path*/) { return false; }, lines);
    for (auto& line : lines) {
      line.path = to + line.path.substr(folder.size());
      found.push_back(std::move(line));
    }
  }
}

void add_mentions_elsewhere(const std::string& framework, const std::set<std::string>& buildspecs,
                            const std::string& old_version, std::vector<Mention>& found) {
  const auto versions = known_versions(framework);
  const auto skip = [&](const std::string& path) {
    const fs::path full(path);
    const bool version_folder =
        full.parent_path().filename() == "docker" && versions.contains(full.filename().string());
    const bool other_framework = !full.has_parent_path() && path != framework && fs::exists(full / "buildspec.yml");
    static const std::set<std::string> kNotOurs{"build", "logs", "src", "CHANGELOG.md"};
    return version_folder || other_framework || kNotOurs.contains(path) || buildspecs.contains(path);
  };
  add_mentions_below(".", "", old_version, skip, found);
}

/// "  test/errors/: 210 lines in 180 files": the framework's own files one by one, others by the two outermost folders.
std::string counts_of(const std::vector<Mention>& mentions, const std::string& framework) {
  std::map<std::string, int> lines;
  std::map<std::string, std::set<std::string>> files;
  for (const auto& mention : mentions) {
    const auto second = mention.path.find('/', mention.path.find('/') + 1);
    const bool own = second == std::string::npos || mention.path.starts_with(framework + "/");
    const auto place = own ? mention.path : mention.path.substr(0, second + 1);
    ++lines[place];
    files[place].insert(mention.path);
  }
  std::string text;
  for (const auto& [place, count] : lines) {
    const auto& paths = files[place];
    const auto in = paths.size() == 1 ? std::string() : fmt::format(" in {} files", paths.size());
    text += fmt::format("  {}: {} line{}{}\n", paths.size() == 1 ? *paths.begin() : place, count, count == 1 ? "" : "s",
                        in);
  }
  return text;
}

/// Those of the version's own files line by line; of the others, how many there are.
void print_mentions(const Mentions& mentions, const std::string& framework, const std::string& version) {
  constexpr std::size_t kMost = 60;
  if (mentions.own.empty() && mentions.others.empty()) {
    print_out(fmt::format("nothing else names {}\n", version));
    return;
  }
  auto text = fmt::format("still name {}; look at each:\n", version);
  for (std::size_t i = 0; i < std::min(mentions.own.size(), kMost); ++i) {
    const auto& mention = mentions.own[i];
    text += fmt::format("  {}:{}: {}\n", mention.path, mention.line, mention.text);
  }
  if (mentions.own.size() > kMost) {
    text += fmt::format("  and {} more lines there\n", mentions.own.size() - kMost);
  }
  text += counts_of(mentions.others, framework);
  print_out(text);
}

void upgrade_framework(Upgrade upgrade) {
  check_version("--version", upgrade.version);
  const auto before = plan_as_written(".", upgrade.edit);
  const auto documents = choose_documents(before.documents, upgrade);
  const auto old_version = documents.front()->text(version_of(*documents.front()));
  check_old_version(*documents.front(), old_version);
  upgrade.from = upgrade.from.empty() ? old_version : upgrade.from;
  check_version("--from", upgrade.from);
  if (upgrade.version == upgrade.from || upgrade.version == old_version) {
    throw Error(ErrorKind::usage, "--version: the images are of this version already: " + upgrade.version)
        .at(documents.front()->location(version_of(*documents.front()).node->at));
  }
  FileEdits edits(".");
  const auto framework = framework_folder(documents.front()->name());
  copy_folders(edits, framework, upgrade);
  Mentions mentions;
  std::set<std::string> buildspecs;
  for (const auto& document : documents) {
    const auto& name = document->name();
    edits.replace(name, buildspec::replace_scalar(*document, version_scalar(*document), upgrade.version));
    add_mentions(name, edits.text(name), old_version, mentions.own);
    buildspecs.insert(name);
  }
  add_mentions_of_folders(framework, upgrade, old_version, mentions.own);
  add_mentions_elsewhere(framework, buildspecs, old_version, mentions.others);
  finish_edit(edits, upgrade.edit, [&](const buildspec::Plan& after) {
    verify_images(before, after, buildspecs, old_version, upgrade.version);
  });
  print_mentions(mentions, framework, old_version);
}

}  // namespace

int run_new_version(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Begin an upgrade: copy the folders of a version and change the buildspec's.", "dlc new-version");
  Upgrade upgrade;
  add_edit_options(app, upgrade.edit);
  app.add_option("--version", upgrade.version, "the new version")->required()->type_name("X");
  app.add_option("--from", upgrade.from, "the version whose folders are copied (default: the buildspec's)")
      ->type_name("Y");
  if (!parse(app, arguments)) {
    return 0;
  }
  if (upgrade.edit.framework.empty() && upgrade.edit.buildspecs.empty()) {
    throw Error(ErrorKind::usage, "which framework?")
        .hint("dlc new-version --framework NAME --version " + upgrade.version);
  }
  upgrade_framework(std::move(upgrade));
  return 0;
}

}  // namespace dlc::cli
