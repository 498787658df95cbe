#pragma once
// A small HTTP(S) client. Redirects are followed here, not by the transport, so that credentials are dropped as soon as
// scheme, host or port change. Failures that may pass (connection lost, 429, 5xx) are retried with growing pauses as
// long as no byte of the body was handed out. Proxies come from the usual variables, never for loopback; certificates
// from SSL_CERT_FILE or the system's bundle.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dlc::net {

inline constexpr std::string_view kUserAgent = "dlc/0.1.0";

/// Names in lower case; a name may occur more than once.
class Headers {
 public:
  void add(std::string_view name, std::string_view value);
  /// The first value, or nullopt.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  void clear() noexcept { values_.clear(); }

 private:
  std::multimap<std::string, std::string, std::less<>> values_;
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;  ///< whole, or the first 64 KiB of an error's where the body went to a receiver
  std::string url;   ///< where it came from after redirects
  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
};

/// Takes the body of a 2xx response as it comes. Both may throw; the transfer ends and the exception comes out of
/// `send`.
struct Receiver {
  std::function<void(const Response& head)> begin;  ///< before the first byte; may be empty
  std::function<void(std::span<const std::byte>)> write;
};

/// A body that is sent piece by piece.
struct Upload {
  std::uint64_t size = 0;
  std::function<std::size_t(std::span<std::byte>)> read;  ///< 0 at the end; may throw
  std::function<void()> rewind;                           ///< to the start, for another try; empty: no retries
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string url;
  HeaderList headers;
  HeaderList credentials;  ///< sent as headers to this URL's origin only
  std::string body;
  std::optional<Upload> upload;  ///< instead of `body`
  bool follow_redirects = true;
  bool allow_downgrade = false;  ///< follow a redirect from https to http
  bool verify_tls = true;
  bool retry = true;  ///< a lost request may be sent again (give false where that would do a thing twice)
  std::uint64_t body_limit = 64U << 20;  ///< of a body without a receiver: more is Error(invalid)
  std::stop_token stop;                  ///< ends the transfer with Error(cancelled)
};

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::seconds stall_timeout{45};  ///< fewer than `stall_rate` bytes a second for so long is Error(timeout)
  std::uint32_t stall_rate = 32;
  int attempts = 5;                            ///< in all, per request
  std::chrono::milliseconds first_pause{300};  ///< doubled each time, with jitter
  std::chrono::seconds longest_wait{60};       ///< a Retry-After beyond this is not waited for
  int max_redirects = 10;
  std::string ca_file;                               ///< empty: SSL_CERT_FILE, else the system's
  std::function<void(const std::string&)> on_retry;  ///< told why, from the thread that sends
};

/// Thread-safe; connections are kept and reused.
class HttpClient {
 public:
  explicit HttpClient(ClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any status is an answer; Error(network) (host named, retryable or not), timeout and cancelled are thrown. A body
  /// that breaks off after `receiver` got a part of it is a retryable Error(network): the caller resumes (`download`).
  Response send(const Request& request, const Receiver* receiver = nullptr);

  [[nodiscard]] const ClientOptions& options() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How `download` sends one request; lets a caller put its own authorisation around `HttpClient::send`.
using SendFunction = std::function<Response(const Request&, const Receiver&)>;

struct DownloadOptions {
  std::optional<std::uint64_t> size;  ///< known beforehand: a shorter body is resumed, a longer one Error(corrupt)
  bool verified = false;  ///< the caller checks a digest: pieces of two answers may be joined without an ETag
  int attempts = 6;       ///< in a row without a new byte
  std::chrono::milliseconds first_pause{300};
  std::function<void(const std::string&)> on_retry;
};

/// Fetches a body and goes on with a Range request where the connection broke off, checking that the server goes on at
/// the same place of the same thing. Returns the head of the last answer; a status other than 2xx is returned as it is
/// when nothing was received yet, else thrown.
Response download(const SendFunction& send, Request request,
                  const std::function<void(std::span<const std::byte>)>& write, const DownloadOptions& options);

/// Sleeps; throws Error(cancelled) when `stop` is requested meanwhile.
void pause(std::chrono::milliseconds time, const std::stop_token& stop);
/// The pause before try number `attempt` (from 1): doubled each time, plus or minus a quarter, at most 20 s.
[[nodiscard]] std::chrono::milliseconds backoff(std::chrono::milliseconds first, int attempt);

}  // namespace dlc::net
