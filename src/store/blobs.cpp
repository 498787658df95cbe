#include "store/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "store/host.h"
#include "store/lease.h"

namespace dlc::store {

namespace {

class FileBlobWriter final : public BlobWriter {
 public:
  FileBlobWriter(const BlobStore& blobs, const std::filesystem::path& tmp, RunDirectory& run) : blobs_(blobs) {
    fd_ = UniqueFd(::open(tmp.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!fd_) {
      if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) {
        throw system_error("create a file in " + tmp.string());
      }
      name_ = (run.path() / "blob-XXXXXX").string();
      fd_ = UniqueFd(::mkostemp(name_.data(), O_CLOEXEC));
      if (!fd_) {
        throw system_error("create " + name_);
      }
    }
  }
  FileBlobWriter(const FileBlobWriter&) = delete;
  FileBlobWriter& operator=(const FileBlobWriter&) = delete;
  ~FileBlobWriter() override {
    if (!name_.empty()) {
      ::unlink(name_.c_str());
    }
  }

  void write(std::span<const std::byte> bytes) override {
    with_space_hint(
        [&] { write_full(fd_.get(), bytes, "a blob in " + blobs_.path_of(Digest()).parent_path().string()); });
    hash_.update(bytes);
    size_ += bytes.size();
  }

  void finish() override { digest_ = hash_.finish(); }

  Digest commit(const std::optional<Digest>& expected) override {
    if (digest_.is_zero()) {
      throw Error(ErrorKind::internal, "a blob was committed before its end");
    }
    if (expected && *expected != digest_) {
      throw Error(ErrorKind::corrupt, "the content is " + digest_.str() + ", expected " + expected->str());
    }
    with_space_hint([&] { place(blobs_.path_of(digest_)); });
    return digest_;
  }

  [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }

 private:
  // link(2) never replaces: equal names are equal contents, and a reader may have the old file open.
  void place(const std::filesystem::path& target) {
    if (::mkdir(target.parent_path().c_str(), 0700) != 0 && errno != EEXIST) {
      throw system_error("create " + target.parent_path().string());
    }
    const std::string source = name_.empty() ? "/proc/self/fd/" + std::to_string(fd_.get()) : name_;
    do {
      if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), name_.empty() ? AT_SYMLINK_FOLLOW : 0) == 0) {
        return;
      }
      if (errno != EEXIST) {
        throw system_error("create " + target.string());
      }
    } while (!blobs_.contains(digest_));  // gc took the old one away
  }

  const BlobStore& blobs_;
  UniqueFd fd_;
  std::string name_;  // empty: the file has no name yet (O_TMPFILE)
  codec::Sha256 hash_;
  Digest digest_;
  std::uint64_t size_ = 0;
};

}  // namespace

BlobStore::BlobStore(std::filesystem::path root, RunDirectory& run) : root_(std::move(root)), run_(&run) {}

void BlobStore::rely_on(const Lease& lease) {
  since_ = lease.files_since();
}

std::filesystem::path BlobStore::path_of(const Digest& digest) const {
  const std::string hex = digest.hex();
  return root_ / "blobs" / "sha256" / hex.substr(0, 2) / hex;
}

bool BlobStore::contains(const Digest& digest) const {
  return keep_file(root_, path_of(digest), since_);
}

std::optional<std::uint64_t> BlobStore::size(const Digest& digest) const {
  struct stat status{};
  if (::stat(path_of(digest).c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    throw system_error("stat " + path_of(digest).string());
  }
  return static_cast<std::uint64_t>(status.st_size);
}

UniqueFd BlobStore::open(const Digest& digest) const {
  const int fd = ::open(path_of(digest).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    throw Error(ErrorKind::not_found, "blob " + digest.str() + " is not in the store");
  }
  if (fd < 0) {
    throw system_error("open " + path_of(digest).string());
  }
  return UniqueFd(fd);
}

std::string BlobStore::read(const Digest& digest, std::uint64_t limit) const {
  const UniqueFd fd = open(digest);
  const std::uint64_t bytes = size(digest).value_or(0);
  if (bytes > limit) {
    throw Error(ErrorKind::invalid, "blob " + digest.str() + " is larger than " + std::to_string(limit) + " bytes");
  }
  std::string text(bytes, '\0');
  text.resize(read_full(fd.get(), std::as_writable_bytes(std::span(text)), path_of(digest).string()));
  return text;
}

std::unique_ptr<BlobWriter> BlobStore::create() {
  return with_space_hint([&] { return std::make_unique<FileBlobWriter>(*this, root_ / "tmp", *run_); });
}

Digest BlobStore::put(std::string_view text) {
  const Digest digest = codec::sha256(text);
  if (contains(digest)) {
    return digest;
  }
  const auto writer = create();
  writer->write(std::as_bytes(std::span(text)));
  writer->finish();
  return writer->commit(digest);
}

void BlobStore::for_each(const std::function<void(const Digest&, std::uint64_t size)>& visit) const {
  const auto base = root_ / "blobs" / "sha256";
  for (const auto& group : std::filesystem::directory_iterator(base)) {
    for (const auto& entry : std::filesystem::directory_iterator(group.path())) {
      const auto digest = Digest::from_hex(entry.path().filename().string());
      std::error_code gone;  // removed by another process meanwhile
      const auto bytes = entry.file_size(gone);
      if (digest && !gone) {
        visit(*digest, bytes);
      }
    }
  }
}

void BlobStore::remove(const Digest& digest) {
  if (::unlink(path_of(digest).c_str()) != 0 && errno != ENOENT) {
    throw system_error("remove " + path_of(digest).string());
  }
}

}  // namespace dlc::store
