#include "build/base_rootfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/process.h"
#include "base/suggest.h"
#include "build/base_mirrors.h"
#include "build/toml_tables.h"
#include "oci/image.h"

namespace dlc::build {

namespace {

using Json = nlohmann::json;

constexpr std::int64_t kEpoch = 1577836800;  // 2020-01-01: the files of a base get no later time
constexpr std::string_view kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the links of the merged /usr before the first package is unpacked, as debootstrap does. Without it bookworm
/// gets the package usrmerge, which does it afterwards and brings all of perl, 48 MB.
constexpr std::string_view kMergedUsr = "/usr/share/mmdebstrap/hooks/maybe-merged-usr";

/// What a base must not hold: traces of the machine that made it, and files that only waste space.
constexpr std::string_view kCleanUp =
    "for f in etc/hostname etc/resolv.conf; do rm -f \"$1/$f\"; : > \"$1/$f\"; chmod 0644 \"$1/$f\"; done; "
    "rm -f \"$1\"/var/cache/debconf/*-old \"$1\"/var/lib/dpkg/*-old \"$1\"/var/cache/ldconfig/aux-cache "
    "\"$1\"/var/log/dpkg.log \"$1\"/var/log/alternatives.log \"$1\"/var/log/bootstrap.log \"$1\"/var/log/apt/*";

/// Words that reach mmdebstrap's command line or a source line: no option, no blank, no shell text.
bool is_plain_word(const std::string& word) {
  return !word.empty() && word[0] != '-' && std::ranges::all_of(word, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view(".+-_:=/~").find(c) != std::string_view::npos;
  });
}

std::string word(const TomlValue& value, const std::string& key) {
  if (!value.text || !is_plain_word(*value.text)) {
    throw value.wrong(key + " must be a plain word in quotes");
  }
  return *value.text;
}

std::vector<std::string> words(const TomlValue& value, const std::string& key) {
  if (!value.list) {
    throw value.wrong(key + " must be a list of words");
  }
  std::vector<std::string> result;
  for (const auto& item : *value.list) {
    result.push_back(word(item, key));
  }
  return result;
}

/// Paths for dpkg's path-exclude and path-include: absolute, with the wildcards of a shell.
std::vector<std::string> path_patterns(const TomlValue& value, const std::string& key) {
  if (!value.list) {
    throw value.wrong(key + " must be a list of paths");
  }
  std::vector<std::string> result;
  for (const auto& item : *value.list) {
    auto plain = item.text.value_or("");
    std::erase_if(plain, [](char c) { return c == '*' || c == '?'; });
    if (!plain.starts_with('/') || !is_plain_word(plain)) {
      throw item.wrong(key + " must hold absolute paths in quotes; * and ? match as in a shell, / too");
    }
    result.push_back(*item.text);
  }
  return result;
}

BaseEntry parse_entry(const TomlTable& table) {
  BaseEntry entry;
  entry.where = table.where;
  for (const auto& [key, value] : table.entries) {
    if (key == "name") {
      entry.name = word(value, key);
    } else if (key == "suite") {
      entry.suite = word(value, key);
    } else if (key == "variant") {
      entry.variant = word(value, key);
    } else if (key == "components") {
      entry.components = words(value, key);
    } else if (key == "packages") {
      entry.packages = words(value, key);
    } else if (key == "exclude") {
      entry.exclude = path_patterns(value, key);
    } else if (key == "keep") {
      entry.keep = path_patterns(value, key);
    } else {
      throw value.wrong("unknown key " + key)
          .hint("a base has the keys name, suite, variant, components, packages, exclude and keep");
    }
  }
  if (entry.name.empty() || entry.suite.empty()) {
    throw table.wrong(std::string("a base needs the key ") + (entry.name.empty() ? "name" : "suite"));
  }
  return entry;
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return result + "'";
}

std::string joined(const std::vector<std::string>& parts, char separator) {
  std::string result;
  for (const auto& part : parts) {
    result += (result.empty() ? "" : std::string(1, separator)) + part;
  }
  return result;
}

class FileSource : public codec::Source {
 public:
  explicit FileSource(const std::string& path) : path_(path), fd_(open_file(path, O_RDONLY)) {}
  std::size_t read(std::span<std::byte> buffer) override { return read_full(fd_.get(), buffer, path_); }

 private:
  std::string path_;
  UniqueFd fd_;
};

/// The host's variables that mmdebstrap may see: how to reach the mirror, nothing that could change the result.
std::vector<std::string> clean_environment(const std::filesystem::path& temporary) {
  std::vector<std::string> environment{std::string(kPath),
                                       "HOME=/root",
                                       "LC_ALL=C.UTF-8",
                                       "TZ=UTC",
                                       "DEBIAN_FRONTEND=noninteractive",
                                       "SOURCE_DATE_EPOCH=" + std::to_string(kEpoch),
                                       "TMPDIR=" + temporary.string()};
  for (const char* name :
       {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr) {  // NOLINT(concurrency-mt-unsafe): never changed
      environment.push_back(std::string(name) + "=" + value);
    }
  }
  return environment;
}

std::vector<std::string> mmdebstrap_command(const BaseEntry& entry, const std::filesystem::path& folder,
                                            const std::vector<std::string>& mirrors) {
  const auto record = "cd " + quoted(folder.string()) +
                      " && (cd \"$1/var/lib/apt/lists\" && sha256sum *InRelease) > indexes"
                      " && dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${Package}=${Version}\\n' > packages";
  // In a PID namespace of its own: should this program be killed, unshare dies with it and takes apt and dpkg along.
  std::vector<std::string> argv{"unshare",
                                "--pid",
                                "--fork",
                                "--kill-child",
                                "--mount-proc",
                                "mmdebstrap",
                                "--variant=" + entry.variant,
                                "--format=tar",
                                "--components=" + joined(entry.components, ','),
                                "--hook-dir=" + std::string(kMergedUsr),
                                "--customize-hook=" + record,
                                "--customize-hook=" + std::string(kCleanUp)};
  if (::geteuid() == 0) {
    argv.emplace_back("--mode=root");
  }
  // dpkg keeps these in etc/dpkg/dpkg.cfg.d, so that they hold for packages installed later too. The last match
  // decides.
  for (const auto& path : entry.exclude) {
    argv.push_back("--dpkgopt=path-exclude=" + path);
  }
  for (const auto& path : entry.keep) {
    argv.push_back("--dpkgopt=path-include=" + path);
  }
  if (!entry.packages.empty()) {
    argv.push_back("--include=" + joined(entry.packages, ','));
  }
  argv.push_back(entry.suite);
  argv.push_back((folder / "root.tar").string());
  argv.insert(argv.end(), mirrors.begin(), mirrors.end());
  return argv;
}

/// mmdebstrap's output names the trouble in lines "E: ..." (apt's, then its own summary).
Error explain_failure(const BaseEntry& entry, const CommandResult& result, const std::vector<std::string>& mirrors) {
  std::istringstream in(result.error + result.output);
  std::string first;
  bool network = false;
  bool reason_follows = false;  // apt puts it on the indented line after "Err:"
  for (std::string line; std::getline(in, line);) {
    if (reason_follows && line.starts_with("  ")) {
      first += ": " + line.substr(line.find_first_not_of(' '));
    }
    reason_follows = false;
    const bool is_error = line.starts_with("E: ") || line.starts_with("Err:");
    for (const char* sign :
         {"Temporary failure resolving", "Could not resolve", "Could not connect", "Connection failed",
          "Connection timed out", "Unable to connect", "Failed to fetch", "503 ", "Connection refused"}) {
      network = network || line.find(sign) != std::string::npos;
    }
    if (is_error && first.empty()) {
      first = line.substr(line.find(' ') + 1);
      reason_follows = line.starts_with("Err:");
    }
  }
  const bool full = (result.error + result.output).find("No space left on device") != std::string::npos;
  network = network && !full;  // apt also reports a full disk as a failed fetch
  auto error = Error(full      ? ErrorKind::exhausted
                     : network ? ErrorKind::network
                               : ErrorKind::failed,
                     "base " + entry.name + " could not be made by mmdebstrap (exit " + std::to_string(result.status) +
                         ")" + (first.empty() ? "" : ": " + first));
  error.at(entry.where);
  if (full) {
    error.hint("free some space, for example with dlc store gc, or choose a --store on another disk");
  } else if (network) {
    const auto mirror = mirrors.empty() ? std::string("deb.debian.org") : mirrors.front();
    error.hint("the package mirror did not answer as it should (" + mirror +
               "): check /etc/apt/sources.list* and http_proxy, or try: apt-get update");
  } else {
    error.hint("the whole output is in the log of the base; try: mmdebstrap --variant=" + entry.variant + " " +
               entry.suite + " /dev/null");
  }
  return error;
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::istringstream in(read_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

oci::Descriptor put_blob(store::Store& store, std::string_view type, const std::string& text) {
  return {.media_type = std::string(type),
          .digest = store.blobs().put(text),
          .size = text.size(),
          .annotations = {},
          .platform = std::nullopt,
          .artifact_type = {}};
}

codec::Digest put_image(const BaseEntry& entry, const store::Layer& layer, store::Store& store) {
  oci::ImageConfig config;
  config.platform = oci::host_platform();
  config.created = oci::rfc3339(kEpoch);
  config.env = {std::string(kPath)};
  config.cmd = std::vector<std::string>{"bash"};
  config.diff_ids = {layer.diff_id};
  config.history = {{.created = config.created,
                     .created_by = "dlc base " + entry.name + " (" + entry.suite + ", " + entry.variant + ")",
                     .author = {},
                     .comment = {},
                     .empty_layer = false}};
  oci::Manifest manifest;
  manifest.config = put_blob(store, oci::kConfigType, oci::to_json(config));
  manifest.layers = {{.media_type = layer.media_type,
                      .digest = layer.blob,
                      .size = layer.blob_size,
                      .annotations = {},
                      .platform = std::nullopt,
                      .artifact_type = {}}};
  return put_blob(store, oci::kManifestType, oci::to_json(manifest)).digest;
}

std::string value_key(const BaseEntry& entry) {
  return "base/" + entry.name;
}

/// The manifest that was made from just this entry, if the store still has it.
std::optional<codec::Digest> recorded(const BaseEntry& entry, store::Store& store) {
  const auto value = store.records().value(value_key(entry));
  if (!value) {
    return std::nullopt;
  }
  const auto json = Json::parse(*value, nullptr, false);
  if (!json.is_object() || json.value("entry", "") != codec::sha256(entry.canonical()).str()) {
    return std::nullopt;
  }
  const auto manifest = codec::Digest::try_parse(json.value("manifest", ""));
  return manifest && store.blobs().contains(*manifest) ? manifest : std::nullopt;
}

class BaseMaker {
 public:
  BaseMaker(const BaseEntry& entry, store::Store& store, EventBus& bus, std::stop_token stop)
      : entry_(entry),
        store_(store),
        stop_(std::move(stop)),
        activity_(bus, ActivityKind::base, "base " + entry.name + " (" + entry.suite + " from the package mirror)"),
        directory_(store.make_temporary_directory()),
        folder_(directory_.path()) {}

  codec::Digest make() {
    try {
      const auto digest = run();
      activity_.finish(ActivityResult::done);
      return digest;
    } catch (const Error& error) {
      const bool cancelled = error.kind() == ErrorKind::cancelled;
      activity_.finish(cancelled ? ActivityResult::cancelled : ActivityResult::failed, error.what());
      throw;
    }
  }

 private:
  codec::Digest run() {
    const auto mirrors = mirror_lines(read_apt_sources("/etc/apt"), entry_.suite, entry_.components);
    if (!find_program("mmdebstrap")) {
      throw Error(ErrorKind::not_found, "base root file systems are made by mmdebstrap, which is not installed")
          .hint("install it: apt-get install mmdebstrap");
    }
    CommandOptions options;
    options.environment = clean_environment(folder_);
    options.on_output = [this](std::string_view text) { activity_.log(LogStream::err, text); };
    options.stop = stop_;
    CommandResult result;
    try {
      result = run_command(mmdebstrap_command(entry_, folder_, mirrors), options);
    } catch (Error& error) {
      if (error.kind() == ErrorKind::not_found) {
        error.hint("install it: apt-get install util-linux");
      }
      throw;
    }
    if (result.status != 0) {
      throw explain_failure(entry_, result, mirrors);
    }
    FileSource tar((folder_ / "root.tar").string());
    store::CommitOptions commit;
    commit.epoch = kEpoch;
    commit.stop = stop_;
    const auto layer = store_.layers().import_tar(codec::Digest(), tar, commit);
    const auto manifest = put_image(entry_, layer, store_);
    const Json record{{"entry", codec::sha256(entry_.canonical()).str()},
                      {"manifest", manifest.str()},
                      {"mmdebstrap", version()},
                      {"mirrors", mirrors},
                      {"indexes", lines_of(folder_ / "indexes")},
                      {"packages", lines_of(folder_ / "packages")}};
    store_.records().tag(std::string(kBasePrefix) + entry_.name + ":latest", manifest);
    store_.records().set_value(value_key(entry_), record.dump());
    return manifest;
  }

  static std::string version() {
    auto text = run_command({"mmdebstrap", "--version"}).output;
    text.resize(std::min(text.size(), text.find('\n')));
    return text;
  }

  const BaseEntry& entry_;
  store::Store& store_;
  std::stop_token stop_;
  Activity activity_;
  TemporaryDirectory directory_;
  const std::filesystem::path& folder_;
};

const BaseEntry& find_entry(const std::vector<BaseEntry>& entries, const std::string& name, const std::string& file) {
  std::vector<std::string> names;
  for (const auto& entry : entries) {
    if (entry.name == name) {
      return entry;
    }
    names.push_back(entry.name);
  }
  Error error(ErrorKind::not_found, file + " has no base " + name);
  const auto similar = closest(name, names);
  throw error.hint((similar.empty() ? "" : "did you mean " + similar + "? ") + ("there are: " + joined(names, ' ')));
}

}  // namespace

std::string BaseEntry::canonical() const {
  return Json{{"schema", 2},          {"suite", suite},     {"variant", variant}, {"components", components},
              {"packages", packages}, {"exclude", exclude}, {"keep", keep}}
      .dump();
}

std::vector<BaseEntry> parse_bases(std::string_view text, const std::string& file) {
  return parse_named_items<BaseEntry>(text, file, "base", parse_entry);
}

std::string find_bases_file(const std::string& wanted) {
  namespace fs = std::filesystem;
  if (!wanted.empty()) {
    return wanted;
  }
  if (const char* given = std::getenv("DLC_BASES"); given != nullptr && *given != 0) {  // NOLINT(concurrency-mt-unsafe)
    return given;
  }
  std::error_code ignored;
  for (const auto& start : {fs::current_path(ignored), fs::read_symlink("/proc/self/exe", ignored).parent_path()}) {
    for (auto folder = start; !folder.empty(); folder = folder.parent_path()) {
      if (auto file = folder / "base" / "images.toml"; fs::is_regular_file(file, ignored)) {
        return file.string();
      }
      if (folder == folder.root_path()) {
        break;
      }
    }
  }
  return {};
}

std::optional<codec::Digest> known_base_image(const std::string& name, const std::string& bases_file,
                                              store::Store& store) {
  if (bases_file.empty()) {
    const auto made = store.records().find_image(std::string(kBasePrefix) + name + ":latest");
    return made ? std::optional(made->manifest) : std::nullopt;
  }
  const auto entries = parse_bases(read_file(bases_file, 1 << 20), bases_file);
  return recorded(find_entry(entries, name, bases_file), store);
}

codec::Digest base_image(const std::string& name, const std::string& bases_file, bool refresh, store::Store& store,
                         EventBus& bus, const std::stop_token& stop) {
  if (bases_file.empty()) {
    if (const auto made = store.records().find_image(std::string(kBasePrefix) + name + ":latest"); made && !refresh) {
      return made->manifest;  // outside of a checkout the one that was made in it is as good
    }
    throw Error(ErrorKind::not_found, "no list of bases: " + std::string(kBasePrefix) + name + " is not known")
        .hint("run dlc in a checkout that has base/images.toml, or name such a file in DLC_BASES");
  }
  const auto entries = parse_bases(read_file(bases_file, 1 << 20), bases_file);
  const auto& entry = find_entry(entries, name, bases_file);
  if (!refresh) {
    if (const auto known = recorded(entry, store)) {
      return *known;
    }
  }
  const auto before = store.records().value(value_key(entry));
  const auto lock = store.lock_step(
      codec::sha256("base " + name + entry.canonical()),
      [&](const std::string& holder) {
        bus.message("note", "waiting for the base " + name + ", which " + holder + " is making");
      },
      stop);
  if (const auto known = recorded(entry, store);
      known && (!refresh || store.records().value(value_key(entry)) != before)) {
    return *known;  // another process made it while we waited
  }
  return BaseMaker(entry, store, bus, stop).make();
}

}  // namespace dlc::build
