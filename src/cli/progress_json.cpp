// The two forms for programs: our events (docs/formats/events.md) and BuildKit's SolveStatus, one JSON object a line.
#include <nlohmann/json.hpp>

#include "cli/progress_view.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "oci/image.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string wall_time(const Event& event) {
  const auto since = event.wall.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds);
  return oci::rfc3339(seconds.count(), static_cast<std::uint32_t>(rest.count()));
}

const char* name_of(ActivityKind kind) {
  switch (kind) {
    case ActivityKind::plan:
      return "plan";
    case ActivityKind::image:
      return "image";
    case ActivityKind::base:
      return "base";
    case ActivityKind::step:
      return "step";
    case ActivityKind::pull:
      return "pull";
    case ActivityKind::push:
      return "push";
    case ActivityKind::layer:
      return "layer";
    case ActivityKind::test:
      return "test";
    case ActivityKind::other:
      break;
  }
  return "other";
}

const char* name_of(ActivityResult result) {
  switch (result) {
    case ActivityResult::done:
      return "done";
    case ActivityResult::cached:
      return "cached";
    case ActivityResult::failed:
      return "failed";
    case ActivityResult::cancelled:
      break;
  }
  return "cancelled";
}

std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class JsonlView : public ProgressView {
 public:
  explicit JsonlView(int fd) : out_(fd) {}

  void event(const Event& event) override {
    Json json{{"schema", 1}, {"time", wall_time(event)}};
    switch (event.type) {
      case Event::Type::begin:
        json.update({{"event", "begin"}, {"id", event.activity}, {"kind", name_of(event.kind)}, {"name", event.name}});
        if (event.parent != 0) {
          json["parent"] = event.parent;
        }
        break;
      case Event::Type::progress:
        json.update({{"event", "progress"}, {"id", event.activity}, {"done", event.done}, {"total", event.total}});
        break;
      case Event::Type::log:
        json.update({{"event", "log"},
                     {"id", event.activity},
                     {"stream", event.stream == LogStream::out ? "out" : "err"},
                     {"text", event.text}});
        break;
      case Event::Type::cache:
        json.update({{"event", "cache"}, {"id", event.activity}, {"key", event.name}, {"reason", event.text}});
        break;
      case Event::Type::message:
        json.update({{"event", "message"}, {"severity", event.severity}, {"text", event.text}});
        break;
      case Event::Type::end:
        json.update({{"event", "end"}, {"id", event.activity}, {"result", name_of(event.result)}});
        if (!event.text.empty()) {
          json["error"] = event.text;
        }
        break;
    }
    out_.write(one_line(json));
  }

  void lost(std::uint64_t bytes) override {
    out_.write(one_line(Json{{"schema", 1}, {"event", "lost"}, {"bytes", bytes}}));
  }

 private:
  TextOut out_;
};

/// github.com/moby/buildkit/client SolveStatus, as `docker buildx build --progress rawjson` prints it.
class RawJsonView : public ProgressView {
 public:
  explicit RawJsonView(int fd) : out_(fd) {}

  void event(const Event& event) override {
    switch (event.type) {
      case Event::Type::begin:
        if (event.kind != ActivityKind::image && event.kind != ActivityKind::plan) {
          auto& vertex = vertexes_[event.activity];
          vertex = {{"digest", codec::sha256(std::to_string(event.activity) + " " + event.name).str()},
                    {"name", event.name},
                    {"started", wall_time(event)}};
          say("vertexes", vertex);
        }
        break;
      case Event::Type::end:
        end(event);
        break;
      case Event::Type::log:
        if (const auto found = vertexes_.find(event.activity); found != vertexes_.end()) {
          say("logs", {{"vertex", found->second["digest"]},
                       {"stream", event.stream == LogStream::out ? 1 : 2},
                       {"data", codec::base64_encode(event.text)},
                       {"timestamp", wall_time(event)}});
        }
        break;
      case Event::Type::progress:
        if (const auto found = vertexes_.find(event.activity); found != vertexes_.end()) {
          say("statuses", {{"id", found->second["name"]},
                           {"vertex", found->second["digest"]},
                           {"total", event.total},
                           {"current", event.done},
                           {"timestamp", wall_time(event)},
                           {"started", found->second["started"]}});
        }
        break;
      case Event::Type::message:
        if (event.severity != "note") {
          say("warnings", {{"level", 1}, {"short", codec::base64_encode(event.text)}});
        }
        break;
      case Event::Type::cache:
        break;
    }
  }

 private:
  void end(const Event& event) {
    const auto found = vertexes_.find(event.activity);
    if (found == vertexes_.end()) {
      return;
    }
    auto vertex = std::move(found->second);
    vertexes_.erase(found);
    vertex["completed"] = wall_time(event);
    if (event.result == ActivityResult::cached) {
      vertex["cached"] = true;
    } else if (event.result == ActivityResult::failed) {
      vertex["error"] = event.text;
    } else if (event.result == ActivityResult::cancelled) {
      vertex["error"] = "context canceled";
    }
    say("vertexes", vertex);
  }

  void say(const char* list, const Json& item) {
    Json status;
    status[list] = Json::array({item});
    out_.write(one_line(status));
  }

  TextOut out_;
  std::map<ActivityId, Json> vertexes_;
};

}  // namespace

std::unique_ptr<ProgressView> make_jsonl_view(int fd) {
  return std::make_unique<JsonlView>(fd);
}
std::unique_ptr<ProgressView> make_rawjson_view(int fd) {
  return std::make_unique<RawJsonView>(fd);
}

}  // namespace dlc::cli
