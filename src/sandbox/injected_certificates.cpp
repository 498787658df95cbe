#include "sandbox/injected_certificates.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <set>
#include <span>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"
#include "sandbox/below.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;

/// Where distributions keep the one file with all certificates (Debian and Alpine; Red Hat; SUSE), without links.
constexpr std::array<const char*, 3> kBundles{"etc/ssl/certs/ca-certificates.crt",
                                              "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                              "var/lib/ca-certificates/ca-bundle.pem"};
constexpr const char* kLinkDirectory = "etc/ssl/certs";
constexpr const char* kAnchorParent = "usr/local/share/ca-certificates";
constexpr const char* kAnchors = "usr/local/share/ca-certificates/dlc-host";
constexpr const char* kLinkTarget = "/usr/local/share/ca-certificates/dlc-host/";
constexpr std::array<const char*, 7> kVariables{
    "PIP_CERT",          "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO",     "CURL_CA_BUNDLE"};
constexpr std::uint64_t kBundleLimit = 16U << 20;
constexpr gid_t kStaff = 50;  // Debian's group of /usr/local, a fixed number

std::string read_regular(const UniqueFd& file) {
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) > kBundleLimit) {
    return {};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  text.resize(read_full(file.get(), std::as_writable_bytes(std::span(text)), "a certificate bundle"));
  return text;
}

std::string link_target(int directory, const char* name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
  return length < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

struct DirectoryCloser {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/// The links in a directory, by name.
std::vector<std::pair<std::string, std::string>> links_in(const UniqueFd& directory) {
  std::vector<std::pair<std::string, std::string>> result;
  const std::unique_ptr<DIR, DirectoryCloser> stream(::fdopendir(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0)));
  while (const dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {  // NOLINT(concurrency-mt-unsafe)
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
      auto target = link_target(directory.get(), entry->d_name);
      if (!target.empty()) {
        result.emplace_back(entry->d_name, std::move(target));
      }
    }
  }
  return result;
}

void give(const fs::path& path, const struct stat& like) {
  if (::lchown(path.c_str(), like.st_uid, like.st_gid) != 0 || ::chmod(path.c_str(), like.st_mode & 07777U) != 0) {
    throw system_error("set the owner of " + path.string());
  }
}

}  // namespace

InjectedCertificates::InjectedCertificates(const HostTrust& trust, int root, fs::path directory)
    : directory_(std::move(directory)) {
  std::set<std::string> known;
  for (const char* path : kBundles) {
    for (auto& block : pem_blocks(read_regular(open_below(root, path, O_RDONLY | O_NONBLOCK)))) {
      known.insert(std::move(block.body));
    }
  }
  std::ranges::copy_if(trust.bodies, std::back_inserter(bodies_),
                       [&](const std::string& body) { return !known.contains(body); });
  if (bodies_.empty()) {
    return;
  }
  for (const char* path : kBundles) {
    inject_bundle(root, path);
  }
  inject_anchors(trust, root);
  set_times(root);
}

bool InjectedCertificates::copy_directory(int root, const std::string& path) {
  if (std::ranges::find(copied_, path) != copied_.end()) {
    return true;
  }
  if (!path.empty() && !copy_directory(root, split_path(path).first)) {
    return false;
  }
  const UniqueFd original = open_below(root, path, O_DIRECTORY | O_RDONLY);
  struct stat status{};
  if (!original || ::fstat(original.get(), &status) != 0) {
    return false;
  }
  const fs::path copy = directory_ / path;
  if (!path.empty() && ::mkdir(copy.c_str(), 0755) != 0 && errno != EEXIST) {
    throw system_error("create " + copy.string());
  }
  give(copy, status);
  copied_.push_back(path);
  return true;
}

void InjectedCertificates::inject_bundle(int root, const std::string& path) {
  const UniqueFd original = open_below(root, path, O_RDONLY | O_NONBLOCK);
  std::string text = read_regular(original);
  struct stat status{};
  if (text.empty() || ::fstat(original.get(), &status) != 0 || !copy_directory(root, split_path(path).first)) {
    return;
  }
  bundles_.push_back({path, text, status.st_mode & 07777U, status.st_uid, status.st_gid});
  text += text.ends_with('\n') ? "" : "\n";
  for (const auto& body : bodies_) {
    text += pem_text(body);
  }
  const fs::path copy = directory_ / path;
  write_file_atomically(copy, text);
  give(copy, status);
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  ::utimensat(AT_FDCWD, copy.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

void InjectedCertificates::inject_anchors(const HostTrust& trust, int root) {
  if (!copy_directory(root, split_path(kAnchorParent).first)) {
    return;
  }
  if (!copy_directory(root, kAnchorParent)) {
    struct stat status{};
    if (::fstatat(root, kAnchorParent, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      return;  // a file or link
    }
    // Missing: as the package ca-certificates would make it, since it will not when the directory is there.
    const bool staff = ::fstatat(root, "etc/staff-group-for-usr-local", &status, 0) == 0;
    const fs::path parent = directory_ / kAnchorParent;
    if (::mkdir(parent.c_str(), 0755) != 0 || ::chown(parent.c_str(), 0, staff ? kStaff : 0) != 0 ||
        ::chmod(parent.c_str(), staff ? 02775 : 0755) != 0) {
      throw system_error("create " + parent.string());
    }
    made_anchor_directory_ = true;
  }
  const fs::path anchors = directory_ / kAnchors;
  if (::mkdir(anchors.c_str(), 0755) != 0 || ::chown(anchors.c_str(), 0, 0) != 0 ||
      ::chmod(anchors.c_str(), 0755) != 0) {
    throw system_error("create " + anchors.string());
  }
  std::string bundle = bundles_.empty() ? without_ours(trust.bundle) : bundles_.front().before;
  bundle += bundle.empty() || bundle.ends_with('\n') ? "" : "\n";
  int number = 0;
  for (const auto& body : bodies_) {
    const auto text = pem_text(body);
    write_file_atomically(anchors / ("dlc-host-" + std::to_string(++number) + ".crt"), text);
    bundle += text;
  }
  // Not ".crt": update-ca-certificates must not take it for one certificate.
  write_file_atomically(anchors / "bundle.pem", bundle);
  anchors_ = true;
}

void InjectedCertificates::set_times(int root) const {
  for (auto path = copied_.rbegin(); path != copied_.rend(); ++path) {
    struct stat status{};
    if (::fstatat(root, path->empty() ? "." : path->c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
      ::utimensat(AT_FDCWD, (directory_ / *path).c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
    }
  }
}

std::vector<std::string> InjectedCertificates::variables(const std::vector<std::string>& env) const {
  std::vector<std::string> result;
  if (!anchors_) {
    return result;
  }
  for (const char* name : kVariables) {
    const std::string prefix = std::string(name) + "=";
    if (std::ranges::none_of(env, [&](const std::string& line) { return line.starts_with(prefix); })) {
      result.push_back(prefix + kLinkTarget + "bundle.pem");
    }
  }
  return result;
}

std::string InjectedCertificates::without_ours(std::string_view text) const {
  std::string result;
  std::size_t at = 0;
  for (const auto& block : pem_blocks(text)) {
    if (std::ranges::find(bodies_, block.body) != bodies_.end()) {
      result.append(text.substr(at, block.begin - at));
      at = block.end;
    }
  }
  return result.append(text.substr(at));
}

void InjectedCertificates::remove_from(const fs::path& upper) const {
  if (bodies_.empty()) {
    return;
  }
  const UniqueFd directory = open_file(upper.string(), O_PATH | O_DIRECTORY);
  for (const char* path : kBundles) {
    clean_bundle(directory.get(), path);
  }
  clean_links(directory.get());
  if (anchors_) {
    clean_anchors(directory.get());
  }
}

void InjectedCertificates::clean_bundle(int upper, const std::string& path) const {
  const UniqueFd file = open_below(upper, path, O_RDWR | O_NONBLOCK);
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return;
  }
  const auto text = read_regular(file);
  const auto rest = without_ours(text);
  for (const auto& bundle : bundles_) {
    if (bundle.path == path && bundle.before == rest && bundle.mode == (status.st_mode & 07777U) &&
        bundle.uid == status.st_uid && bundle.gid == status.st_gid) {
      remove_below(upper, path, false);
      return;
    }
  }
  if (rest == text) {
    return;
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0 || ::ftruncate(file.get(), 0) != 0) {
    throw system_error("rewrite " + path);
  }
  write_full(file.get(), rest, path);
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  ::futimens(file.get(), times.data());
}

/// update-ca-certificates makes NAME.pem -> our file and HASH.N -> NAME.pem.
void InjectedCertificates::clean_links(int upper) const {
  const UniqueFd directory = open_below(upper, kLinkDirectory, O_DIRECTORY | O_RDONLY);
  if (!directory) {
    return;
  }
  const auto links = links_in(directory);
  std::set<std::string> ours;
  for (const auto& [name, target] : links) {
    if (target.starts_with(kLinkTarget)) {
      ours.insert(name);
    }
  }
  for (const auto& [name, target] : links) {
    if (ours.contains(name) || ours.contains(target)) {
      remove_below(upper, std::string(kLinkDirectory) + "/" + name, false);
    }
  }
}

void InjectedCertificates::clean_anchors(int upper) const {
  const auto parent = open_below(upper, kAnchorParent, O_DIRECTORY | O_RDONLY);
  if (parent) {
    struct stat before{};
    ::fstat(parent.get(), &before);
    // A whiteout where the step removed our files, or a directory where it added to them.
    remove_tree("/proc/self/fd/" + std::to_string(parent.get()) + "/dlc-host");
    const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
    ::futimens(parent.get(), times.data());
  }
  if (!made_anchor_directory_) {
    return;
  }
  // The root had no such directory. Without content of the step's it goes, unless the package came in this step.
  const bool package = static_cast<bool>(open_below(upper, "usr/sbin/update-ca-certificates", O_PATH));
  if (package) {
    make_anchor_directory(upper);
  } else if (!remove_below(upper, kAnchorParent, true)) {
    struct stat status{};
    const auto above = open_below(upper, split_path(kAnchorParent).first, O_DIRECTORY | O_RDONLY);
    const auto name = split_path(kAnchorParent).second;
    if (above && ::fstatat(above.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode)) {
      remove_below(upper, kAnchorParent, false);
    }
  }
}

/// What the package's script would have made had the directory not been there.
void InjectedCertificates::make_anchor_directory(int upper) const {
  std::string path;
  for (const auto& part : fs::path(kAnchorParent)) {
    const auto parent = open_below(upper, path, O_DIRECTORY | O_RDONLY);
    path += (path.empty() ? "" : "/") + part.string();
    struct stat like{};
    if (!parent || ::lstat((directory_ / path).c_str(), &like) != 0) {
      return;
    }
    if (::mkdirat(parent.get(), part.c_str(), 0755) == 0) {
      const UniqueFd made = open_below(upper, path, O_DIRECTORY | O_RDONLY);
      const std::array<timespec, 2> times{like.st_atim, like.st_mtim};
      if (!made || ::fchown(made.get(), like.st_uid, like.st_gid) != 0 ||
          ::fchmod(made.get(), like.st_mode & 07777U) != 0 || ::futimens(made.get(), times.data()) != 0) {
        throw system_error("create " + path);
      }
    }
  }
}

}  // namespace dlc::sandbox
