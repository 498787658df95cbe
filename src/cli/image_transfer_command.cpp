// `dlc image save`, `load` and `pull`: between the store and everywhere else.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "cli/image_command.h"
#include "cli/image_lookup.h"
#include "cli/interrupt.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/progress.h"
#include "cli/progress_view.h"
#include "codec/compression.h"
#include "codec/sinks.h"
#include "oci/reference.h"
#include "registry/client.h"
#include "registry/export.h"
#include "registry/layout.h"
#include "registry/pull.h"
#include "registry/referrers.h"

namespace dlc::cli {

namespace {

enum class SaveFormat { archive, directory };

/// What --format and the output's name ask for. The archive is an OCI tar and a docker-archive at once.
SaveFormat save_format(const std::string& format, const std::string& output) {
  if (format == "oci-dir" || (format == "oci" && !output.empty() && output != "-" && !output.ends_with(".tar"))) {
    if (output.empty() || output == "-") {
      throw Error(ErrorKind::usage, "an OCI layout directory needs -o DIR");
    }
    return SaveFormat::directory;
  }
  return SaveFormat::archive;
}

void refuse_terminal(int fd, const char* what) {
  if (::isatty(fd) == 1) {
    throw Error(ErrorKind::usage, what);
  }
}

/// The layers of an image may still be where its base came from.
void require_layers(store::Store& store, const LocalImage& image, const std::string& name) {
  for (const auto& one : image.platforms) {
    for (const auto& layer : one.manifest.layers) {
      if (!store.blobs().contains(layer.digest)) {
        throw Error(ErrorKind::not_found, fmt::format("{}: layer {} is not in the store", name, layer.digest.str()))
            .hint("fetch the image whole with dlc image pull, or build it again");
      }
    }
  }
}

}  // namespace

int run_image_save(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Write images to a file or directory that Docker, podman, skopeo and dlc read.", "dlc image save");
  std::vector<std::string> names;
  std::string output;
  std::string format = "docker-archive";
  bool no_referrers = false;
  app.add_option("IMAGE", names, "names or digests")->required();
  app.add_option("-o,--output", output, "file or directory; without it standard output");
  app.add_option("--format", format,
                 "docker-archive (docker) or oci-archive: a tar that is both; oci-dir: an OCI layout directory; oci: a "
                 "directory, or a tar where the output ends in .tar")
      ->check(CLI::IsMember({"docker", "docker-archive", "oci", "oci-archive", "oci-dir"}));
  app.add_flag("--no-referrers", no_referrers,
               "leave out what is attached to them (bills of materials), as the docker formats always do");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto kind = save_format(format, output);
  const bool referrers = !no_referrers && !format.starts_with("docker");
  const auto store = open_store(global.store);
  std::vector<std::unique_ptr<registry::ImageSource>> sources;
  std::vector<registry::ExportedImage> images;
  for (const auto& name : names) {
    const auto image = find_image(*store, name);
    require_layers(*store, image, name);
    const auto same = std::find_if(images.begin(), images.end(),
                                   [&](const auto& other) { return other.source->resolve().digest == image.digest; });
    const bool by_name = !image.name.empty() && name.find("sha256:") == std::string::npos;
    if (same != images.end()) {
      if (by_name) {
        same->names.push_back(image.name);
      }
      continue;
    }
    sources.push_back(registry::store_source(*store, image.digest));
    images.push_back({.source = sources.back().get(),
                      .names = by_name ? std::vector{image.name} : std::vector<std::string>{},
                      .referrers = referrers});
  }
  if (kind == SaveFormat::directory) {
    registry::write_layout(output, images);
  } else if (output.empty() || output == "-") {
    refuse_terminal(STDOUT_FILENO, "an image is not written to a terminal; give -o FILE");
    codec::FdSink sink(STDOUT_FILENO, "standard output");
    registry::write_archive(sink, images);
    sink.finish();
  } else {
    registry::write_archive_file(output, images);
  }
  return 0;
}

namespace {

struct LoadOptions {
  std::string input;
  std::vector<std::string> names;
  std::string platform;
  std::string progress = "auto";
  bool replace = false;
};

/// A name that the archive gives an image, as the store keeps it. A bare tag is put behind the file's own name.
std::string stored_name(const std::string& name, const std::filesystem::path& input) {
  if (name.find_first_of("/:") != std::string::npos || !oci::is_tag(name)) {
    return oci::parse_reference(name).str();
  }
  auto path = input;
  if (!path.has_filename()) {
    path = path.parent_path();
  }
  return oci::parse_reference(path.stem().string() + ":" + name).str();
}

std::vector<std::string> names_for(const registry::StoredImage& image, const LoadOptions& options) {
  std::vector<std::string> result;
  const auto add = [&](std::string name) {
    if (std::find(result.begin(), result.end(), name) == result.end()) {
      result.push_back(std::move(name));
    }
  };
  for (const auto& name : options.names) {
    add(oci::parse_reference(name).str());
  }
  const bool has_full = std::any_of(image.names.begin(), image.names.end(),
                                    [](const auto& name) { return name.find_first_of("/:") != std::string::npos; });
  for (const auto& name : image.names) {
    const bool bare = name.find_first_of("/:") == std::string::npos;
    if (options.names.empty() && !(bare && has_full)) {
      add(stored_name(name, options.input.empty() ? "loaded" : options.input));
    }
  }
  return result;
}

/// A layer must be what the config says it unpacks to, or the image would only fail when it is used.
void check_diff_ids(store::Store& store, const registry::Pulled& pulled) {
  for (std::size_t i = 0; i < pulled.manifest.layers.size(); ++i) {
    const auto& layer = pulled.manifest.layers[i];
    const UniqueFd file = store.blobs().open(layer.digest);
    codec::FdSource packed(file.get(), "layer " + layer.digest.str());
    codec::HashSink hash;
    codec::copy(*codec::decompress(packed), hash);
    hash.finish();
    if (hash.digest() != pulled.config.diff_ids.at(i)) {
      throw Error(ErrorKind::corrupt, fmt::format("layer {} unpacks to {}, but the config says {}", layer.digest.str(),
                                                  hash.digest().str(), pulled.config.diff_ids.at(i).str()));
    }
  }
}

ProgressOptions progress_options(const std::string& word) {
  const auto mode = parse_progress_mode(word);
  if (!mode) {
    throw Error(ErrorKind::usage, "unknown form of progress: " + word)
        .hint("auto, tty, plain, quiet, jsonl or rawjson");
  }
  return {.mode = *mode};
}

/// Two names for two things: a name in an archive must not take over one of the user's unasked.
void refuse_takeover(store::Store& store, const std::string& name, const oci::Digest& manifest) {
  const auto known = store.records().find_image(name);
  if (known && known->manifest != manifest) {
    throw Error(ErrorKind::denied, fmt::format("{} already names another image, {}", familiar_name(name),
                                               known->manifest.str().substr(0, 19)))
        .hint("--replace moves the name; --name NAME gives another one");
  }
}

/// The archive on standard input, as a file: its members are read in any order.
std::filesystem::path spool_input(const std::filesystem::path& directory) {
  refuse_terminal(STDIN_FILENO, "no image on standard input; give -i FILE or a directory");
  const auto path = directory / "input.tar";
  const UniqueFd file = open_file(path.string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  codec::FdSource in(STDIN_FILENO, "standard input");
  codec::FdSink out(file.get(), path.string());
  codec::copy(in, out);
  return path;
}

std::string load_image(registry::StoredImage& image, const LoadOptions& options, store::Store& store,
                       const registry::PullOptions& pull_options, EventBus& bus) {
  const auto names = names_for(image, options);
  if (names.empty()) {
    throw Error(ErrorKind::usage, "the image has no name in there").hint("give one: --name NAME");
  }
  const auto pulled = registry::pull_image(*image.source, store, pull_options, bus);
  check_diff_ids(store, pulled);
  registry::pull_referrers(*image.source, store, pulled.descriptor.digest, pull_options, bus);
  for (const auto& name : names) {
    if (!options.replace) {
      refuse_takeover(store, name, pulled.descriptor.digest);
    }
  }
  std::string text;
  for (const auto& name : names) {
    store.records().tag(name, pulled.descriptor.digest);
    text += fmt::format("loaded {}  {}\n", familiar_name(name), pulled.descriptor.digest.str());
  }
  return text;
}

}  // namespace

int run_image_load(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Read images from a docker-archive, an OCI archive or an OCI layout directory into the store.",
               "dlc image load");
  LoadOptions options;
  app.add_option("INPUT,-i,--input", options.input, "file or directory; without it standard input");
  app.add_option("--name", options.names, "name the image so, instead of by the names in the archive");
  app.add_option("--platform", options.platform, "which one of an index; this machine's without it");
  app.add_option("--progress", options.progress, "auto, tty, plain, quiet, jsonl or rawjson");
  app.add_flag("--replace", options.replace, "move names that other images have now");
  if (!parse(app, arguments)) {
    return 0;
  }
  registry::PullOptions pull_options;
  pull_options.platform = options.platform.empty() ? oci::host_platform() : oci::parse_platform(options.platform);
  const auto shown = progress_options(options.progress);
  const auto store = open_store(global.store);
  const TemporaryDirectory scratch = store->make_temporary_directory();
  const auto input = options.input.empty() || options.input == "-" ? spool_input(scratch.path())
                                                                   : std::filesystem::path(options.input);
  const Interrupt interrupt;
  pull_options.stop = interrupt.token();
  EventBus bus;
  Progress progress(bus, shown);
  auto images = registry::open_images(input, scratch.path());
  if (images.empty()) {
    throw Error(ErrorKind::not_found, fmt::format("{} holds no image", input.string()));
  }
  if (!options.names.empty() && images.size() != 1) {
    throw Error(ErrorKind::usage, fmt::format("--name is for one image; {} holds {}", input.string(), images.size()));
  }
  std::string text;
  for (auto& image : images) {
    text += load_image(image, options, *store, pull_options, bus);
  }
  progress.close();
  print_out(text);
  return 0;
}

namespace {

registry::Pulled pull_with_activity(registry::ImageSource& source, store::Store& store, registry::PullOptions options,
                                    EventBus& bus, const std::string& name) {
  Activity activity(bus, ActivityKind::pull, name);
  options.parent = activity.id();
  try {
    auto pulled = registry::pull_image(source, store, options, bus);
    activity.finish(pulled.fetched > 0 ? ActivityResult::done : ActivityResult::cached);
    return pulled;
  } catch (const Error& error) {
    activity.finish(error.kind() == ErrorKind::cancelled ? ActivityResult::cancelled : ActivityResult::failed,
                    error.message());
    throw;
  }
}

}  // namespace

int run_image_pull(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Fetch an image from a registry into the store.", "dlc image pull");
  std::string name;
  std::string platform;
  std::string progress_word = "auto";
  app.add_option("IMAGE", name, "[registry/]name[:tag][@digest]")->required();
  app.add_option("--platform", platform, "os/architecture; this machine's without it");
  app.add_option("--progress", progress_word, "auto, tty, plain, quiet, jsonl or rawjson");
  if (!parse(app, arguments)) {
    return 0;
  }
  auto reference = oci::parse_reference(name);
  registry::PullOptions options;
  options.platform = platform.empty() ? oci::host_platform() : oci::parse_platform(platform);
  const auto shown = progress_options(progress_word);
  const auto store = open_store(global.store);
  const Interrupt interrupt;
  options.stop = interrupt.token();
  EventBus bus;
  Progress progress(bus, shown);
  registry::RegistryOptions registry_options;
  registry_options.http.on_retry = [&](const std::string& reason) { bus.message("warning", reason); };
  registry::RegistryClient client(std::move(registry_options));
  const auto source = registry::registry_source(client, reference, interrupt.token());
  const auto pulled = pull_with_activity(*source, *store, options, bus, reference.familiar());
  if (!reference.tag.empty()) {  // else the digest is the name: something must keep the image from being collected
    reference.digest.reset();
  }
  store->records().tag(reference.str(), pulled.descriptor.digest);
  progress.close();
  print_out(fmt::format("pulled {}  {}  {}\n", reference.familiar(), pulled.descriptor.digest.str(),
                        pulled.fetched > 0 ? format_bytes(pulled.fetched) + " fetched" : "up to date"));
  return 0;
}

}  // namespace dlc::cli
