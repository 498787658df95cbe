#include "cli/progress.h"

#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/progress_view.h"

namespace dlc::cli {

namespace {

constexpr std::size_t kMostQueuedLog = 1U << 20;
constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kLongestClose{2};

bool use_color() {
  const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): never changed
  return no_color == nullptr || *no_color == 0;
}

std::unique_ptr<ProgressView> make_view(const ProgressOptions& options) {
  switch (effective_mode(options)) {
    case ProgressMode::tty:
      return make_tty_view(options.fd, use_color());
    case ProgressMode::jsonl:
      return make_jsonl_view(options.fd);
    case ProgressMode::rawjson:
      return make_rawjson_view(options.fd);
    case ProgressMode::quiet:
      return make_quiet_view(options.fd);
    case ProgressMode::automatic:
    case ProgressMode::plain:
      break;
  }
  return options.style == PlainStyle::images ? make_images_view(options.fd) : make_steps_view(options.fd);
}

}  // namespace

std::optional<ProgressMode> parse_progress_mode(std::string_view word) {
  struct Name {
    std::string_view word;
    ProgressMode mode;
  };
  constexpr Name kNames[] = {{"auto", ProgressMode::automatic}, {"tty", ProgressMode::tty},
                             {"plain", ProgressMode::plain},    {"quiet", ProgressMode::quiet},
                             {"none", ProgressMode::quiet},     {"jsonl", ProgressMode::jsonl},
                             {"rawjson", ProgressMode::rawjson}};
  for (const auto& name : kNames) {
    if (name.word == word) {
      return name.mode;
    }
  }
  return std::nullopt;
}

ProgressMode effective_mode(const ProgressOptions& options) {
  if (options.mode != ProgressMode::automatic) {
    return options.mode;
  }
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): never changed
  const bool able = term != nullptr && std::string_view(term) != "dumb" && *term != 0;
  return ::isatty(options.fd) == 1 && able ? ProgressMode::tty : ProgressMode::plain;
}

/// Shared with the thread, which may outlive the Progress where a terminal is stuck.
struct Progress::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable finished;
  std::deque<Event> queue;
  std::size_t queued_log = 0;
  std::uint64_t lost = 0;
  bool closing = false;
  bool done = false;

  void push(const Event& event) {
    const std::scoped_lock lock(mutex);
    if (closing) {
      return;
    }
    if (event.type == Event::Type::log) {
      if (queued_log + event.text.size() > kMostQueuedLog) {
        lost += event.text.size();
        return;
      }
      queued_log += event.text.size();
    } else if (event.type == Event::Type::progress && !queue.empty() && queue.back().type == Event::Type::progress &&
               queue.back().activity == event.activity) {
      queue.back() = event;  // the newer figure says it all
      return;
    }
    queue.push_back(event);
    changed.notify_one();
  }

  void run(ProgressView& view) {
    std::unique_lock lock(mutex);
    auto last_tick = SteadyTime{};
    while (!closing || !queue.empty()) {
      if (queue.empty()) {
        changed.wait_for(lock, kTick);
      }
      std::deque<Event> batch;
      batch.swap(queue);
      queued_log = 0;
      const auto left_out = std::exchange(lost, 0);
      lock.unlock();
      for (const auto& event : batch) {
        view.event(event);
      }
      if (left_out > 0) {
        view.lost(left_out);
      }
      if (const auto now = std::chrono::steady_clock::now(); now - last_tick >= kTick) {
        last_tick = now;
        view.tick(now);
      }
      lock.lock();
    }
    lock.unlock();
    view.close();
    lock.lock();
    done = true;
    finished.notify_all();
  }
};

class Progress::Sink : public EventSink {
 public:
  explicit Sink(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void on_event(const Event& event) noexcept override {
    try {
      state_->push(event);
    } catch (const std::exception&) {  // out of memory: progress is what we can do without
    }
  }

 private:
  std::shared_ptr<State> state_;
};

Progress::Progress(EventBus& bus, const ProgressOptions& options) : state_(std::make_shared<State>()) {
  bus.add(std::make_shared<Sink>(state_));
  std::thread([state = state_, view = std::shared_ptr(make_view(options))] {
    sigset_t broken_pipe;  // a reader that went away must not end the build: write then gives EPIPE
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    try {
      state->run(*view);
    } catch (const std::exception&) {
      const std::scoped_lock lock(state->mutex);
      state->done = true;
      state->finished.notify_all();
    }
  }).detach();
}

void Progress::close() noexcept {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->changed.notify_all();
  state_->finished.wait_for(lock, kLongestClose, [&] { return state_->done; });
}

Progress::~Progress() {
  close();
}

}  // namespace dlc::cli
