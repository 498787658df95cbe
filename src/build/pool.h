#pragma once
// Threads that run jobs, the most urgent first.
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dlc::build {

/// `submit` is thread-safe. Jobs must not throw. The destructor lets running jobs end and drops the others.
class Pool {
 public:
  explicit Pool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { loop(stop); });
    }
  }
  ~Pool() {
    for (auto& thread : threads_) {
      thread.request_stop();
    }
    changed_.notify_all();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void submit(std::uint64_t priority, std::function<void()> job) {
    {
      const std::scoped_lock lock(mutex_);
      const auto place = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& j) { return j.first < priority; });
      jobs_.emplace(place, priority, std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void loop(const std::stop_token& stop) {
    while (true) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return !jobs_.empty(); })) {
          return;
        }
        job = std::move(jobs_.front().second);
        jobs_.pop_front();
      }
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::pair<std::uint64_t, std::function<void()>>> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace dlc::build
