#include "build/sources.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"
#include "build/root_tree.h"
#include "build/unpack_archive.h"
#include "codec/digest.h"
#include "net/http.h"

namespace dlc::build {

namespace {

/// A tree in a directory of its own, which goes when the tree goes.
class FetchedTree : public RootTree {
 public:
  FetchedTree(TemporaryDirectory directory, const std::filesystem::path& root)
      : RootTree(root), directory_(std::move(directory)) {}

 private:
  TemporaryDirectory directory_;
};

void set_mtime(const std::string& path, std::int64_t seconds) {
  const std::array<timespec, 2> times{timespec{.tv_sec = seconds, .tv_nsec = 0},
                                      timespec{.tv_sec = seconds, .tv_nsec = 0}};
  if (::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) != 0) {
    throw system_error("set the time of " + path);
  }
}

/// Last-Modified (RFC 9110, IMF-fixdate), or 0.
std::int64_t modified_time(const net::Response& response) {
  const auto text = response.headers.get("last-modified");
  std::tm parts{};
  if (!text || ::strptime(text->c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) {
    return 0;
  }
  return ::timegm(&parts);
}

}  // namespace

Fetched fetch_file(const std::string& url, const std::filesystem::path& directory, const std::string& name,
                   const std::optional<Digest>& checksum, Activity& activity, const std::stop_token& stop) {
  const auto path = (directory / name).string();
  UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  codec::Sha256 hash;
  std::uint64_t done = 0;
  net::HttpClient client;
  net::Request request;
  request.url = url;
  request.stop = stop;
  const auto response = net::download(
      [&](const net::Request& r, const net::Receiver& receiver) { return client.send(r, &receiver); }, request,
      [&](std::span<const std::byte> bytes) {
        hash.update(bytes);
        write_full(file.get(), bytes, path);
        activity.progress(done += bytes.size(), 0);
      },
      {.size = std::nullopt, .verified = checksum.has_value(), .on_retry = {}});
  if (!response.ok()) {
    throw Error(ErrorKind::not_found, url + ": the server answered with status " + std::to_string(response.status));
  }
  file.close(path);
  const auto digest = hash.finish();
  if (checksum && *checksum != digest) {
    throw Error(ErrorKind::corrupt,
                "digest mismatch for " + url + ": " + digest.str() + ", expected: " + checksum->str());
  }
  const auto modified = modified_time(response);
  set_mtime(path, modified);
  return {.file = path, .digest = digest, .modified = modified};
}

std::shared_ptr<const Tree> fetch_http(const HttpOp& op, store::Store& store, EventBus& bus, ActivityId parent,
                                       const std::stop_token& stop) {
  Activity activity(bus, ActivityKind::pull, op.url, parent);
  return finishing(activity, [&] {
    TemporaryDirectory directory = store.make_temporary_directory();
    const auto fetched = fetch_file(op.url, directory.path(), op.filename, op.checksum, activity, stop);
    auto root = directory.path();
    if (op.unpack) {
      const UniqueFd file = open_file(fetched.file.string(), O_RDONLY);
      if (is_archive(file.get(), op.url)) {
        root /= "unpacked";
        std::filesystem::create_directory(root);
        const UniqueFd again = open_file(fetched.file.string(), O_RDONLY);
        unpack_archive(again.get(), op.url, RootTree(root), "", std::nullopt, stop);
      }
    }
    return std::make_shared<FetchedTree>(std::move(directory), root);
  });
}

std::shared_ptr<const Tree> fetch_git(const GitOp& op, store::Store& store, EventBus& bus, ActivityId parent,
                                      const GitAccess& access, const std::stop_token& stop) {
  Activity activity(bus, ActivityKind::pull, "git " + op.url, parent);
  bus.mask(access.token);
  return finishing(activity, [&] {
    TemporaryDirectory directory = store.make_temporary_directory();
    const auto log = [&](std::string_view text) { activity.log(LogStream::err, text); };
    const auto checkout = check_out(op, directory.path(), access, log, stop);
    return std::make_shared<FetchedTree>(std::move(directory), checkout.files);
  });
}

std::int64_t newest_time(const Tree& tree, const std::string& directory) {
  std::int64_t newest = 0;
  for (const auto& name : tree.list(directory)) {
    const auto path = join(directory, name);
    const auto node = tree.lstat(path);
    if (node && node->type == Node::Type::directory) {
      newest = std::max(newest, newest_time(tree, path));  // its own time is that of the checkout
    } else if (node) {
      newest = std::max(newest, node->mtime);
    }
  }
  return newest;
}

}  // namespace dlc::build
