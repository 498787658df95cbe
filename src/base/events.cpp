#include "base/events.h"

#include <utility>

namespace dlc {

void EventBus::add(std::shared_ptr<EventSink> sink) {
  const std::scoped_lock lock(mutex_);
  sinks_.push_back(std::move(sink));
}

void EventBus::mask(std::string secret) {
  constexpr std::size_t kShortestMasked = 8;
  if (secret.size() >= kShortestMasked) {
    const std::scoped_lock lock(mutex_);
    secrets_.push_back(std::move(secret));
  }
}

namespace {

void replace_all(std::string& text, const std::string& secret) {
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
    text.replace(at, secret.size(), "***");
  }
}

}  // namespace

void EventBus::emit(Event event) {
  event.when = std::chrono::steady_clock::now();
  event.wall = std::chrono::system_clock::now();
  const std::scoped_lock lock(mutex_);
  for (const auto& secret : secrets_) {
    replace_all(event.text, secret);
    replace_all(event.name, secret);
  }
  for (const auto& sink : sinks_) {
    sink->on_event(event);
  }
}

void EventBus::message(std::string_view severity, std::string text) {
  Event event;
  event.type = Event::Type::message;
  event.severity = severity;
  event.text = std::move(text);
  emit(std::move(event));
}

Activity::Activity(EventBus& bus, ActivityKind kind, std::string name, ActivityId parent)
    : bus_(bus), id_(bus.next_id()) {
  Event event;
  event.type = Event::Type::begin;
  event.activity = id_;
  event.parent = parent;
  event.kind = kind;
  event.name = std::move(name);
  bus_.emit(std::move(event));
}

Activity::~Activity() {
  if (!finished_) {
    try {
      finish(ActivityResult::cancelled);
    } catch (const std::exception&) {  // out of memory while telling about it: nothing left to do
    }
  }
}

void Activity::finish(const Error& error) {
  finish(error.kind() == ErrorKind::cancelled ? ActivityResult::cancelled : ActivityResult::failed, error.what());
}

void Activity::log(LogStream stream, std::string_view bytes) {
  Event event;
  event.type = Event::Type::log;
  event.activity = id_;
  event.stream = stream;
  event.text = bytes;
  bus_.emit(std::move(event));
}

void Activity::progress(std::uint64_t done, std::uint64_t total) {
  Event event;
  event.type = Event::Type::progress;
  event.activity = id_;
  event.done = done;
  event.total = total;
  bus_.emit(std::move(event));
}

void Activity::cache(std::string key, std::string reason) {
  Event event;
  event.type = Event::Type::cache;
  event.activity = id_;
  event.name = std::move(key);
  event.text = std::move(reason);
  bus_.emit(std::move(event));
}

void Activity::finish(ActivityResult result, std::string error) {
  finished_ = true;
  Event event;
  event.type = Event::Type::end;
  event.activity = id_;
  event.result = result;
  event.text = std::move(error);
  bus_.emit(std::move(event));
}

}  // namespace dlc
