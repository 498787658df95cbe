#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/files.h"
#include "base/suggest.h"
#include "buildspec/document.h"
#include "buildspec/existing_files.h"
#include "buildspec/fields.h"
#include "buildspec/image_resolver.h"
#include "buildspec/naming.h"
#include "buildspec/plan.h"
#include "buildspec/selection.h"

namespace dlc::buildspec {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> find_buildspecs(const fs::path& root) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator folder(root, error); !error && folder != fs::directory_iterator();
       folder.increment(error)) {
    const auto name = folder->path().filename().string();
    if (name.starts_with(".") || !folder->is_directory()) {
      continue;
    }
    std::error_code inner;
    for (fs::directory_iterator file(folder->path(), inner); !inner && file != fs::directory_iterator();
         file.increment(inner)) {
      const auto base = file->path().filename().string();
      if (base.starts_with("buildspec") && base.ends_with(".yml")) {
        found.push_back(name + "/" + base);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// huggingface_pytorch is part of huggingface, whose name the files' `build` flags have.
bool is_part_of(const std::string& framework, const std::string& wanted) {
  return framework == wanted || framework.starts_with(wanted + "_");
}

constexpr int kMostErrors = 200;

class Resolver {
 public:
  Resolver(const ResolveOptions& options, Diagnostics& diagnostics) : options_(options), diagnostics_(diagnostics) {}

  Plan run() {
    check_selection(options_);
    auto files = options_.buildspecs.empty() ? find_buildspecs(options_.root) : options_.buildspecs;
    if (files.empty()) {
      throw Error(ErrorKind::usage, "no buildspec found")
          .hint("run this in the repository's root, where */buildspec*.yml lie, or name one with --buildspec FILE");
    }
    std::set<std::string> seen;
    for (const auto& name : files) {
      const auto normal = fs::path(name).lexically_normal().generic_string();
      if (seen.insert(normal).second) {
        file(normal);
      }
    }
    if (plan_.buildspecs.empty()) {
      throw Error(ErrorKind::usage, fmt::format("--framework: no buildspec is for \"{}\"", options_.framework))
          .hint(fmt::format("the files here are for {}", known_frameworks()));
    }
    if (options_.check_files && diagnostics_.errors() == 0) {
      check_files(options_.root, plan_, FilesOf::selected, diagnostics_);
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] std::shared_ptr<const Document> read(const std::string& name, const Environment& environment,
                                                     Diagnostics& diagnostics) const {
    const auto path = options_.root / name;
    std::error_code error;
    if (fs::is_directory(path, error)) {
      throw Error(ErrorKind::usage, name + " is a directory").hint("name a file: " + name + "/buildspec.yml");
    }
    if (!fs::exists(path, error)) {
      const auto similar = closest(name, find_buildspecs(options_.root));
      throw Error(ErrorKind::usage, "--buildspec: no such file: " + name)
          .hint(similar.empty() ? "the path is relative to the current directory" : "did you mean " + similar + "?");
    }
    try {
      return Document::parse(name, read_file(path, kMaxFileSize), environment, diagnostics);
    } catch (Error& failure) {
      throw failure.at({name, 0, 0});
    }
  }

  void file(const std::string& name) {
    Diagnostics found;
    auto document = read(name, options_.environment, found);
    const Node* root = document->root();
    const auto framework = framework_of(*document);
    if (!options_.framework.empty() && !framework.empty() && !is_part_of(framework, options_.framework)) {
      frameworks_.insert(framework);
      if (options_.buildspecs.empty()) {
        return;
      }
      throw Error(ErrorKind::usage,
                  fmt::format("--framework says {}, but this buildspec is for {}", options_.framework, framework))
          .at(document->location(root->find("framework")->value.at))
          .hint("leave --framework out: it defaults to the file's own");
    }
    plan_.buildspecs.push_back(name);
    if (root != nullptr) {
      document = with_selection(name, framework, found);
    }
    plan_.documents.push_back(document);
    for (const auto& diagnostic : found.all()) {
      diagnostics_.add(diagnostic);
    }
    if (document->root() != nullptr && !follow_pointer(*document)) {
      images(*document);
    }
  }

  /// The file read again with the variables of the selection set.
  std::shared_ptr<const Document> with_selection(const std::string& name, const std::string& framework,
                                                 Diagnostics& found) {
    const auto& name_of_choice = options_.framework.empty() ? framework : options_.framework;
    choice_ = choose(options_, name_of_choice);
    auto environment = options_.environment;
    for (auto& variable : choice_.variables(name_of_choice)) {
      environment[std::move(variable)] = "true";
    }
    if (const auto family = framework.substr(0, framework.find('_')); options_.framework.empty()) {
      for (auto& variable : choice_.variables(family)) {
        environment[std::move(variable)] = "true";
      }
    }
    found = Diagnostics();
    return read(name, environment, found);
  }

  [[nodiscard]] std::string framework_of(const Document& document) const {
    const Node* root = document.root();
    const Entry* entry = root != nullptr && root->kind == Kind::mapping ? root->find("framework") : nullptr;
    return entry != nullptr && document.kind(entry->value) == Kind::string ? document.text(entry->value)
                                                                           : std::string();
  }

  /// `buildspec_pointer: other.yml` stands for another file of the same directory, in pull requests.
  bool follow_pointer(const Document& document) {
    const Node& root = *document.root();
    const Entry* pointer = root.kind == Kind::mapping ? root.find("buildspec_pointer") : nullptr;
    if (pointer == nullptr || root.find("images") != nullptr) {
      return false;
    }
    const std::string target =
        (fs::path(document.name()).parent_path() / document.text(pointer->value)).generic_string();
    if (build_context(options_.environment) != BuildContext::pull_request) {
      diagnostics_.add(document.finding(Severity::error, pointer->key_at,
                                        "`buildspec_pointer` counts in pull requests only",
                                        "use --buildspec " + target));
    } else if (++pointers_ > 8) {
      diagnostics_.add(document.finding(Severity::error, pointer->key_at, "`buildspec_pointer` leads to itself",
                                        "name the file that has the images"));
    } else {
      file(target);
    }
    return true;
  }

  [[nodiscard]] std::optional<FileFacts> facts(const Document& document) {
    const Node& root = *document.root();
    if (root.kind != Kind::mapping) {
      diagnostics_.add(document.finding(Severity::error, root.at,
                                        fmt::format("a buildspec is a map, but this is {}", name_of(root.kind)),
                                        "expected account_id, region, framework, version, images"));
      return std::nullopt;
    }
    const Fields fields(document, root, {1, 1, 1}, "the buildspec", diagnostics_);
    FileFacts file;
    file.account_id = fields.required("account_id");
    file.region = fields.required("region");
    file.framework = fields.required("framework");
    file.version = fields.required("version");
    file.version_entry = fields.find("version");
    file.context = fields.map("context");
    if (fields.given("source_date_epoch") != nullptr) {
      file.source_date_epoch = fields.whole_number("source_date_epoch", 0);
    }
    file.build_context = build_context(options_.environment);
    file.tag_suffix = tag_suffix(file.build_context, options_.environment);
    file.date_suffix = date_suffix(options_.now);
    return file;
  }

  void images(const Document& document) {
    const auto shared = facts(document);
    if (!shared) {
      return;
    }
    const Fields fields(document, *document.root(), {1, 1, 1}, "the buildspec", diagnostics_);
    if (fields.given("images") == nullptr) {
      fields.missing("images");
      return;
    }
    const Node* map = fields.map("images");
    ImageResolver resolver(document, *shared, options_, diagnostics_);
    std::vector<PlannedImage> planned;
    for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
      const Entry& entry = map->entries[i];
      if (entry.value.node->kind == Kind::bad) {
        continue;
      }
      if (diagnostics_.errors() >= kMostErrors) {
        fields.error(entry.key_at, "too many errors; the rest of the images was not read");
        break;
      }
      if (entry.value.node->kind != Kind::mapping) {
        fields.error(entry.value.at,
                     fmt::format("image {} must be a map, but this is {}", entry.key, name_of(entry.value.node->kind)),
                     "expected `key: value` lines below it");
        continue;
      }
      if (auto image = resolver.resolve(entry, planned)) {
        planned.push_back(std::move(*image));
      } else {
        plan_.skipped.push_back({document.name(), entry.key, "version"});
      }
    }
    for (auto& image : planned) {
      add(std::move(image));
    }
  }

  void add(PlannedImage image) {
    if (image.to_build) {
      const auto reference = full_reference(image);
      plan_.operations.push_back("build " + reference);
      insert_sorted(plan_.test_images["sanity"], reference);
      for (const auto& combination : choice_.combinations) {
        for (const auto& suite : combination.covers(image) ? combination.suites : std::set<std::string>()) {
          insert_sorted(plan_.test_images[suite], reference);
        }
      }
    }
    plan_.images.push_back(std::move(image));
  }

  static void insert_sorted(std::vector<std::string>& names, const std::string& name) {
    const auto place = std::lower_bound(names.begin(), names.end(), name);
    if (place == names.end() || *place != name) {
      names.insert(place, name);
    }
  }

  [[nodiscard]] std::string known_frameworks() const {
    std::string text;
    for (const auto& framework : frameworks_) {
      text += (text.empty() ? "" : ", ") + framework;
    }
    return text;
  }

  const ResolveOptions& options_;
  Diagnostics& diagnostics_;
  Plan plan_;
  Choice choice_;
  std::set<std::string> frameworks_;
  int pointers_ = 0;
};

}  // namespace

Plan resolve(const ResolveOptions& options, Diagnostics& diagnostics) {
  return Resolver(options, diagnostics).run();
}

}  // namespace dlc::buildspec
