#pragma once
// The one exception type of the program. Thrown by RAII-clean code; caught at an image, a request or `main`, nowhere
// else. Not for findings in the user's input files: those are collected in `Diagnostics`.
#include <cerrno>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace dlc {

/// What went wrong, as far as a caller may act on it. Decides the exit status; nobody matches on message text.
enum class ErrorKind {
  failed,       ///< an image, a step or a test failed
  usage,        ///< wrong command line
  invalid,      ///< wrong input file
  denied,       ///< not allowed
  network,      ///< a server could not be reached or broke off
  timeout,      ///< a time limit ran out
  exhausted,    ///< no space, memory or other resource
  not_found,    ///< the thing named is not there
  corrupt,      ///< stored or received data is not what its digest says
  unsupported,  ///< valid, but not something this program or host can do
  cancelled,    ///< interrupted by the user
  internal,     ///< a bug
};

/// A place in a file of the user's. `line` and `column` count from 1; 0 means unknown.
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
};

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  /// What the user can do about it, one sentence.
  Error& hint(std::string text);
  /// The place in the user's file.
  Error& at(SourceLocation where);
  /// The lines of that file to show below the message (already formatted).
  Error& excerpt(std::string text);
  /// A retry may succeed (network, locks).
  Error& retryable(bool yes = true);
  /// Adds an outer frame: "while unpacking layer sha256:...".
  Error& context(std::string frame);

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
  [[nodiscard]] const SourceLocation& where() const noexcept { return where_; }
  [[nodiscard]] const std::string& excerpt() const noexcept { return excerpt_; }
  [[nodiscard]] bool is_retryable() const noexcept { return retryable_; }
  /// The frames added by `context`, innermost first.
  [[nodiscard]] const std::vector<std::string>& frames() const noexcept { return frames_; }
  /// The message with its frames on one line: "outer: inner: message".
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  void rebuild();

  ErrorKind kind_;
  bool retryable_ = false;
  std::string message_;
  std::string hint_;
  std::string excerpt_;
  SourceLocation where_;
  std::vector<std::string> frames_;
  std::string what_;
};

/// An error of a system call: "what: No space left on device". ENOSPC, EDQUOT, ENOMEM and EMFILE become `exhausted`,
/// EACCES and EPERM `denied`, ENOENT `not_found`, others `failed`.
[[nodiscard]] Error system_error(std::string_view what, int error_number = errno);

/// The exit status of the table in docs/exit-status.md for commands other than `dlc image build` and `dlc run`.
[[nodiscard]] int exit_status(ErrorKind kind) noexcept;

}  // namespace dlc
