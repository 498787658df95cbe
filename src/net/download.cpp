// A body in as many pieces as the connection needs.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "net/http.h"
#include "net/url.h"

namespace dlc::net {

namespace {

/// First byte of "bytes 5-9/10", or nullopt.
std::optional<std::uint64_t> range_start(const Response& head) {
  const auto text = head.headers.get("content-range").value_or("");
  constexpr std::string_view kPrefix = "bytes ";
  std::uint64_t start = 0;
  if (!text.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const char* last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data() + kPrefix.size(), last, start);
  return failed == std::errc() && end != last && *end == '-' ? std::optional(start) : std::nullopt;
}

/// What was received so far, over all answers.
class Progress {
 public:
  Progress(const std::string& host, const std::function<void(std::span<const std::byte>)>& write,
           const DownloadOptions& options)
      : host_(host), write_(write), options_(options) {}

  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  [[nodiscard]] const std::string& etag() const noexcept { return etag_; }
  [[nodiscard]] bool complete() const noexcept { return options_.size && received_ == *options_.size; }

  /// A new answer starts: find out which byte it starts with.
  void begin(const Response& head) {
    const auto etag = head.headers.get("etag").value_or("");
    if (received_ > 0 && !options_.verified && (etag.empty() || etag != etag_)) {
      throw Error(ErrorKind::network, fmt::format("{} changed the file during the download", host_));
    }
    etag_ = etag;
    skip_ = 0;
    if (head.status == 206) {
      if (range_start(head).value_or(0) != received_) {
        throw Error(ErrorKind::network, fmt::format("{} answered with another part of the file than asked for", host_));
      }
    } else {
      skip_ = received_;  // the range was ignored: the same bytes come again
    }
  }

  void write(std::span<const std::byte> bytes) {
    const auto drop = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
    skip_ -= drop;
    bytes = bytes.subspan(drop);
    if (bytes.empty()) {
      return;
    }
    if (options_.size && bytes.size() > *options_.size - received_) {
      throw Error(ErrorKind::corrupt, fmt::format("{} sent more than the {} bytes expected", host_, *options_.size));
    }
    write_(bytes);
    received_ += bytes.size();
  }

 private:
  const std::string& host_;
  const std::function<void(std::span<const std::byte>)>& write_;
  const DownloadOptions& options_;
  std::uint64_t received_ = 0;
  std::uint64_t skip_ = 0;
  std::string etag_;
};

}  // namespace

Response download(const SendFunction& send, Request request,
                  const std::function<void(std::span<const std::byte>)>& write, const DownloadOptions& options) {
  const std::string host = parse_url(request.url).authority();
  const HeaderList headers = request.headers;
  Progress progress(host, write, options);
  const Receiver receiver{[&](const Response& head) { progress.begin(head); },
                          [&](std::span<const std::byte> bytes) { progress.write(bytes); }};
  for (int fruitless = 1;; ++fruitless) {
    const auto before = progress.received();
    request.headers = headers;
    if (before > 0) {
      request.headers.emplace_back("Range", fmt::format("bytes={}-", before));
      if (!options.verified) {
        request.headers.emplace_back("If-Range", progress.etag());
      }
    }
    std::string reason;
    try {
      auto response = send(request, receiver);
      if (!response.ok()) {
        if (before == 0) {
          return response;
        }
        throw Error(ErrorKind::network,
                    fmt::format("{} answered {} in the middle of a download", host, response.status));
      }
      if (!options.size || progress.complete()) {
        return response;
      }
      reason = fmt::format("{} sent only {} of {} bytes", host, progress.received(), *options.size);
    } catch (const Error& error) {
      if (!error.is_retryable() || (before == 0 && progress.received() == 0)) {
        throw;  // nothing was received: `send` has tried often enough
      }
      reason = error.what();
    }
    if (progress.received() > before) {
      fruitless = 0;
    }
    if (fruitless >= options.attempts || (!options.verified && progress.etag().empty() && progress.received() > 0)) {
      throw Error(ErrorKind::network, reason).retryable();
    }
    if (options.on_retry) {
      options.on_retry(fmt::format("{}; going on at byte {}", reason, progress.received()));
    }
    pause(backoff(options.first_pause, std::max(fruitless, 1)), request.stop);
  }
}

}  // namespace dlc::net
