#pragma once
// The tar format of layers: strict reader (ustar, PAX, GNU long names and sparse files), deterministic writer (ustar
// with PAX records only where needed; numeric owners; no atime/ctime). OCI image-spec, layer.md.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "codec/stream.h"

namespace dlc::codec {

struct TarEntry {
  enum class Type { file, hard_link, symlink, character, block, directory, fifo };
  std::string path;  ///< as stored: relative, no leading "/", directories without the trailing "/"; "": the root
  Type type = Type::file;
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid, sticky (07777)
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size = 0;  ///< bytes of content; 0 unless a file
  std::int64_t mtime = 0;  ///< seconds since the epoch
  std::uint32_t mtime_nsec = 0;
  std::string link;  ///< target of a symbolic or hard link
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::map<std::string, std::string> xattrs;  ///< name -> raw value (SCHILY.xattr.*)
};

/// Not thread-safe. Call `begin`, then `data` until `entry.size` bytes were given, for each entry; then `finish`.
class TarWriter {
 public:
  explicit TarWriter(Sink& out);
  ~TarWriter();
  void begin(const TarEntry& entry);
  void data(std::span<const std::byte> bytes);
  /// Two zero blocks; does not finish the sink below.
  void finish();
  /// Bytes written so far: the offset of the next entry's header.
  [[nodiscard]] std::uint64_t offset() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Not thread-safe. Throws Error(corrupt) for damaged input, within bounded memory (1 MiB a PAX header).
class TarReader {
 public:
  explicit TarReader(Source& in);
  ~TarReader();
  /// The next entry, or nullopt at the end, when `in` has been read to its end too (so what stands below has seen and
  /// checked everything). Skips what was not read of the entry before. A path is returned as the archive has it, except
  /// that leading "/" and "./" are dropped, in a hard link's target too: who unpacks must resolve ".." and links
  /// safely. Error(unsupported) for multi-volume and incremental archives and unknown types.
  [[nodiscard]] std::optional<TarEntry> next();
  /// Content of the current entry (holes of sparse files read as zeros); 0 at its end.
  [[nodiscard]] std::size_t read(std::span<std::byte> buffer);
  /// Where the current entry's content starts in the (uncompressed) stream.
  [[nodiscard]] std::uint64_t content_offset() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dlc::codec
