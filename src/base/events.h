#pragma once
// The one typed event stream. Work reports activities (begin, progress, log, end) with parents; terminal, plain,
// JSON-lines and log-file output are sinks. Every cache decision is an event with its reason.
// The JSON form is documented in docs/formats/events.md.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace dlc {

using ActivityId = std::uint64_t;  ///< 0: none

enum class ActivityKind { plan, image, base, step, pull, push, layer, test, other };
enum class ActivityResult { done, cached, failed, cancelled };
enum class LogStream { out, err };

struct Event {
  enum class Type { begin, progress, log, cache, message, end };
  Type type = Type::message;
  ActivityId activity = 0;
  ActivityId parent = 0;                         ///< begin
  ActivityKind kind = ActivityKind::other;       ///< begin
  ActivityResult result = ActivityResult::done;  ///< end
  LogStream stream = LogStream::out;             ///< log
  std::string name;                              ///< begin: what a person reads; cache: the step's key
  std::string text;        ///< log: raw bytes; cache: the reason; message: the text; end: the error, if any
  std::string severity;    ///< message: "note", "warning" or "error"
  std::uint64_t done = 0;  ///< progress, in bytes unless the activity says otherwise
  std::uint64_t total = 0;
  std::chrono::steady_clock::time_point when;
  std::chrono::system_clock::time_point wall;
};

/// Called from any thread, one call at a time (the bus holds a lock). Must not block for long and must not throw.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) noexcept = 0;
};

/// Thread-safe. Sinks are added before work starts and outlive the bus's last event.
class EventBus {
 public:
  void add(std::shared_ptr<EventSink> sink);
  void emit(Event event);
  void message(std::string_view severity, std::string text);
  [[nodiscard]] ActivityId next_id() noexcept { return ++last_id_; }
  /// Masks a secret in every text that passes (values under 8 bytes are not masked: too many false hits).
  void mask(std::string secret);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<EventSink>> sinks_;
  std::vector<std::string> secrets_;
  std::atomic<ActivityId> last_id_{0};
};

/// One piece of work, from construction to `finish`. A destructor without `finish` reports `cancelled`.
class Activity {
 public:
  Activity(EventBus& bus, ActivityKind kind, std::string name, ActivityId parent = 0);
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity();

  [[nodiscard]] ActivityId id() const noexcept { return id_; }
  [[nodiscard]] EventBus& bus() const noexcept { return bus_; }
  void log(LogStream stream, std::string_view bytes);
  void progress(std::uint64_t done, std::uint64_t total);
  /// A cache decision: `key` as hex, `reason` for a person ("content of app.py changed").
  void cache(std::string key, std::string reason);
  void finish(ActivityResult result, std::string error = {});
  /// Failed, or cancelled after a stop request.
  void finish(const Error& error);

 private:
  EventBus& bus_;
  ActivityId id_;
  bool finished_ = false;
};

/// What `work` returns; the activity is finished with how it ended.
template <typename Work>
auto finishing(Activity& activity, const Work& work) {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      activity.finish(ActivityResult::done);
    } else {
      auto result = work();
      activity.finish(ActivityResult::done);
      return result;
    }
  } catch (const Error& error) {
    activity.finish(error);
    throw;
  }
}

}  // namespace dlc
