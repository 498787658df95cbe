#include "base/error.h"

#include <cstring>
#include <utility>

namespace dlc {

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {
  rebuild();
}

Error& Error::hint(std::string text) {
  hint_ = std::move(text);
  return *this;
}

Error& Error::at(SourceLocation where) {
  where_ = std::move(where);
  return *this;
}

Error& Error::excerpt(std::string text) {
  excerpt_ = std::move(text);
  return *this;
}

Error& Error::retryable(bool yes) {
  retryable_ = yes;
  return *this;
}

Error& Error::context(std::string frame) {
  frames_.push_back(std::move(frame));
  rebuild();
  return *this;
}

void Error::rebuild() {
  what_.clear();
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    what_ += *frame;
    what_ += ": ";
  }
  what_ += message_;
}

namespace {

ErrorKind kind_of_errno(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorKind::exhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::denied;
    case ENOENT:
      return ErrorKind::not_found;
    default:
      return ErrorKind::failed;
  }
}

}  // namespace

Error system_error(std::string_view what, int error_number) {
  char buffer[128];
  std::string message(what);
  message += ": ";
  message += strerror_r(error_number, buffer, sizeof buffer);
  return {kind_of_errno(error_number), std::move(message)};
}

int exit_status(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::usage:
      return 2;
    case ErrorKind::invalid:
      return 3;
    case ErrorKind::denied:
      return 4;
    case ErrorKind::network:
      return 5;
    case ErrorKind::timeout:
      return 6;
    case ErrorKind::cancelled:
      return 130;
    case ErrorKind::failed:
    case ErrorKind::exhausted:
    case ErrorKind::not_found:
    case ErrorKind::corrupt:
    case ErrorKind::unsupported:
    case ErrorKind::internal:
      return 1;
  }
  return 1;
}

}  // namespace dlc
