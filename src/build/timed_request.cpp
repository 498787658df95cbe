#include "build/timed_request.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace dlc::build {

namespace {

/// Requests a stop after some time, unless it is destroyed before.
class TimeLimit {
 public:
  TimeLimit(std::stop_source source, std::chrono::seconds limit)
      : thread_([this, source = std::move(source), limit](const std::stop_token& over) mutable {
          std::unique_lock lock(mutex_);
          changed_.wait_for(lock, over, limit, [] { return false; });
          if (!over.stop_requested()) {
            source.request_stop();
          }
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;  // last: it uses the two above
};

}  // namespace

net::Response get_within(std::chrono::seconds limit, const std::string& url, const std::stop_token& stop,
                         const net::Receiver* receiver) {
  net::ClientOptions options;
  options.attempts = 1;
  options.connect_timeout = limit;
  net::HttpClient client(options);
  std::stop_source source;
  const std::stop_callback forward(stop, [&source] { source.request_stop(); });
  const TimeLimit timer(source, limit);
  net::Request request;
  request.url = url;
  request.stop = source.get_token();
  try {
    return client.send(request, receiver);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled && !stop.stop_requested()) {
      throw Error(ErrorKind::timeout, fmt::format("{} did not answer within {} s", url, limit.count()));
    }
    throw;
  }
}

}  // namespace dlc::build
