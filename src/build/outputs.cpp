#include "build/outputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "registry/export.h"
#include "registry/pull.h"
#include "sandbox/overlay.h"

namespace dlc::build {

namespace fs = std::filesystem;

namespace {

struct TypeName {
  std::string_view word;
  OutputType type;
};
constexpr std::array kTypes{TypeName{"image", OutputType::image},   TypeName{"oci", OutputType::oci},
                            TypeName{"docker", OutputType::docker}, TypeName{"tar", OutputType::tar},
                            TypeName{"local", OutputType::local},   TypeName{"cacheonly", OutputType::cacheonly},
                            TypeName{"registry", OutputType::image}};

OutputType parse_type(const std::string& word) {
  for (const auto& name : kTypes) {
    if (name.word == word) {
      return name.type;
    }
  }
  throw Error(ErrorKind::usage, "--output: unknown type " + word)
      .hint("one of image, oci, docker, tar, local, cacheonly");
}

bool parse_bool(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1" || value.empty()) {
    return true;
  }
  if (value == "false" || value == "0") {
    return false;
  }
  throw Error(ErrorKind::usage, fmt::format("--output: {}={} is neither true nor false", key, value));
}

codec::Compression parse_kind(const std::string& value) {
  if (value == "gzip") {
    return codec::Compression::gzip;
  }
  if (value == "zstd") {
    return codec::Compression::zstd;
  }
  if (value == "uncompressed" || value == "none") {
    return codec::Compression::none;
  }
  throw Error(ErrorKind::usage, "--output: unknown compression " + value).hint("one of gzip, zstd, uncompressed");
}

codec::CompressionOptions& compression_of(OutputSpec& spec) {
  if (!spec.compression) {
    spec.compression.emplace();
  }
  return *spec.compression;
}

void apply(OutputSpec& spec, const std::string& key, const std::string& value) {
  if (key == "type") {
    spec.type = parse_type(value);
    spec.push = spec.push || value == "registry";
  } else if (key == "dest") {
    spec.dest = value;
  } else if (key == "tar") {
    spec.tar = parse_bool(key, value);
  } else if (key == "name") {
    const auto names = split_csv(value);
    spec.names.insert(spec.names.end(), names.begin(), names.end());
  } else if (key == "compression") {
    compression_of(spec).kind = parse_kind(value);
  } else if (key == "compression-level") {
    auto& level = compression_of(spec).level;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), level);
    if (result.ec != std::errc{} || result.ptr != value.data() + value.size()) {
      throw Error(ErrorKind::usage, "--output: compression-level=" + value + " is no number");
    }
  } else if (key == "force-compression") {
    spec.force_compression = parse_bool(key, value);
  } else if (key == "rewrite-timestamp") {
    spec.rewrite_timestamp = parse_bool(key, value);
  } else if (key == "push") {
    spec.push = parse_bool(key, value);
  } else if (key.starts_with("annotation.") || key.starts_with("annotation-manifest.")) {
    spec.annotations[key.substr(key.find('.') + 1)] = value;
  } else if (key != "oci-mediatypes" && key != "store" && key != "unpack" && key != "name-canonical" &&
             key != "dangling-name-prefix" && key != "buildinfo" && key != "attestation-prefix") {
    throw Error(ErrorKind::usage, "--output: unknown key " + key);
  }
}

std::int64_t seconds_of(const struct stat& info) {
  return info.st_mtim.tv_sec;
}

/// Writes a mounted file system as one tar, in the order of names, each inode once.
class TreeTar {
 public:
  TreeTar(codec::Sink& out, fs::path root) : out_(out), writer_(out), root_(std::move(root)) {}

  void write() {
    directory("");
    writer_.finish();
    out_.finish();
  }

 private:
  using LinkKey = std::pair<dev_t, ino_t>;

  void directory(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ / path)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    for (const auto& name : names) {
      entry(path.empty() ? name : path + "/" + name);
    }
  }

  void entry(const std::string& path) {
    const auto full = (root_ / path).string();
    struct stat info{};
    if (::lstat(full.c_str(), &info) != 0) {
      throw system_error(full);
    }
    codec::TarEntry out;
    out.path = path;
    out.mode = info.st_mode & 07777U;
    out.uid = info.st_uid;
    out.gid = info.st_gid;
    out.mtime = seconds_of(info);
    if (S_ISSOCK(info.st_mode)) {
      return;  // tar has no type for it, and nothing would answer
    }
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
      const auto [first, is_new] = links_.emplace(LinkKey(info.st_dev, info.st_ino), path);
      if (!is_new) {
        out.type = codec::TarEntry::Type::hard_link;
        out.link = first->second;
        writer_.begin(out);
        return;
      }
    }
    xattrs(full, out);
    body(full, info, out);
  }

  void body(const std::string& full, const struct stat& info, codec::TarEntry& out) {
    switch (info.st_mode & S_IFMT) {
      case S_IFDIR:
        out.type = codec::TarEntry::Type::directory;
        writer_.begin(out);
        directory(out.path);
        break;
      case S_IFLNK:
        out.type = codec::TarEntry::Type::symlink;
        out.link = fs::read_symlink(full).string();
        writer_.begin(out);
        break;
      case S_IFREG:
        out.size = static_cast<std::uint64_t>(info.st_size);
        writer_.begin(out);
        content(full);
        break;
      case S_IFIFO:
        out.type = codec::TarEntry::Type::fifo;
        writer_.begin(out);
        break;
      default:
        out.type = S_ISBLK(info.st_mode) ? codec::TarEntry::Type::block : codec::TarEntry::Type::character;
        out.major = major(info.st_rdev);
        out.minor = minor(info.st_rdev);
        writer_.begin(out);
        break;
    }
  }

  void content(const std::string& full) {
    const auto fd = open_file(full, O_RDONLY | O_NOFOLLOW);
    constexpr std::size_t kChunk = 256U << 10;
    std::vector<std::byte> buffer(kChunk);
    for (auto count = read_full(fd.get(), buffer, full); count > 0; count = read_full(fd.get(), buffer, full)) {
      writer_.data({buffer.data(), count});
    }
  }

  static void xattrs(const std::string& full, codec::TarEntry& out) {
    std::vector<char> names(64U << 10);
    const auto length = ::llistxattr(full.c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < length;) {
      const std::string name(&names[static_cast<std::size_t>(at)]);
      at += static_cast<ssize_t>(name.size()) + 1;
      std::string value(64U << 10, '\0');
      const auto size = ::lgetxattr(full.c_str(), name.c_str(), value.data(), value.size());
      if (size >= 0 && name.find("overlay.") == std::string::npos) {
        value.resize(static_cast<std::size_t>(size));
        out.xattrs.emplace(name, std::move(value));
      }
    }
  }

  codec::Sink& out_;
  codec::TarWriter writer_;
  fs::path root_;
  std::map<LinkKey, std::string> links_;
};

/// The image's file system, mounted read-only for as long as this lives; an empty directory for an empty image.
class MountedImage {
 public:
  MountedImage(const codec::Digest& chain, store::Store& store) {
    if (chain.is_zero()) {
      empty_.emplace(sandbox::run_directory(), "empty");
      return;
    }
    for (const auto& layer : store.layers().chain(chain)) {
      if (!layer.unpacked) {
        store.layers().unpack(layer.chain_id);
      }
    }
    mount_.emplace(store.layers().lowers(chain), fs::path(), fs::path());
  }
  [[nodiscard]] const fs::path& path() const { return mount_ ? mount_->path() : empty_->path(); }

 private:
  std::optional<sandbox::OverlayMount> mount_;
  std::optional<TemporaryDirectory> empty_;
};

void write_tree_tar(const OutputSpec& spec, const fs::path& root) {
  if (spec.dest.empty() || spec.dest == "-") {
    codec::FdSink out(STDOUT_FILENO, "standard output");
    TreeTar(out, root).write();
    return;
  }
  const auto temporary = spec.dest + ".part";
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  try {
    codec::FdSink out(fd.get(), temporary);
    TreeTar(out, root).write();
    fd.close(temporary);
    fs::rename(temporary, spec.dest);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void write_local(const OutputSpec& spec, const fs::path& root) {
  fs::create_directories(spec.dest);
  const auto result = run_command({"cp", "-a", "--", root.string() + "/.", spec.dest});
  if (result.status != 0) {
    throw Error(ErrorKind::failed, "the files could not be copied to " + spec.dest + ": " + result.error);
  }
}

void write_archive(const OutputSpec& spec, const BuiltImage& image, store::Store& store) {
  const auto source = registry::store_source(store, image.manifest.digest);
  const std::array images{registry::ExportedImage{.source = source.get(), .names = image.names}};
  if (!spec.tar) {
    registry::write_layout(spec.dest, images);
  } else if (spec.dest.empty() || spec.dest == "-") {
    codec::FdSink out(STDOUT_FILENO, "standard output");
    registry::write_archive(out, images);
  } else {
    registry::write_archive_file(spec.dest, images);
  }
}

void check_destination(const OutputSpec& spec) {
  const bool is_directory = spec.type == OutputType::local || (names_image(spec.type) && !spec.tar);
  if (is_directory && (spec.dest.empty() || spec.dest == "-")) {
    throw Error(ErrorKind::usage, "--output: dest=DIR is missing");
  }
  const bool to_stdout = spec.dest.empty() || spec.dest == "-";
  if (!is_directory && to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    throw Error(ErrorKind::usage, "--output: dest file is required; refusing to write a tar to the terminal");
  }
}

}  // namespace

bool names_image(OutputType type) {
  return type == OutputType::image || type == OutputType::oci || type == OutputType::docker;
}

std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> fields{""};
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      if (quoted && i + 1 < text.size() && text[i + 1] == '"') {
        fields.back() += c;
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

OutputSpec parse_output(std::string_view text) {
  OutputSpec spec;
  if (text == "-") {
    spec.type = OutputType::tar;
    spec.dest = "-";
    return spec;
  }
  if (text.find('=') == std::string_view::npos) {
    spec.type = OutputType::local;
    spec.dest = text;
    return spec;
  }
  for (const auto& field : split_csv(text)) {
    const auto equals = field.find('=');
    apply(spec, field.substr(0, equals), equals == std::string::npos ? std::string() : field.substr(equals + 1));
  }
  if (spec.type != OutputType::image && spec.type != OutputType::cacheonly) {
    check_destination(spec);
  }
  return spec;
}

void write_output(const OutputSpec& spec, const BuiltImage& image, store::Store& store, EventBus& bus,
                  ActivityId parent) {
  if (spec.type == OutputType::image || spec.type == OutputType::cacheonly) {
    return;
  }
  Activity activity(bus, ActivityKind::other, "exporting to " + (spec.dest.empty() ? "standard output" : spec.dest),
                    parent);
  try {
    if (spec.type == OutputType::oci || spec.type == OutputType::docker) {
      write_archive(spec, image, store);
    } else {
      const MountedImage mounted(image.chain, store);
      spec.type == OutputType::tar ? write_tree_tar(spec, mounted.path()) : write_local(spec, mounted.path());
    }
    activity.finish(ActivityResult::done);
  } catch (const Error& error) {
    activity.finish(ActivityResult::failed, error.what());
    throw;
  } catch (const fs::filesystem_error& error) {
    activity.finish(ActivityResult::failed, error.what());
    throw Error(ErrorKind::failed, error.what());
  }
}

}  // namespace dlc::build
