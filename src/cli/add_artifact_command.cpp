#include "cli/add_artifact_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "buildspec/document.h"
#include "buildspec/edit.h"
#include "cli/artifact_copy.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/repository_edit.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

struct ArtifactRequest {
  EditOptions edit;
  std::string type;    ///< of images, empty: all types
  std::string image;   ///< empty: all images (of the type)
  std::string source;  ///< relative to the repository
  std::string target;  ///< path in the image
  std::string name;    ///< in the context
  std::string mode;    ///< as COPY --chmod takes it; empty: none
};

using Images = std::vector<const buildspec::PlannedImage*>;

bool is_plain_path(const std::string& path) {
  return !path.empty() && std::ranges::all_of(path, [](unsigned char c) {
    return c >= ' ' && c != 0x7F &&
           std::string_view("$\"'\\`<>*?[]").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

/// The last name of the path as it was given: a link's own, not that of the file behind it.
std::string given_name(const fs::path& source, const fs::path& full) {
  auto given = source.lexically_normal();
  given = given.has_filename() ? given.filename() : given.parent_path().filename();
  return given.empty() || given == "." || given == ".." ? full.filename().string() : given.string();
}

/// The file that is meant, as a path of the repository; its name and mode where they were not given.
void look_at_source(ArtifactRequest& request) {
  std::error_code error;
  const auto root = fs::canonical(".");
  const auto full = fs::canonical(request.source, error);
  if (error) {
    throw Error(ErrorKind::usage, "no such file: " + request.source)
        .hint("SOURCE is a path relative to the current directory");
  }
  const auto relative = full.lexically_relative(root).generic_string();
  if (relative.empty() || relative == "." || relative.starts_with("..")) {
    throw Error(ErrorKind::usage, request.source + " does not lie in this repository")
        .hint(
            "copy it here first: to artifacts/ for images of every framework, to FRAMEWORK/artifacts/ or "
            "FRAMEWORK/TYPE/docker/artifacts/ for some");
  }
  if (!fs::is_regular_file(full) && !fs::is_directory(full)) {
    throw Error(ErrorKind::usage, request.source + " is neither a file nor a directory")
        .hint("a device, pipe or socket can't be part of an image");
  }
  if (request.name.empty()) {
    request.name = given_name(request.source, full);
  }
  request.source = relative;
  if (request.mode.empty() && fs::is_regular_file(full)) {
    const bool executable = (fs::status(full).permissions() & fs::perms::owner_exec) != fs::perms::none;
    request.mode = executable ? "0755" : "u=rw,go=r";  // a number would be the mode of new directories too
  }
}

void look_at_target(ArtifactRequest& request) {
  if (!request.target.starts_with('/') || !is_plain_path(request.target)) {
    throw Error(ErrorKind::usage,
                fmt::format("TARGET is the file's path in the image, but \"{}\" is not absolute or has "
                            "characters with a meaning in Dockerfiles",
                            request.target))
        .hint("such as /usr/local/bin/" + request.name);
  }
  if (request.target.ends_with('/')) {
    request.target += request.name;
  }
  request.target = fs::path(request.target).lexically_normal().generic_string();
  if (!is_plain_path(request.name) || fs::path(request.name).is_absolute() ||
      request.name.find("..") != std::string::npos) {
    throw Error(ErrorKind::usage, fmt::format("--name: \"{}\" is no name for a file of a context", request.name))
        .hint("choose one without quotes, `$` and wildcards: --name NAME");
  }
}

/// Whether the image is made from another one of these by `base_image_name`, which gives it the file.
bool is_based_on(const Images& images, const buildspec::PlannedImage& image) {
  return image.base_image_name && std::ranges::any_of(images, [&](const auto* other) {
           return other->buildspec == image.buildspec && other->name == *image.base_image_name;
         });
}

/// The images that are to get the file themselves.
Images concerned_images(const buildspec::Plan& plan, const ArtifactRequest& request) {
  if (!request.image.empty()) {
    return {&named_image(plan, request.image)};
  }
  Images images;
  std::set<std::string> types;
  for (const auto& image : plan.images) {
    types.insert(image.image_type);
    if (request.type.empty() || image.image_type == request.type) {
      images.push_back(&image);
    }
  }
  if (images.empty()) {
    throw Error(ErrorKind::usage, fmt::format("--type: there is no image of the type {}", request.type))
        .hint(fmt::format("the types here are: {}", fmt::join(types, ", ")));
  }
  const auto all = images;
  std::erase_if(images, [&](const auto* image) { return is_based_on(all, *image); });
  return images;
}

/// Whether the image has the file in its context already. Throws where another one has its name.
bool has_entry(const buildspec::PlannedImage& image, const ArtifactRequest& request) {
  for (const auto& entry : image.context) {
    if (entry.target != request.name) {
      continue;
    }
    if (entry.downloaded || entry.path != request.source) {
      throw Error(ErrorKind::invalid, fmt::format("{} has {} in its context already, from {}", image.name, request.name,
                                                  entry.downloaded ? "a download" : entry.path))
          .at(entry.where)
          .hint("--name NAME gives this file another name in the context");
    }
    return true;
  }
  return false;
}

/// The source as the images' contexts name it: relative to each of their roots.
std::string source_text(const Images& images, const std::string& source) {
  std::set<std::string> texts;
  for (const auto* image : images) {
    texts.insert(fs::path(source).lexically_relative(image->root).generic_string());
  }
  for (const auto& text : texts) {
    if (std::ranges::all_of(
            images, [&](const auto* image) { return (fs::path(image->root) / text).lexically_normal() == source; })) {
      return text;
    }
  }
  // "docker/x" of one root is "../training/docker/x" of all roots beside it
  const fs::path root(images.front()->root);
  const auto roundabout = fs::path(source).lexically_relative(root.parent_path()).generic_string();
  return "../" + roundabout;
}

const buildspec::Entry* own_entry(const buildspec::Node& map, const std::string& key) {
  const auto* entry = map.find(key);
  return entry != nullptr && entry->via.empty() ? entry : nullptr;
}

void refuse_known_key(const buildspec::Document& document, const buildspec::Node& map,
                      const buildspec::ContextEdit& entry) {
  if (const auto* known = map.find(entry.key)) {
    throw Error(ErrorKind::invalid, fmt::format("the context has a key {} already", entry.key))
        .at(document.location(known->key_at))
        .hint("--name NAME gives this file another name and key");
  }
}

/// Adds to the file's own `context`, for all its images.
std::string add_for_all(const buildspec::Document& document, const buildspec::ContextEdit& entry) {
  const auto* context = document.root()->find("context");
  if (context == nullptr || context->value.node->kind == buildspec::Kind::null) {
    return buildspec::add_context(document, *document.root(), entry);
  }
  if (context->value.aliased) {
    throw Error(ErrorKind::invalid, "the file's `context` is an alias")
        .at(document.location(context->value.at))
        .hint("write the map itself there");
  }
  refuse_known_key(document, *context->value.node, entry);
  return buildspec::add_context_entry(document, *context->value.node, entry);
}

/// Adds to `context.<type>_context`, which the images of the type merge.
std::string add_for_type(const buildspec::Document& document, const std::string& type,
                         const buildspec::ContextEdit& entry) {
  const auto* context = document.root()->find("context");
  const auto key = type + "_context";
  const bool is_map = context != nullptr && context->value.node->kind == buildspec::Kind::mapping;
  const auto* holder = is_map ? context->value.node->find(key) : nullptr;
  if (holder == nullptr || holder->value.aliased || holder->value.node->kind != buildspec::Kind::mapping) {
    throw Error(ErrorKind::invalid,
                fmt::format("there is no map `{}` below `context`, which the {} images would share", key, type))
        .at(document.location(context != nullptr ? context->key_at : document.root()->at))
        .hint("add one with an anchor, and `<<: *ANCHOR` to the images' `context`; or --image IMAGE, for each");
  }
  refuse_known_key(document, *holder->value.node, entry);
  return buildspec::add_context_entry(document, *holder->value.node, entry);
}

std::string add_for_image(const buildspec::Document& document, const buildspec::PlannedImage& image,
                          const buildspec::ContextEdit& entry) {
  const auto& use = document.root()->find("images")->value.node->find(image.name)->value;
  if (use.aliased) {
    throw Error(ErrorKind::invalid, fmt::format("{} is an alias of another image", image.name))
        .at(document.location(use.at))
        .hint("write `<<: *ANCHOR` below its name, and what is its own below that");
  }
  const auto* context = use.node->find("context");
  const auto* own = own_entry(*use.node, "context");
  if (context != nullptr && (own == nullptr || own->value.aliased)) {
    const auto& at = own != nullptr ? own->value.at : context->via.front().at;
    const auto& anchor = context->value.node->anchor;
    throw Error(ErrorKind::invalid, fmt::format("the context of {} is one that several images share", image.name))
        .at(document.location(at))
        .hint(fmt::format("give it one of its own: `context:`, and below it `<<: *{}`",
                          anchor.empty() ? "ANCHOR" : anchor));
  }
  if (own == nullptr || own->value.node->kind == buildspec::Kind::null) {
    return buildspec::add_context(document, *use.node, entry);
  }
  if (const auto* known = own_entry(*own->value.node, entry.key)) {
    throw Error(ErrorKind::invalid, fmt::format("the context has a key {} already", entry.key))
        .at(document.location(known->key_at))
        .hint("--name NAME gives this file another name and key");
  }
  return buildspec::add_context_entry(document, *own->value.node, entry);
}

/// The concerned images have one more entry of their context; nothing else is different.
void verify_contexts(const buildspec::Plan& before, const buildspec::Plan& after, const Images& concerned,
                     const ArtifactRequest& request) {
  if (after.images.size() != before.images.size()) {
    throw Error(ErrorKind::failed, "the buildspec would have other images than before");
  }
  for (std::size_t i = 0; i < before.images.size(); ++i) {
    const auto& image = before.images[i];
    auto expected = facts_of(image);
    const auto unchanged = expected;
    const auto name = "context " + request.name;
    const bool is_concerned = std::ranges::find(concerned, &image) != concerned.end();
    if (is_concerned) {
      expected[name] = request.source;
    }
    const auto now = facts_of(after.images[i]);
    auto with_entry = unchanged;
    with_entry[name] = request.source;
    // one that was asked for and is not concerned has the file from its base
    const bool inherits =
        !is_concerned && request.image.empty() && (request.type.empty() || image.image_type == request.type);
    if (now == expected || (inherits && now == with_entry)) {
      continue;
    }
    if (is_concerned && now == unchanged) {
      throw Error(ErrorKind::invalid, fmt::format("{} does not take {} from there", image.name, request.name))
          .at(image.where)
          .hint(fmt::format("its `context` must merge the shared one (`<<: *ANCHOR`); or --image {}", image.name));
    }
    if (!is_concerned && now.contains(name) && !unchanged.contains(name)) {
      throw Error(ErrorKind::invalid,
                  fmt::format("{} would get {} too: several images share that context", image.name, request.name))
          .at(image.where)
          .hint("give the images contexts of their own (`context:` with `<<: *ANCHOR` below it)");
    }
    throw Error(ErrorKind::failed, fmt::format("more than the context of {} would change", image.name)).at(image.where);
  }
}

void edit_buildspecs(FileEdits& edits, const buildspec::Plan& plan, const Images& concerned,
                     const ArtifactRequest& request) {
  for (const auto& document : plan.documents) {
    Images images;
    std::size_t known = 0;
    for (const auto* image : concerned) {
      if (image->buildspec == document->name()) {
        images.push_back(image);
        known += has_entry(*image, request) ? 1 : 0;
      }
    }
    if (images.size() == known) {
      continue;
    }
    const buildspec::ContextEdit entry{
        .key = request.name, .source = source_text(images, request.source), .target = request.name};
    edits.replace(document->name(), !request.image.empty()  ? add_for_image(*document, *images.front(), entry)
                                    : !request.type.empty() ? add_for_type(*document, request.type, entry)
                                                            : add_for_all(*document, entry));
  }
}

/// Without a framework all images would be those of every framework; that must be meant.
void require_framework(const buildspec::Plan& plan, const ArtifactRequest& request) {
  std::set<std::string> frameworks;
  for (const auto& image : plan.images) {
    frameworks.insert(image.framework);
  }
  if (request.image.empty() && request.edit.framework.empty() && request.edit.buildspecs.empty() &&
      frameworks.size() > 1) {
    throw Error(ErrorKind::usage, "which framework?")
        .hint(fmt::format("--framework NAME, one of: {}", fmt::join(frameworks, ", ")));
  }
}

}  // namespace

int run_add_artifact(std::span<const std::string> arguments, const GlobalOptions& /*global*/) {
  CLI::App app("Add a file to all images, those of a type, or one: context entry and COPY line.", "dlc add-artifact");
  ArtifactRequest request;
  add_edit_options(app, request.edit);
  auto* type = app.add_option("--type", request.type, "only images of this type, such as training")->type_name("TYPE");
  app.add_option("--image", request.image, "only this image, by its key or its name")
      ->type_name("IMAGE")
      ->excludes(type);
  app.add_option("--name", request.name, "its name in the build context (default: the file's)")->type_name("NAME");
  app.add_option("--chmod", request.mode, "its mode in the image (default: 0755 for a program, else u=rw,go=r)")
      ->type_name("MODE")
      ->check([](const std::string& text) {
        const bool octal =
            (text.size() == 3 || text.size() == 4) && text.find_first_not_of("01234567") == std::string::npos;
        return octal ? std::string() : "not an octal mode: " + text;
      });
  app.add_option("SOURCE", request.source, "a file or directory of this repository")->required();
  app.add_option("TARGET", request.target, "its path in the image; with a / at its end, the directory")->required();
  if (!parse(app, arguments)) {
    return 0;
  }
  look_at_source(request);
  look_at_target(request);
  const auto plan = plan_as_written(".", request.edit);
  require_framework(plan, request);
  const auto concerned = concerned_images(plan, request);
  FileEdits edits(".");
  edit_buildspecs(edits, plan, concerned, request);
  add_copy_lines(edits, plan, concerned, {.name = request.name, .target = request.target, .mode = request.mode});
  if (edits.empty()) {
    print_out(fmt::format("{} is there already, as {}\n", request.source, request.target));
    return 0;
  }
  finish_edit(edits, request.edit,
              [&](const buildspec::Plan& after) { verify_contexts(plan, after, concerned, request); });
  return 0;
}

}  // namespace dlc::cli
