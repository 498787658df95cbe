#include "build/sources.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <ctime>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/process.h"
#include "build/root_tree.h"
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

void run_git(const std::vector<std::string>& arguments, Activity& activity) {
  std::vector<std::string> argv{"git", "-c", "advice.detachedHead=false", "-c", "protocol.ext.allow=never"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  CommandOptions options;
  options.on_output = [&](std::string_view text) { activity.log(LogStream::err, text); };
  const auto result = run_command(argv, options);
  if (result.status != 0) {
    throw Error(ErrorKind::failed, "git " + arguments.at(arguments.size() > 2 ? 2 : 0) +
                                       " failed: " + result.error.substr(0, result.error.find('\n')))
        .hint("the whole output is in the log");
  }
}

}  // namespace

std::shared_ptr<const Tree> fetch_http(const HttpOp& op, store::Store& store, EventBus& bus, ActivityId parent) {
  Activity activity(bus, ActivityKind::pull, "ADD " + op.url, parent);
  TemporaryDirectory directory = store.make_temporary_directory();
  const auto path = (directory.path() / op.filename).string();
  UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  codec::Sha256 hash;
  std::uint64_t done = 0;
  net::HttpClient client;
  net::Request request;
  request.url = op.url;
  const auto response = net::download(
      [&](const net::Request& r, const net::Receiver& receiver) { return client.send(r, &receiver); }, request,
      [&](std::span<const std::byte> bytes) {
        hash.update(bytes);
        write_full(file.get(), bytes, path);
        activity.progress(done += bytes.size(), 0);
      },
      {.size = std::nullopt, .verified = op.checksum.has_value(), .on_retry = {}});
  if (!response.ok()) {
    throw Error(ErrorKind::not_found,
                "ADD " + op.url + ": the server answered with status " + std::to_string(response.status));
  }
  file.close(path);
  const auto digest = hash.finish();
  if (op.checksum && *op.checksum != digest) {
    throw Error(ErrorKind::corrupt,
                "digest mismatch for " + op.url + ": " + digest.str() + ", expected: " + op.checksum->str());
  }
  set_mtime(path, modified_time(response));
  activity.finish(ActivityResult::done);
  const auto root = directory.path();
  return std::make_shared<FetchedTree>(std::move(directory), root);
}

std::shared_ptr<const Tree> fetch_git(const GitOp& op, store::Store& store, EventBus& bus, ActivityId parent,
                                      std::optional<std::int64_t> epoch) {
  static_cast<void>(epoch);  // times of the checkout are clamped with those of the step that copies it
  Activity activity(bus, ActivityKind::pull, "git " + op.url, parent);
  TemporaryDirectory directory = store.make_temporary_directory();
  const auto checkout = (directory.path() / "checkout").string();
  run_git({"init", "-q", checkout}, activity);
  const auto ref = op.ref.empty() ? std::string("HEAD") : op.ref;
  run_git({"-C", checkout, "fetch", "-q", "--depth=1", "--no-tags", "--", op.url, ref}, activity);
  run_git({"-C", checkout, "checkout", "-q", "FETCH_HEAD"}, activity);
  run_git({"-C", checkout, "submodule", "update", "-q", "--init", "--recursive", "--depth=1"}, activity);
  if (!op.checksum.empty()) {
    const auto head = run_command({"git", "-C", checkout, "rev-parse", "HEAD"}).output;
    if (!head.starts_with(op.checksum)) {
      throw Error(ErrorKind::corrupt,
                  "the commit of " + op.url + " is " + head.substr(0, head.find('\n')) + ", expected " + op.checksum);
    }
  }
  if (!op.keep_git_dir) {
    remove_tree(std::filesystem::path(checkout) / ".git");
  }
  const RootTree whole(checkout);
  const auto subdir = resolve(whole, op.subdir, Missing::fail);
  const auto node = subdir ? whole.lstat(*subdir) : std::nullopt;
  if (!node || node->type != Node::Type::directory) {
    throw Error(ErrorKind::not_found, "the directory " + op.subdir + " is not in " + op.url);
  }
  activity.finish(ActivityResult::done);
  return std::make_shared<FetchedTree>(std::move(directory), std::filesystem::path(checkout) / *subdir);
}

}  // namespace dlc::build
