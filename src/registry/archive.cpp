#include "registry/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "codec/compression.h"
#include "codec/sinks.h"
#include "codec/tar.h"

namespace dlc::registry {

namespace {

/// "a/../b" -> "b", relative to the archive's root; empty where it would leave it.
std::string clean(const std::string& path) {
  const auto normal = std::filesystem::path("/" + path).lexically_normal().string();
  return normal.size() > 1 ? normal.substr(1) : std::string();
}

bool is_plain_tar(int fd) {
  std::array<char, 512> block{};
  const auto count = ::pread(fd, block.data(), block.size(), 0);
  return count == static_cast<ssize_t>(block.size()) && std::string_view(block.data() + 257, 5) == "ustar";
}

}  // namespace

TarArchive::TarArchive(const std::filesystem::path& file, const std::filesystem::path& scratch)
    : name_(file.string()), file_(open_file(file.string(), O_RDONLY)) {
  if (!is_plain_tar(file_.get())) {
    unpack(scratch);
  }
  try {
    index();
  } catch (Error& error) {
    error.context(name_);
    throw;
  }
}

void TarArchive::unpack(const std::filesystem::path& scratch) {
  unpacked_.emplace(scratch, "archive-");
  const auto path = (unpacked_->path() / "plain.tar").string();
  UniqueFd plain = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  codec::FdSource in(file_.get(), name_);
  codec::FdSink out(plain.get(), path);
  codec::copy(*codec::decompress(in), out);
  if (::lseek(plain.get(), 0, SEEK_SET) < 0) {
    throw system_error("seek " + path);
  }
  file_ = std::move(plain);
}

void TarArchive::index() {
  constexpr std::size_t kMaxMembers = 100'000;
  codec::FdSource in(file_.get(), name_);
  codec::TarReader reader(in);
  while (const auto entry = reader.next()) {
    if (members_.size() + links_.size() >= kMaxMembers) {
      throw Error(ErrorKind::invalid, "an image archive with so many members is not read");
    }
    const auto name = clean(entry->path);
    if (entry->type == codec::TarEntry::Type::file) {
      members_.insert_or_assign(name, Member{reader.content_offset(), entry->size});
    } else if (entry->type == codec::TarEntry::Type::hard_link) {
      links_.insert_or_assign(name, clean(entry->link));
    } else if (entry->type == codec::TarEntry::Type::symlink && !entry->link.starts_with('/')) {
      const auto parent = std::filesystem::path(name).parent_path().string();
      links_.insert_or_assign(name, clean(parent + "/" + entry->link));
    }
  }
}

std::optional<TarArchive::Member> TarArchive::find(const std::string& name) const {
  auto wanted = clean(name);
  for (int hops = 0; hops < 8; ++hops) {
    if (const auto it = members_.find(wanted); it != members_.end()) {
      return it->second;
    }
    const auto link = links_.find(wanted);
    if (link == links_.end()) {
      break;
    }
    wanted = link->second;
  }
  return std::nullopt;
}

void TarArchive::copy(const Member& member, codec::Sink& out) const {
  std::vector<std::byte> buffer(256U << 10);
  for (std::uint64_t done = 0; done < member.size;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), member.size - done));
    const auto count = ::pread(file_.get(), buffer.data(), want, static_cast<off_t>(member.offset + done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      throw system_error("read " + name_);
    }
    if (count == 0) {
      throw Error(ErrorKind::corrupt, name_ + " ends too early");
    }
    out.write(std::span(buffer).first(static_cast<std::size_t>(count)));
    done += static_cast<std::uint64_t>(count);
  }
}

std::string TarArchive::read(const std::string& name, std::uint64_t limit) const {
  const auto member = find(name);
  if (!member) {
    throw Error(ErrorKind::not_found, fmt::format("{} has no member {}", name_, name));
  }
  if (member->size > limit) {
    throw Error(ErrorKind::invalid,
                fmt::format("{}: member {} has {} bytes, at most {} were expected", name_, name, member->size, limit));
  }
  codec::StringSink sink;
  copy(*member, sink);
  return sink.take();
}

}  // namespace dlc::registry
