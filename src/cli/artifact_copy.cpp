#include "cli/artifact_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "dockerfile/edit.h"

namespace dlc::cli {

namespace {

using Images = std::vector<const buildspec::PlannedImage*>;
using dockerfile::Dockerfile;

/// Whether the stage, or one that it is made from, has the line already.
bool is_copied(const Dockerfile& file, std::size_t stage, const ArtifactCopy& artifact) {
  for (const auto number : dockerfile::stage_ancestry(file, stage)) {
    for (const auto& copy : dockerfile::copies_of(file, number, artifact.name)) {
      if (copy.destination == artifact.target) {
        return true;
      }
      throw dockerfile::error_at(file, copy.lines,
                                 fmt::format("{} is copied to {} already", artifact.name, copy.destination))
          .hint("change that line by hand, or --name NAME");
    }
    if (const auto lines = dockerfile::copy_that_makes(file, number, artifact.target)) {
      throw dockerfile::error_at(file, *lines, fmt::format("{} is made from another file already", artifact.target))
          .hint("choose another TARGET");
    }
  }
  return false;
}

/// Without those that are made from another one of them.
std::set<std::size_t> first_stages(const Dockerfile& file, const std::set<std::size_t>& stages) {
  std::set<std::size_t> first;
  for (const auto stage : stages) {
    const auto ancestry = dockerfile::stage_ancestry(file, stage);
    if (std::none_of(ancestry.begin() + 1, ancestry.end(), [&](auto other) { return stages.contains(other); })) {
      first.insert(stage);
    }
  }
  return first;
}

bool has_in_context(const buildspec::PlannedImage& image, const std::string& name) {
  return std::ranges::any_of(image.context, [&](const auto& entry) { return entry.target == name; });
}

/// Another image with this Dockerfile would fail: its context has no such file.
void refuse_shared(const Dockerfile& file, const buildspec::Plan& plan, const std::string& real,
                   const Images& concerned, const std::set<std::size_t>& stages, const ArtifactCopy& artifact) {
  for (const auto& image : plan.images) {
    if (docker_file_of(image) != real || std::ranges::find(concerned, &image) != concerned.end() ||
        has_in_context(image, artifact.name)) {
      continue;
    }
    const auto read = dockerfile::stages_read_by(file, stage_of(file, image));
    if (std::ranges::any_of(read, [&](auto stage) { return stages.contains(stage); })) {
      throw Error(ErrorKind::invalid, fmt::format("{} is the Dockerfile of {} too, whose context would not have {}",
                                                  file.name, image.name, artifact.name))
          .at(image.docker_file_where)
          .hint(
              "add the file for both (--type TYPE, or neither --type nor --image), or give one a Dockerfile or stage "
              "of its own");
    }
  }
}

}  // namespace

std::string docker_file_of(const buildspec::PlannedImage& image) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(image.docker_file_path, error);
  return error ? image.docker_file_path : real.string();
}

Dockerfile dockerfile_of(const FileEdits& edits, const buildspec::PlannedImage& image) {
  if (!std::filesystem::is_regular_file(image.docker_file_path)) {
    throw Error(ErrorKind::not_found,
                fmt::format("the Dockerfile of {} is not there: {}", image.name, image.docker_file_path))
        .at(image.docker_file_where)
        .hint("write it first, or take the image out of the buildspec");
  }
  Diagnostics ignored;
  return dockerfile::parse(edits.text(image.docker_file_path), image.docker_file_path, ignored);
}

std::size_t stage_of(const Dockerfile& file, const buildspec::PlannedImage& image) {
  const auto stage = dockerfile::find_stage(file, image.target);
  if (!stage) {
    throw Error(ErrorKind::invalid,
                fmt::format("{} has no stage {}, the target of {}", file.name, *image.target, image.name))
        .at(image.where)
        .hint("dlc plan --explain " + image.name + ".target says where that comes from");
  }
  return *stage;
}

void add_copy_lines(FileEdits& edits, const buildspec::Plan& plan, const Images& concerned,
                    const ArtifactCopy& artifact) {
  std::map<std::string, Images> by_file;
  for (const auto* image : concerned) {
    by_file[docker_file_of(*image)].push_back(image);
  }
  for (const auto& [real, images] : by_file) {
    const auto& path = images.front()->docker_file_path;
    const auto file = dockerfile_of(edits, *images.front());
    std::set<std::size_t> stages;
    for (const auto* image : images) {
      stages.insert(stage_of(file, *image));
    }
    stages = first_stages(file, stages);
    std::erase_if(stages, [&](auto stage) { return is_copied(file, stage, artifact); });
    refuse_shared(file, plan, real, concerned, stages, artifact);
    auto text = edits.text(path);
    const auto line = dockerfile::copy_instruction(artifact.name, artifact.target, artifact.mode);
    for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {  // from the end: places above stay
      text = dockerfile::add_instruction(text, file, *stage, line);
    }
    edits.replace(path, text);
    static_cast<void>(dockerfile_of(edits, *images.front()));  // it must still be one
  }
}

}  // namespace dlc::cli
