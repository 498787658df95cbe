#include "build/outputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>

#include "base/error.h"
#include "base/output_file.h"
#include "base/process.h"
#include "build/mounted_chain.h"
#include "build/tree_tar.h"
#include "codec/sinks.h"
#include "oci/reference.h"
#include "registry/export.h"
#include "registry/pull.h"
#include "registry/push.h"

namespace dlc::build {

namespace fs = std::filesystem;

namespace {

/// The same chain, with all its layers unpacked.
const codec::Digest& unpacked(store::Store& store, const codec::Digest& chain) {
  if (!chain.is_zero()) {
    for (const auto& layer : store.layers().chain(chain)) {
      if (!layer.unpacked) {
        store.layers().unpack(layer.chain_id);
      }
    }
  }
  return chain;
}

/// "linux_arm64", as buildx names the directories of several platforms.
std::string directory_name(const oci::Platform& platform) {
  auto name = oci::to_string(platform);
  std::ranges::replace(name, '/', '_');
  return name;
}

/// The file systems of all platforms, mounted, and where each goes.
class MountedPlatforms {
 public:
  MountedPlatforms(const OutputSpec& spec, const BuiltImage& image, store::Store& store) {
    const bool split = image.platforms.size() > 1 ? spec.platform_split.value_or(true) : spec.platform_split == true;
    for (const auto& built : image.platforms) {
      const auto& mounted = mounts_.emplace_back(store, unpacked(store, built.chain));
      trees_.push_back({.root = mounted.path(),
                        .prefix = split ? directory_name(built.platform) : std::string(),
                        .time = built.epoch});
    }
  }
  [[nodiscard]] std::span<const ExportedTree> trees() const { return trees_; }

 private:
  std::deque<MountedChain> mounts_;
  std::vector<ExportedTree> trees_;
};

void write_tar(const OutputSpec& spec, std::span<const ExportedTree> trees) {
  if (is_stream(spec)) {
    codec::FdSink out(STDOUT_FILENO, "standard output");
    write_tree_tar(out, trees);
    return;
  }
  OutputFile file(spec.dest);
  codec::FdSink out(file.fd(), file.name());
  write_tree_tar(out, trees);
  file.commit();
}

void set_time(const fs::path& path, std::int64_t seconds) {
  const std::array<timespec, 2> times{timespec{.tv_sec = seconds, .tv_nsec = 0},
                                      timespec{.tv_sec = seconds, .tv_nsec = 0}};
  if (::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the time of " + path.string());
  }
}

/// Gives what was copied from `tree` the one time of a reproducible export; other files of the directory keep theirs.
void set_times(const ExportedTree& tree, const fs::path& target) {
  std::vector<fs::path> directories;
  for (const auto& entry : fs::recursive_directory_iterator(tree.root)) {
    const auto copied = target / entry.path().lexically_relative(tree.root);
    if (entry.is_directory() && !entry.is_symlink()) {
      directories.push_back(copied);
    } else {
      set_time(copied, *tree.time);
    }
  }
  std::ranges::for_each(directories, [&](const auto& directory) { set_time(directory, *tree.time); });
}

/// Takes away what stands where a directory of `tree` goes; a directory of the user's is never replaced.
void make_way(const ExportedTree& tree, const fs::path& target) {
  for (const auto& entry : fs::recursive_directory_iterator(tree.root)) {
    const auto place = target / entry.path().lexically_relative(tree.root);
    const bool wanted = entry.is_directory() && !entry.is_symlink();
    const auto there = fs::symlink_status(place).type();
    if (there == fs::file_type::not_found || (there == fs::file_type::directory) == wanted) {
      continue;
    }
    if (there == fs::file_type::directory) {
      throw Error(ErrorKind::invalid, place.string() + " is a directory, and the build has a file there")
          .hint("remove it, or write to another directory");
    }
    fs::remove(place);
  }
}

/// The directory itself stays as it is: it is the user's, not the image's root.
void write_local(const OutputSpec& spec, std::span<const ExportedTree> trees) {
  for (const auto& tree : trees) {
    const auto target = tree.prefix.empty() ? fs::path(spec.dest) : fs::path(spec.dest) / tree.prefix;
    std::error_code failed;
    if (fs::create_directories(target, failed); failed) {
      throw system_error("create the directory " + target.string(), failed.value());
    }
    make_way(tree, target);
    const auto result = run_command({"find", tree.root.string(), "-mindepth", "1", "-maxdepth", "1", "-exec", "cp",
                                     "-a", "--remove-destination", "-t", target.string(), "--", "{}", "+"});
    if (result.status != 0) {
      throw Error(ErrorKind::failed, "the files could not be copied to " + target.string() + ": " + result.error);
    }
    if (tree.time) {
      set_times(tree, target);
    }
  }
}

std::vector<std::string> names_of(const OutputSpec& spec, const BuiltImage& image) {
  if (spec.names.empty()) {
    return image.names;
  }
  std::vector<std::string> names;
  std::ranges::transform(spec.names, std::back_inserter(names),
                         [](const auto& name) { return oci::parse_reference(name).str(); });
  return names;
}

void write_archive(const OutputSpec& spec, const BuiltImage& image, const oci::Descriptor& form, store::Store& store) {
  const auto source = registry::store_source(store, form.digest);
  const std::array images{registry::ExportedImage{.source = source.get(),
                                                  .names = names_of(spec, image),
                                                  .annotations = form.annotations,
                                                  .referrers = spec.type != OutputType::docker}};
  if (!spec.tar) {
    registry::write_layout(spec.dest, images);
  } else if (is_stream(spec)) {
    codec::FdSink out(STDOUT_FILENO, "standard output");
    registry::write_archive(out, images);
  } else {
    registry::write_archive_file(spec.dest, images);
  }
}

void push(const OutputSpec& spec, const BuiltImage& image, const oci::Descriptor& form, store::Store& store,
          EventBus& bus, ActivityId parent, const std::stop_token& stop) {
  registry::RegistryOptions options;
  options.http.on_retry = [&](const std::string& reason) { bus.message("warning", reason); };
  for (const auto& name : names_of(spec, image)) {
    auto reference = oci::parse_reference(name);
    if (spec.push_by_digest) {
      reference.tag.clear();
      reference.digest = form.digest;
    }
    if (spec.insecure) {
      options.insecure.push_back(reference.registry);
    }
    registry::RegistryClient client(options);
    Activity activity(bus, ActivityKind::push, "pushing " + reference.familiar(), parent);
    try {
      registry::PushOptions push_options;
      push_options.parent = activity.id();
      push_options.stop = stop;
      registry::push_image(client, reference, store, form.digest, push_options, bus);
      activity.finish(ActivityResult::done);
    } catch (const Error& error) {
      activity.finish(error);
      throw;
    }
  }
}

void write_files(const OutputSpec& spec, const BuiltImage& image, store::Store& store) {
  const MountedPlatforms mounted(spec, image, store);
  spec.type == OutputType::tar ? write_tar(spec, mounted.trees()) : write_local(spec, mounted.trees());
}

}  // namespace

oci::Descriptor form_for(const OutputSpec& spec, const BuiltImage& image, store::Store& store) {
  ImageForm form;
  form.compression = spec.compression;
  form.all_layers = spec.force_compression;
  if (form.all_layers && !form.compression) {
    form.compression.emplace();
  }
  form.docker_types = !spec.oci_media_types;
  form.annotations = image.annotations;
  form.annotations.insert(form.annotations.end(), spec.annotations.begin(), spec.annotations.end());
  return form_image(image.platforms, form, store);
}

void write_output(const OutputSpec& spec, const BuiltImage& image, const oci::Descriptor& form, store::Store& store,
                  EventBus& bus, ActivityId parent, const std::stop_token& stop) {
  if (spec.push && names_image(spec.type)) {
    push(spec, image, form, store, bus, parent, stop);
  }
  if (spec.type == OutputType::image || spec.type == OutputType::cacheonly) {
    return;
  }
  Activity activity(bus, ActivityKind::other, "exporting to " + (is_stream(spec) ? "standard output" : spec.dest),
                    parent);
  try {
    if (names_image(spec.type)) {
      write_archive(spec, image, form, store);
    } else {
      write_files(spec, image, store);
    }
    activity.finish(ActivityResult::done);
  } catch (const Error& error) {
    activity.finish(error);
    throw;
  } catch (const fs::filesystem_error& error) {
    activity.finish(ActivityResult::failed, error.what());
    throw Error(ErrorKind::failed, error.what());
  }
}

void check_outputs(std::span<const OutputSpec> outputs, const std::vector<std::string>& names) {
  if (std::ranges::count_if(outputs, is_stream) > 1) {
    throw Error(ErrorKind::usage, "--output: only one output can go to standard output")
        .hint("give the others a dest=FILE");
  }
  for (const auto& spec : outputs) {
    if (spec.push && spec.names.empty() && names.empty()) {
      throw Error(ErrorKind::usage, "tag is needed when pushing to registry").hint("give one with -t or name=");
    }
  }
}

}  // namespace dlc::build
