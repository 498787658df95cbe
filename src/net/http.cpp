// Redirects and retries around single transfers.
#include "net/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <random>

#include "base/error.h"
#include "base/stop.h"
#include "net/transfer.h"
#include "net/url.h"

namespace dlc::net {

void pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, time, [] { return false; });
  check_stop(stop);
}

std::chrono::milliseconds backoff(std::chrono::milliseconds first, int attempt) {
  constexpr std::chrono::milliseconds kLongest{20'000};
  const auto doubled = std::min<std::chrono::milliseconds>(first * (1 << std::clamp(attempt - 1, 0, 16)), kLongest);
  thread_local std::minstd_rand random(std::random_device{}());
  const auto quarter = doubled.count() / 4;
  return doubled + std::chrono::milliseconds(std::uniform_int_distribution<long long>(-quarter, quarter)(random));
}

namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/// Retry-After in seconds; a date is not honoured (clocks differ), the ordinary pause is then used.
std::optional<std::chrono::seconds> retry_after(const Response& response) {
  const auto text = response.headers.get("retry-after");
  long long seconds = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (failed != std::errc() || end != text->data() + text->size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(std::min(seconds, 86'400LL));
}

/// The request that a redirect asks for, at `to`.
void redirect(Request& request, const Response& response, const Url& from, const Url& to) {
  if (from.scheme == "https" && to.scheme == "http" && !request.allow_downgrade) {
    throw Error(ErrorKind::network,
                fmt::format("{} redirects to {} without TLS, which is not followed", from.authority(), to.authority()));
  }
  const bool becomes_get =
      response.status == 303 || ((response.status == 301 || response.status == 302) && request.method == "POST");
  if (becomes_get && request.method != "HEAD") {
    request.method = "GET";
    request.body.clear();
    request.upload.reset();
  }
  if (request.upload) {
    if (!request.upload->rewind) {
      throw Error(ErrorKind::network,
                  fmt::format("{} redirects an upload that cannot be sent again", from.authority()));
    }
    request.upload->rewind();
  }
}

}  // namespace

struct HttpClient::State {
  ClientOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;

  /// A connection for one request; goes back to the pool unless the transfer failed.
  std::unique_ptr<Connection> take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) {
      return std::make_unique<Connection>();
    }
    auto connection = std::move(idle.back());
    idle.pop_back();
    return connection;
  }

  void give(std::unique_ptr<Connection> connection) {
    constexpr std::size_t kMaxIdle = 16;
    const std::lock_guard lock(mutex);
    if (idle.size() < kMaxIdle) {
      idle.push_back(std::move(connection));
    }
  }

  /// One try: the request and the redirects it leads to.
  void attempt(Request request, const Receiver* receiver, Connection::Outcome& outcome) {
    Url url = parse_url(request.url);
    const Url origin = url;
    auto connection = take();
    for (int hops = 0;; ++hops) {
      outcome.response = {};
      connection->perform(request, url, same_origin(origin, url), options, receiver, outcome);
      const auto location = outcome.response.headers.get("location");
      if (!request.follow_redirects || !is_redirect(outcome.response.status) || !location) {
        break;
      }
      if (hops == options.max_redirects) {
        throw Error(ErrorKind::network, fmt::format("{} redirects more than {} times", origin.authority(), hops));
      }
      const Url next = resolve_url(url, *location);
      redirect(request, outcome.response, url, next);
      url = next;
    }
    give(std::move(connection));
  }
};

HttpClient::HttpClient(ClientOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}

HttpClient::~HttpClient() = default;

const ClientOptions& HttpClient::options() const noexcept {
  return state_->options;
}

Response HttpClient::send(const Request& request, const Receiver* receiver) {
  const auto& options = state_->options;
  const bool can_repeat = request.retry && (!request.upload || request.upload->rewind);
  for (int attempt = 1;; ++attempt) {
    const bool last = attempt >= options.attempts || !can_repeat;
    Connection::Outcome outcome;
    std::string reason;
    auto wait = backoff(options.first_pause, attempt);
    try {
      state_->attempt(request, receiver, outcome);
      if (!may_pass(outcome.response.status) || last) {
        return std::move(outcome.response);
      }
      reason = fmt::format("{} answered {}", parse_url(outcome.response.url).authority(), outcome.response.status);
      if (const auto asked = retry_after(outcome.response)) {
        if (*asked > options.longest_wait) {
          return std::move(outcome.response);
        }
        wait = std::max<std::chrono::milliseconds>(wait, *asked);
      }
    } catch (const Error& error) {
      if (!error.is_retryable() || last || outcome.delivered) {
        throw;
      }
      reason = error.what();
    }
    if (options.on_retry) {
      options.on_retry(fmt::format("{}; trying again in {:.1f} s", reason, static_cast<double>(wait.count()) / 1000));
    }
    pause(wait, request.stop);
    if (request.upload) {
      request.upload->rewind();
    }
  }
}

}  // namespace dlc::net
