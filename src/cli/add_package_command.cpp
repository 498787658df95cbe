#include "cli/add_package_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <set>

#include "cli/apt_lookup.h"
#include "cli/artifact_copy.h"
#include "cli/lock_file.h"
#include "cli/parse.h"
#include "cli/pip_resolve.h"
#include "cli/print_out.h"
#include "cli/repository_edit.h"
#include "dockerfile/apt_list.h"
#include "dockerfile/edit.h"

namespace dlc::cli {

namespace {

struct PackageRequest {
  EditOptions edit;
  std::string image;
  std::string package;    ///< as written
  std::string lock_file;  ///< empty: chosen
  bool apt = false;
  bool upgrade = false;
  bool downgrade = false;
  bool everywhere = false;
};

bool is_name(std::string_view text, std::string_view more) {
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text.front())) != 0 &&
         std::ranges::all_of(text, [&](unsigned char c) {
           return std::isalnum(c) != 0 || more.find(static_cast<char>(c)) != std::string_view::npos;
         });
}

/// An edit of packages leaves the plan as it was.
void verify_same_plan(const buildspec::Plan& before, const buildspec::Plan& after) {
  bool same = before.images.size() == after.images.size();
  for (std::size_t i = 0; same && i < before.images.size(); ++i) {
    same = facts_of(before.images[i]) == facts_of(after.images[i]);
  }
  if (!same) {
    throw Error(ErrorKind::failed, "the plan would change, which a package must not do");
  }
}

// --- Debian packages ---

void add_to_list(FileEdits& edits, const std::string& path, const dockerfile::Dockerfile& file,
                 const dockerfile::AptList& list, const std::string& package) {
  const auto text = edits.text(path);
  edits.replace(path, dockerfile::add_apt_package(text, file, list, package));
}

/// Everything that makes the layer of the list: the base, and each instruction from the first one to the list's RUN.
std::string steps_of(const buildspec::PlannedImage& image, const dockerfile::Dockerfile& file,
                     const dockerfile::AptList& list) {
  std::string steps = image.base.value_or("") + '\n' + image.base_image_name.value_or("");
  const auto ancestry = dockerfile::stage_ancestry(file, stage_of(file, image));
  for (auto stage = ancestry.rbegin(); stage != ancestry.rend(); ++stage) {
    steps += '\n' + file.stages[*stage].from.image;
    for (const auto& instruction : file.stages[*stage].instructions) {
      steps += '\n' + instruction.node.original;
      if (&instruction.node == list.run) {
        return steps;
      }
    }
  }
  return steps;
}

/// Other Dockerfiles with the same steps share the layer as long as the lists are equal.
void add_to_equal_lists(FileEdits& edits, const buildspec::Plan& plan, const buildspec::PlannedImage& changed,
                        const std::string& steps, const PackageRequest& request) {
  std::set<std::string> seen{docker_file_of(changed)};
  for (const auto& image : plan.images) {
    if (!seen.insert(docker_file_of(image)).second || !std::filesystem::exists(image.docker_file_path)) {
      continue;
    }
    const auto file = dockerfile_of(edits, image);
    const auto lists = dockerfile::find_apt_lists(edits.text(image.docker_file_path), file, stage_of(file, image));
    const auto same = [&](const auto& other) { return other.problem.empty() && steps_of(image, file, other) == steps; };
    const auto list = std::ranges::find_if(lists, same);  // which need not be the last one
    if (list == lists.end()) {
      continue;
    }
    if (request.everywhere) {
      add_to_list(edits, image.docker_file_path, file, *list, request.package);
    } else {
      std::fprintf(stderr,
                   "note: %s:%d has the same list until now, so the layer was shared; --everywhere adds to it too\n",
                   image.docker_file_path.c_str(), list->run->lines.first);
    }
  }
}

/// The package as asked for, checked: a wrong one would only fail in the build, or would mean something else there.
dockerfile::DebianPackage debian_request(const std::string& text) {
  auto package = dockerfile::split_package(text);
  const auto problem = text.find_first_of("\"'") != std::string::npos ? "it is written without quotes"
                                                                      : dockerfile::package_problem(package);
  if (!problem.empty()) {
    throw Error(ErrorKind::usage, fmt::format("{} is no Debian package: {}", dockerfile::quote(text), problem))
        .hint("such as libgomp1, or libgomp1=12.2.0-14+deb12u1");
  }
  return package;
}

/// Whether a list has the package as it is wanted. Throws where one has it in another version or architecture.
bool is_listed(std::string_view text, const dockerfile::Dockerfile& file, const std::vector<dockerfile::AptList>& lists,
               const dockerfile::DebianPackage& wanted) {
  const dockerfile::AptList::Word* other = nullptr;
  for (const auto& list : lists) {
    if (!list.problem.empty()) {
      continue;
    }
    for (const auto* word : dockerfile::words_of(list, wanted.name)) {
      if (dockerfile::satisfies(dockerfile::split_package(word->text), wanted)) {
        const auto at = dockerfile::place_of(text, file, word->begin);
        print_out(fmt::format("{}:{}: {} is in the list already\n", at.file, at.line, word->text));
        return true;
      }
      other = other != nullptr ? other : word;
    }
  }
  if (other != nullptr) {
    throw Error(ErrorKind::usage, fmt::format("{} is in the list already, as {}", wanted.name, other->text))
        .at(dockerfile::place_of(text, file, other->begin))
        .hint("change that word by hand, where another version, architecture or release is meant");
  }
  return false;
}

/// The list that is to get the package: the last one.
const dockerfile::AptList& list_to_change(const std::vector<dockerfile::AptList>& lists,
                                          const dockerfile::Dockerfile& file, std::size_t stage,
                                          const std::string& package) {
  const auto by_hand =
      "RUN apt-get update && apt-get install -y --no-install-recommends " + package + " && rm -rf /var/lib/apt/lists/*";
  if (lists.empty()) {
    throw Error(ErrorKind::invalid,
                fmt::format("no RUN of {} has an apt-get install with a list of packages", file.name))
        .at({file.name, file.stages[stage].node.lines.first, 1})
        .hint("add a line by hand: " + by_hand);
  }
  if (const auto& last = lists.front(); !last.problem.empty()) {
    throw Error(ErrorKind::invalid, last.problem + ", so where another one goes can't be told")
        .at(last.problem_at)
        .hint(fmt::format("add {} there by hand, or a line: {}", package, by_hand));
  }
  return lists.front();
}

/// The list must have become one package longer, and nothing else.
void verify_list(std::string_view text, const dockerfile::Dockerfile& file, std::size_t stage,
                 const dockerfile::AptList& before, const std::string& package) {
  std::vector<std::string> words;
  for (const auto& word : before.packages) {
    words.push_back(word.text);
  }
  std::vector<std::string> now;
  const auto lists = dockerfile::find_apt_lists(text, file, stage);
  if (!lists.empty() && lists.front().problem.empty()) {
    for (const auto& word : lists.front().packages) {
      now.push_back(word.text);
    }
  }
  const auto added = std::ranges::find(now, package);
  if (added != now.end()) {
    now.erase(added);
  }
  if (now != words || lists.front().packages.size() != words.size() + 1) {
    throw Error(ErrorKind::invalid, "the list of packages can't be added to")
        .at(dockerfile::place_of(text, file, before.packages.front().begin))
        .hint("add the package by hand");
  }
}

int add_apt(const PackageRequest& request, const GlobalOptions& global) {
  const auto wanted = debian_request(request.package);
  const auto plan = plan_as_written(".", request.edit);
  const auto& image = named_image(plan, request.image);
  FileEdits edits(".");
  const auto file = dockerfile_of(edits, image);
  const auto stage = stage_of(file, image);
  const auto& path = image.docker_file_path;
  const auto text = edits.text(path);
  const auto lists = dockerfile::find_apt_lists(text, file, stage);
  if (is_listed(text, file, lists, wanted)) {
    return 0;
  }
  const auto& list = list_to_change(lists, file, stage, request.package);
  add_to_list(edits, path, file, list, request.package);
  const auto changed = dockerfile_of(edits, image);
  verify_list(edits.text(path), changed, stage_of(changed, image), list, request.package);
  if (const auto why = check_apt_package(buildspec::short_name(image), request.package, global)) {
    std::fprintf(stderr, "note: whether Debian has %s was not looked up: %s\n", wanted.name.c_str(), why->c_str());
  }
  add_to_equal_lists(edits, plan, image, steps_of(image, file, list), request);
  finish_edit(edits, request.edit, [&](const buildspec::Plan& after) { verify_same_plan(plan, after); });
  return 0;
}

// --- Python packages ---

struct Lock {
  std::string path;
  std::vector<LockedPackage> packages;
  std::vector<std::string> users;  ///< images that install it
};

std::vector<Lock> locks_of(const FileEdits& edits, const buildspec::Plan& plan, const buildspec::PlannedImage& image) {
  std::vector<Lock> locks;
  for (const auto& entry : image.context) {
    if (entry.downloaded || !entry.path.ends_with(".txt") || !std::filesystem::is_regular_file(entry.path)) {
      continue;
    }
    const auto text = edits.text(entry.path);
    if (!is_lock_file(text)) {
      continue;
    }
    check_lock_file(text, entry.path);
    Lock lock{.path = entry.path, .packages = locked_packages(text), .users = {}};
    for (const auto& other : plan.images) {
      if (std::ranges::any_of(other.context, [&](const auto& file) { return file.path == entry.path; })) {
        lock.users.push_back(other.name);
      }
    }
    locks.push_back(std::move(lock));
  }
  return locks;
}

/// The one that was named, else the last of those that the fewest images install.
const Lock& choose_lock(const std::vector<Lock>& locks, const buildspec::PlannedImage& image,
                        const PackageRequest& request) {
  const Lock* chosen = nullptr;
  std::vector<std::string> paths;
  for (const auto& lock : locks) {
    paths.push_back(lock.path);
    if (request.lock_file.empty() ? chosen == nullptr || lock.users.size() <= chosen->users.size()
                                  : lock.path == std::filesystem::path(request.lock_file).lexically_normal()) {
      chosen = &lock;
    }
  }
  if (locks.empty()) {
    throw Error(ErrorKind::invalid,
                fmt::format("the context of {} has no lock file (name==version with --hash)", image.name))
        .at(image.where)
        .hint("list its packages in a file with hashes, name that in the context and install it with --require-hashes");
  }
  if (chosen == nullptr) {
    throw Error(ErrorKind::usage, fmt::format("--lock-file: {} does not install {}", image.name, request.lock_file))
        .hint(fmt::format("it installs {}", fmt::join(paths, ", ")));
  }
  return *chosen;
}

struct Requirement {
  std::string name;     ///< as written, without extras
  std::string extras;   ///< "[socks]", or empty
  std::string version;  ///< empty: the latest that fits
};

Requirement requirement_of(const std::string& text) {
  Requirement wanted;
  const auto equals = text.find("==");
  const auto name = text.substr(0, equals);
  const auto bracket = name.find('[');
  wanted.name = name.substr(0, bracket);
  wanted.extras = bracket == std::string::npos ? "" : name.substr(bracket);
  const bool extras_fit =
      bracket == std::string::npos || (name.ends_with(']') && is_name(name.substr(bracket + 1), "-_.,]"));
  if (equals != std::string::npos) {
    wanted.version = text.substr(equals + 2);
  }
  if (!is_name(wanted.name, "-_.") || !extras_fit ||
      (equals != std::string::npos && !is_name(wanted.version, "-_.+!"))) {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is no package that can be locked", text))
        .hint("NAME or NAME==VERSION, such as pandas==2.2.3; a Debian package: --apt");
  }
  return wanted;
}

class PipEdit {
 public:
  PipEdit(const PackageRequest& request, const GlobalOptions& global)
      : request_(request),
        global_(global),
        wanted_(requirement_of(request.package)),
        plan_(plan_as_written(".", request.edit)),
        image_(named_image(plan_, request.image)),
        edits_("."),
        locks_(locks_of(edits_, plan_, image_)),
        chosen_(choose_lock(locks_, image_, request)) {}

  int run() {
    const auto [known, lock] = find(normalized_name(wanted_.name));
    const bool stays = keeps_version(known);
    if (stays && wanted_.extras.empty()) {
      print_out(
          fmt::format("{}:{}: {}=={} is there already\n", lock->path, known->first_line, known->name, known->version));
      return 0;
    }
    if (known != nullptr && !stays && !request_.upgrade) {
      throw Error(ErrorKind::usage, fmt::format("{} is there already, as {}", known->name, known->version))
          .at({lock->path, known->first_line, 1})
          .hint("--upgrade changes it; others may have to rise with it");
    }
    const auto answer = ask();
    for (const auto& package : answer.packages) {
      take(package);
    }
    if (edits_.empty() && stays) {
      print_out(fmt::format("{}:{}: {}{}=={} is there already, with all that it needs\n", lock->path, known->first_line,
                            known->name, wanted_.extras, known->version));
      return 0;
    }
    if (edits_.empty()) {
      const auto there = answer.installed.find(normalized_name(wanted_.name));
      print_out(fmt::format(
          "{} is there already, as {}, but from no lock file: {} has it from elsewhere, or was built from other "
          "lock files than these\n",
          wanted_.name, there == answer.installed.end() ? "?" : there->second, buildspec::short_name(image_)));
      return 0;
    }
    verify_locks();
    note_unneeded(answer);
    finish_edit(edits_, request_.edit, [&](const buildspec::Plan& after) { verify_same_plan(plan_, after); });
    return 0;
  }

 private:
  [[nodiscard]] std::pair<const LockedPackage*, const Lock*> find(const std::string& name) const {
    for (const auto& lock : locks_) {
      const auto found = std::ranges::find(lock.packages, name, &LockedPackage::name);
      if (found != lock.packages.end()) {
        return {&*found, &lock};
      }
    }
    return {nullptr, nullptr};
  }

  /// Whether the package is locked and is to stay as it is; what its extras ask for may still be missing.
  [[nodiscard]] bool keeps_version(const LockedPackage* known) const {
    return known != nullptr && (known->version == wanted_.version || (wanted_.version.empty() && !request_.upgrade));
  }

  enum class Others { fixed, rising, any };

  /// The others keep their versions, or may rise or change where the package needs that. With --upgrade pip is given
  /// all that is locked, because it looks at nobody's needs but those of what it is asked for.
  [[nodiscard]] PipRequest question(Others others) const {
    PipRequest question;
    question.image = buildspec::short_name(image_);
    question.packages.push_back(request_.package);
    for (const auto& lock : locks_) {
      for (const auto& package : lock.packages) {
        question.free.push_back(package.name);
        if (package.name == normalized_name(wanted_.name)) {
          continue;
        }
        if (request_.upgrade) {
          question.packages.push_back(package.name);
        }
        if (others != Others::any) {
          question.constraints.push_back(package.name + (others == Others::fixed ? "==" : ">=") + package.version);
        }
      }
    }
    const auto* known = find(normalized_name(wanted_.name)).first;
    if (keeps_version(known)) {
      question.packages.front() = wanted_.name + wanted_.extras + "==" + known->version;
    } else if (known != nullptr && wanted_.version.empty()) {  // not pip's --upgrade, which is about all that are named
      question.packages.front() += ">" + known->version.substr(0, known->version.find('+'));
    }
    return question;
  }

  /// What changes least comes first.
  [[nodiscard]] PipAnswer ask() const {
    std::vector<Others> ways{Others::fixed};
    if (request_.upgrade) {
      ways.push_back(Others::rising);
    }
    if (request_.downgrade) {
      ways.push_back(Others::any);
    }
    for (const auto way : ways) {
      try {
        return ask_pip(question(way), global_);
      } catch (Error& error) {
        if (error.kind() != ErrorKind::failed) {
          throw;
        }
        if (way != ways.back()) {
          continue;
        }
        if (const auto* known = find(normalized_name(wanted_.name)).first;
            known != nullptr && wanted_.version.empty() && (request_.downgrade || !error.hint().empty())) {
          error.hint(fmt::format("there may be nothing newer than {} {} that fits", known->name, known->version));
        }
        if (request_.downgrade || !error.hint().empty()) {
          throw;
        }
        throw error.hint(request_.upgrade
                             ? "--downgrade lets what is there fall to older versions too, where that is what stands "
                               "in the way"
                             : "--upgrade lets what is there rise to other versions, where that is what stands in the "
                               "way");
      }
    }
    throw Error(ErrorKind::internal, "pip was not asked");
  }

  void take(const ResolvedPackage& package) {
    const auto [known, lock] = find(normalized_name(package.name));
    if (known != nullptr && known->version == package.version) {
      return;  // the image was built before this was locked
    }
    if (package.hashes.empty()) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("the index gives no hash of {} {}", package.name, package.version))
          .hint("take it from an index that does");
    }
    const auto& into = known != nullptr ? *lock : chosen_;
    if (known != nullptr) {
      std::fprintf(stderr, "note: %s:%d: %s %s becomes %s\n", lock->path.c_str(), known->first_line,
                   known->name.c_str(), known->version.c_str(), package.version.c_str());
    }
    note_users(into);
    edits_.replace(into.path, lock_package(edits_.text(into.path), normalized_name(package.name), package.version,
                                           package.hashes));
  }

  void note_users(const Lock& lock) {
    if (lock.users.size() > 1 && noted_.insert(lock.path).second) {
      std::fprintf(stderr, "note: %s is installed by %s\n", lock.path.c_str(),
                   fmt::format("{}", fmt::join(lock.users, ", ")).c_str());
    }
  }

  void note_unneeded(const PipAnswer& answer) const {
    for (const auto& lock : locks_) {
      for (const auto& package : locked_packages(edits_.text(lock.path))) {
        if (std::ranges::find(answer.unneeded, package.name) != answer.unneeded.end()) {
          std::fprintf(stderr, "note: %s:%d: no package needs %s any longer\n", lock.path.c_str(), package.first_line,
                       package.name.c_str());
        }
      }
    }
  }

  /// Every package stands once among the image's lock files, with a hash.
  void verify_locks() const {
    std::set<std::string> names;
    for (const auto& lock : locks_) {
      for (const auto& package : locked_packages(edits_.text(lock.path))) {
        if (!package.hashed || !names.insert(package.name).second) {
          throw Error(ErrorKind::failed, fmt::format("{} would stand twice or without a hash", package.name))
              .at({lock.path, package.first_line, 1});
        }
      }
    }
    if (!names.contains(normalized_name(wanted_.name))) {
      throw Error(ErrorKind::failed, wanted_.name + " would not be locked");
    }
  }

  const PackageRequest& request_;
  const GlobalOptions& global_;
  Requirement wanted_;
  buildspec::Plan plan_;
  const buildspec::PlannedImage& image_;
  FileEdits edits_;
  std::vector<Lock> locks_;
  const Lock& chosen_;
  std::set<std::string> noted_;
};

}  // namespace

int run_add_package(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app(
      "Add a package to an image: with --apt to the list in its Dockerfile, else to its lock file, with all it needs.",
      "dlc add-package");
  PackageRequest request;
  add_edit_options(app, request.edit);
  app.add_flag("--apt", request.apt, "a Debian package");
  app.add_flag("--everywhere", request.everywhere,
               "with --apt: in all Dockerfiles that are the same up to the list, and so share its layer");
  app.add_flag("--upgrade", request.upgrade,
               "the package may get another version than now, and others may rise with it, but none may fall");
  app.add_flag("--downgrade", request.downgrade, "as --upgrade, and others may fall too where they must");
  app.add_option("--lock-file", request.lock_file,
                 "which of the image's lock files (default: the one that the fewest images install)")
      ->type_name("FILE");
  app.add_option("IMAGE", request.image, "the image, by its key or its name")->required();
  app.add_option("PACKAGE", request.package, "NAME or NAME==VERSION; with --apt a Debian package")->required();
  if (!parse(app, arguments)) {
    return 0;
  }
  request.upgrade = request.upgrade || request.downgrade;
  if (request.apt && (request.upgrade || !request.lock_file.empty())) {
    throw Error(ErrorKind::usage, "--upgrade and --lock-file are about Python packages, not --apt");
  }
  if (request.everywhere && !request.apt) {
    throw Error(ErrorKind::usage, "--everywhere is about --apt")
        .hint("a lock file is shared by naming it in the images' contexts");
  }
  return request.apt ? add_apt(request, global) : PipEdit(request, global).run();
}

}  // namespace dlc::cli
