#include "build/forecast.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "build/context_tree.h"

namespace dlc::build {

namespace {

constexpr std::uint64_t kLongestText = 256U << 10;
constexpr std::string_view kFile = "file ";
constexpr std::string_view kBase = "base ";

bool is_text(std::string_view bytes) {
  return std::ranges::none_of(
      bytes, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' && c != '\r'; });
}

class Forecaster {
 public:
  Forecaster(const Graph& graph, const ImageTarget& target, const std::map<std::string, std::string>& absent,
             store::Store& store)
      : graph_(graph), target_(target), absent_(absent), store_(store) {}

  std::vector<StepForecast> run(const ProbedTarget& probed) {
    std::vector<StepForecast> steps;
    for (const auto& step : probed.steps) {
      StepForecast forecast{.vertex = step.vertex, .cost_ms = {}, .changes = {}, .cause = {}, .note = {}};
      if (step.known) {
        forecast.cost_ms = store_.records().cost_ms(step.keys->operation);
      } else {
        open(step, steps, forecast);
      }
      steps.push_back(std::move(forecast));
    }
    return steps;
  }

 private:
  void open(const ProbedStep& step, const std::vector<StepForecast>& before, StepForecast& forecast) {
    if (step.error || !step.keys) {
      forecast.state = StepForecast::State::open;
      forecast.note = step.error ? step.error->what() : "";
      return;
    }
    forecast.state = StepForecast::State::will_run;
    const auto last = recall_step(store_.records(), target_.name, graph_.at(step.vertex).name);
    forecast.cost_ms = last ? std::optional(last->cost_ms) : store_.records().cost_ms(step.keys->operation);
    auto changes = last ? compare_parts(last->inputs, step.keys->parts) : std::vector<Change>();
    const bool only_before = !changes.empty() && std::ranges::all_of(changes, [](const Change& change) {
      return change.part == kStepBefore;
    });
    take_absent(step, changes, forecast);
    if (only_before) {
      forecast.cause = cause_of(step.vertex, before);
    }
    std::erase_if(changes, [](const Change& change) { return change.part == kStepBefore; });
    for (auto& change : changes) {
      auto text = describe(change);
      auto lines = lines_of(step.vertex, change, last->result);
      forecast.changes.push_back({.change = std::move(change), .text = std::move(text), .lines = std::move(lines)});
    }
    if (forecast.changes.empty() && !forecast.cause && forecast.note.empty()) {
      forecast.note = !last         ? "not built before"
                      : only_before ? "a step before it changed"
                                    : "its result is no longer in the store";
    }
  }

  /// A base that is not known stands for itself: its digest says nothing.
  void take_absent(const ProbedStep& step, std::vector<Change>& changes, StepForecast& forecast) const {
    for (const auto& [part, value] : step.keys->parts) {
      const auto found = part.starts_with(kBase) ? absent_.find(part.substr(kBase.size())) : absent_.end();
      if (found != absent_.end()) {
        forecast.note = found->second;
        std::erase_if(changes, [&part = part](const Change& change) { return change.part == part; });
      }
    }
  }

  /// Follows what a step stands on to the first one that has a reason of its own.
  [[nodiscard]] std::optional<VertexId> cause_of(VertexId id, const std::vector<StepForecast>& before) const {
    while (!graph_.at(id).inputs.empty()) {
      id = graph_.at(id).inputs[0];
      const auto found = std::ranges::find(before, id, &StepForecast::vertex);
      if (found == before.end()) {
        return std::nullopt;
      }
      if (found->state != StepForecast::State::cached) {
        return found->cause ? found->cause : std::optional(id);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::vector<std::string> lines_of(VertexId id, const Change& change, const Digest& result) const {
    if (change.part == "instruction" || change.part.starts_with("heredoc ")) {
      const bool one_line = (change.before + change.after).find('\n') == std::string::npos && change.after.size() < 60;
      return one_line ? std::vector<std::string>() : changed_lines(change.before, change.after);
    }
    const auto old_digest = file_digest_of(change.part, change.before);
    if (!old_digest || !file_digest_of(change.part, change.after)) {
      return {};
    }
    try {
      const auto before = old_text(*old_digest, result);
      const auto after = before ? new_text(id, change.part.substr(kFile.size())) : std::nullopt;
      return after ? changed_lines(*before, *after) : std::vector<std::string>();
    } catch (const Error&) {
      return {};  // the digests tell that it changed; the lines are an extra
    }
  }

  /// The file as the step's last result has it.
  [[nodiscard]] std::optional<std::string> old_text(const std::string& digest, const Digest& result) const {
    const auto layer = store_.layers().find(result);
    if (!layer || !layer->unpacked) {
      return std::nullopt;
    }
    for (const auto& entry : store_.layers().index(layer->diff_id)) {
      if (entry.type == 'f' && entry.size <= kLongestText && entry.content.hex() == digest) {
        auto text = read_file(store_.layers().lowers(result).front() / entry.path, kLongestText);
        return is_text(text) ? std::optional(std::move(text)) : std::nullopt;
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> new_text(VertexId id, const std::string& path) const {
    for (const auto input : graph_.at(id).inputs) {
      const auto* local = std::get_if<LocalOp>(&graph_.at(input).op);
      if (local == nullptr) {
        continue;
      }
      const ContextTree tree(*local);
      const auto node = tree.lstat(path);
      if (!node || node->type != Node::Type::file || node->size > kLongestText) {
        continue;
      }
      std::string text(node->size, '\0');
      const auto fd = tree.open(path);
      text.resize(read_full(fd.get(), std::as_writable_bytes(std::span(text)), path));
      return is_text(text) ? std::optional(std::move(text)) : std::nullopt;
    }
    return std::nullopt;
  }

  const Graph& graph_;
  const ImageTarget& target_;
  const std::map<std::string, std::string>& absent_;
  store::Store& store_;
};

}  // namespace

std::vector<StepForecast> forecast(const Graph& graph, const ImageTarget& target, const ProbedTarget& probed,
                                   const std::map<std::string, std::string>& absent, store::Store& store) {
  return Forecaster(graph, target, absent, store).run(probed);
}

}  // namespace dlc::build
