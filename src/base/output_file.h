#pragma once
// A file that the user named for a result (-o FILE, --iidfile FILE). It is written as a shell's `>` would, but whole or
// not at all where that can be: links are followed, and the regular file behind them is replaced in one step and keeps
// its permissions; a character device or FIFO gets the bytes themselves. What cannot take a file (a directory, a
// socket, a disk) is an error, before anything is written.
//
// Following links is right for a path that the user chose, and for that alone: what belongs to the store, or lies in a
// directory that others may write to under a name they can guess, goes through `write_file_atomically`, which puts a
// file of its own in the place of whatever is there.
#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace dlc {

class OutputFile {
 public:
  /// `mode`: of a file that is new. Opening a FIFO waits for its reader.
  explicit OutputFile(const std::filesystem::path& path, unsigned mode = 0644);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  /// Leaves what was there before, where `commit` was not called (a device or FIFO has what was written).
  ~OutputFile();

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// For errors: as the user wrote it.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Puts the file in its place. Once.
  void commit();

 private:
  void open_beside(const std::filesystem::path& target, unsigned mode);

  std::string name_;
  std::string target_;     ///< behind all links
  std::string temporary_;  ///< beside it; empty: the bytes go straight to what is there
  UniqueFd fd_;
};

/// Throws where a file could not be put there now: for a command that works long before it has the text. What would not
/// be replaced (a FIFO, a device, an open file by way of /dev/stdout) is left alone.
void check_output_file(const std::filesystem::path& path);

/// All of it in one call.
void write_output_file(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);

}  // namespace dlc
