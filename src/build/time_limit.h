#pragma once
// A limit on work that takes a stop token.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace dlc::build {

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

}  // namespace dlc::build
