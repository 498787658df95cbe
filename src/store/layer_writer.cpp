#include "store/layer_writer.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "store/layer_index.h"

namespace dlc::store {

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

codec::TarEntry::Type type_of(const struct stat& status) {
  using Type = codec::TarEntry::Type;
  switch (status.st_mode & S_IFMT) {
    case S_IFDIR:
      return Type::directory;
    case S_IFLNK:
      return Type::symlink;
    case S_IFCHR:
      return Type::character;
    case S_IFBLK:
      return Type::block;
    case S_IFIFO:
      return Type::fifo;
    default:
      return Type::file;
  }
}

/// Gives a file's bytes on, piece by piece.
template <typename Take>
void read_content(int root, const std::string& path, std::uint64_t size, std::span<std::byte> buffer, Take take) {
  const UniqueFd file = open_beneath(root, path, O_RDONLY);
  for (std::uint64_t left = size; left > 0;) {
    const auto chunk = buffer.first(std::min<std::uint64_t>(left, buffer.size()));
    if (read_full(file.get(), chunk, path) != chunk.size()) {
      throw Error(ErrorKind::failed, "/" + path + " became shorter while its layer was written");
    }
    take(chunk);
    left -= chunk.size();
  }
}

class Writer {
 public:
  Writer(int upper, std::optional<std::int64_t> epoch, codec::Sink& out, Activity* activity)
      : upper_(upper), epoch_(epoch), tar_(out), activity_(activity), buffer_(kBufferBytes) {}

  std::vector<IndexEntry> run(const std::vector<Change>& changes) {
    std::uint64_t total = 0;
    for (const auto& change : changes) {
      total += content_size(change);
    }
    index_.reserve(changes.size());
    for (const auto& change : changes) {
      if (change.whiteout) {
        write_whiteout(change);
      } else {
        write_entry(change);
      }
      if (activity_ != nullptr && done_ - reported_ >= kReportBytes) {
        reported_ = done_;
        activity_->progress(done_, total);
      }
    }
    tar_.finish();
    return std::move(index_);
  }

 private:
  static constexpr std::uint64_t kReportBytes = 8U << 20;

  static std::uint64_t content_size(const Change& change) {
    const bool file = !change.whiteout && S_ISREG(change.status.st_mode) && change.hard_link.empty();
    return file ? static_cast<std::uint64_t>(change.status.st_size) : 0;
  }

  void write_whiteout(const Change& change) {
    codec::TarEntry entry;
    entry.path = join(parent_of(change.path), ".wh." + std::string(name_of(change.path)));
    entry.mtime = epoch_.value_or(0);  // the time of the removal is not kept anywhere
    tar_.begin(entry);
    index_.push_back(index_entry(entry, entry.path));
  }

  void write_entry(const Change& change) {
    const auto& status = change.status;
    codec::TarEntry entry;
    entry.path = change.path;
    entry.mode = status.st_mode & 07777;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mtime = epoch_ ? std::min<std::int64_t>(status.st_mtim.tv_sec, *epoch_) : status.st_mtim.tv_sec;
    if (!change.hard_link.empty()) {
      entry.type = codec::TarEntry::Type::hard_link;
      entry.link = change.hard_link;
    } else {
      entry.type = type_of(status);
      entry.link = change.link;
      entry.xattrs = change.xattrs;
      entry.size = content_size(change);
      if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        entry.major = major(status.st_rdev);
        entry.minor = minor(status.st_rdev);
      }
    }
    tar_.begin(entry);
    index_.push_back(index_entry(entry, change.path));
    if (entry.type == codec::TarEntry::Type::file) {
      write_content(change.path, entry.size);
    }
    // Directories always: scanning may have removed entries from them.
    if (S_ISDIR(status.st_mode) || status.st_mtim.tv_sec != entry.mtime || status.st_mtim.tv_nsec != 0) {
      set_mtime_at(upper_, change.path, entry.mtime, 0);
    }
  }

  void write_content(const std::string& path, std::uint64_t size) {
    IndexEntry& line = index_.back();
    line.offset = tar_.offset();
    const bool keep = is_kept_path(path) && size <= kKeptLimit;
    codec::Sha256 hash;
    read_content(upper_, path, size, buffer_, [&](std::span<const std::byte> chunk) {
      hash.update(chunk);
      tar_.data(chunk);
      if (keep) {
        for (const std::byte byte : chunk) {
          line.kept += static_cast<char>(byte);
        }
      }
      done_ += chunk.size();
    });
    line.content = hash.finish();
  }

  int upper_;
  std::optional<std::int64_t> epoch_;
  codec::TarWriter tar_;
  Activity* activity_;
  std::vector<std::byte> buffer_;
  std::vector<IndexEntry> index_;
  std::uint64_t done_ = 0;
  std::uint64_t reported_ = 0;
};

}  // namespace

std::vector<IndexEntry> write_layer(int upper, const std::vector<Change>& changes, std::optional<std::int64_t> epoch,
                                    codec::Sink& out, Activity* activity) {
  auto index = Writer(upper, epoch, out, activity).run(changes);
  out.finish();
  return index;
}

void rewrite_layer(int snapshot, const std::vector<IndexEntry>& index, codec::Sink& out) {
  codec::TarWriter tar(out);
  std::vector<std::byte> buffer(kBufferBytes);
  for (const auto& line : index) {
    const auto entry = tar_entry(line);
    tar.begin(entry);
    if (entry.type == codec::TarEntry::Type::file && entry.size > 0) {
      read_content(snapshot, line.path, line.size, buffer, [&](std::span<const std::byte> chunk) { tar.data(chunk); });
    }
  }
  tar.finish();
  out.finish();
}

}  // namespace dlc::store
