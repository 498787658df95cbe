#include "codec/foreign.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <exception>
#include <string>
#include <vector>

#include "base/error.h"

namespace dlc::codec {

namespace {

constexpr std::size_t kInputSize = 64 * 1024;

class ForeignSource : public Source {
 public:
  ForeignSource(Source& in, ForeignFormat format) : in_(in), format_(format), input_(kInputSize) {
    archive_.reset(archive_read_new());
    if (!archive_) {
      throw Error(ErrorKind::exhausted, "no memory for a decompressor");
    }
    const int filter = format == ForeignFormat::xz ? ARCHIVE_FILTER_XZ : ARCHIVE_FILTER_BZIP2;
    // "Raw" wants at least one byte of content, "empty" takes the rest.
    if (archive_read_support_format_raw(archive_.get()) != ARCHIVE_OK ||
        archive_read_support_format_empty(archive_.get()) != ARCHIVE_OK ||
        archive_read_append_filter(archive_.get(), filter) != ARCHIVE_OK) {
      throw Error(ErrorKind::unsupported, "this libarchive cannot read " + name());
    }
  }

  std::size_t read(std::span<std::byte> buffer) override {
    if (!open_) {
      open_ = true;
      check(archive_read_open(archive_.get(), this, nullptr, &ForeignSource::pull, nullptr));
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(archive_.get(), &entry);
      at_end_ = status == ARCHIVE_EOF;
      if (!at_end_) {
        check(status);
      }
    }
    if (at_end_ || buffer.empty()) {
      return 0;
    }
    const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    check(count < 0 ? static_cast<int>(count) : ARCHIVE_OK);
    at_end_ = count == 0;
    return static_cast<std::size_t>(count);
  }

 private:
  struct Free {
    void operator()(archive* handle) const noexcept { archive_read_free(handle); }
  };

  [[nodiscard]] std::string name() const { return format_ == ForeignFormat::xz ? "xz" : "bzip2"; }

  /// Called by the library, through which no exception may pass.
  static la_ssize_t pull(archive* handle, void* self_pointer, const void** bytes) noexcept {
    auto& self = *static_cast<ForeignSource*>(self_pointer);
    try {
      *bytes = self.input_.data();
      return static_cast<la_ssize_t>(self.in_.read(self.input_));
    } catch (...) {
      self.error_ = std::current_exception();
      archive_set_error(handle, EIO, "the input failed");
      return ARCHIVE_FATAL;
    }
  }

  void check(int status) {
    if (error_) {
      std::rethrow_exception(error_);
    }
    if (status == ARCHIVE_OK) {
      return;
    }
    const char* why = archive_error_string(archive_.get());
    const bool memory = archive_errno(archive_.get()) == ENOMEM;
    throw Error(memory ? ErrorKind::exhausted : ErrorKind::corrupt,
                "damaged " + name() + " data: " + (why == nullptr ? "unknown error" : why));
  }

  Source& in_;
  ForeignFormat format_;
  std::vector<std::byte> input_;
  std::exception_ptr error_;
  bool open_ = false;
  bool at_end_ = false;
  std::unique_ptr<archive, Free> archive_;
};

}  // namespace

std::unique_ptr<Source> foreign_source(Source& in, ForeignFormat format) {
  return std::make_unique<ForeignSource>(in, format);
}

}  // namespace dlc::codec
