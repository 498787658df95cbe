// Where stages, COPY --from and mounts read; and what all steps of a stage share: variables, names, history.
#include <algorithm>

#include "base/error.h"
#include "build/git_url.h"
#include "build/lower_internal.h"
#include "dockerfile/flags.h"
#include "dockerfile/text.h"

namespace dlc::build {

using dockerfile::LineRange;

const NamedContext* Lowering::find_context(const std::string& name) const {
  const auto found = std::find_if(options_.contexts.begin(), options_.contexts.end(), [&name](const auto& entry) {
    return dockerfile::lower(entry.first) == dockerfile::lower(name) || context_name(entry.first) == context_name(name);
  });
  return found == options_.contexts.end() || name == "context" || name == "scratch" ? nullptr : &found->second;
}

VertexId Lowering::context_vertex(const NamedContext& context, const std::string& name) {
  switch (context.type) {
    case NamedContext::Type::local:
      return add_leaf(context.local, "[context " + name + "] load from client");
    case NamedContext::Type::git: {
      const auto url = parse_git_url(context.value);
      if (!url) {
        throw Error(ErrorKind::invalid, "not a git URL: " + context.value);
      }
      const auto keep = options_.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
      GitOp op{.url = url->remote,
               .ref = url->ref,
               .subdir = url->subdir,
               .keep_git_dir = url->keep_git_dir.value_or(keep != options_.build_args.end() && keep->second == "1"),
               .submodules = url->submodules.value_or(true),
               .commit_times = url->commit_times,
               .checksum = url->checksum};
      return add_leaf(std::move(op), "[context " + name + "] " + context.value);
    }
    case NamedContext::Type::http:
      return add_leaf(
          HttpOp{
              .url = context.value, .filename = url_filename(context.value), .checksum = std::nullopt, .unpack = true},
          "[context " + name + "] " + context.value);
    case NamedContext::Type::image:
      return image_vertex(resolve_image(context.value, options_.platform, {}), "FROM " + context.value, {});
  }
  throw Error(ErrorKind::internal, "unknown kind of context");
}

VertexId Lowering::add_leaf(Op op, std::string name, LineRange lines) {
  const bool known = lines.first > 0;
  const bool has_times = std::holds_alternative<GitOp>(op);
  return add_vertex({.op = std::move(op),
                     .inputs = {},
                     .name = std::move(name),
                     .no_cache = false,
                     .epoch = has_times ? epoch_ : std::nullopt,
                     .where = {known ? file_.name : "", lines.first, 0},
                     .excerpt = known ? dockerfile::excerpt(file_, lines) : ""});
}

VertexId Lowering::add_vertex(Vertex vertex) {
  Place place{.name = vertex.name, .where = vertex.where, .excerpt = vertex.excerpt};
  const auto id = graph_.add(std::move(vertex));
  places_.try_emplace(id, std::move(place));
  return id;
}

VertexId Lowering::main_context() {
  return context_vertex(options_.context, "context");
}

VertexId Lowering::source_vertex(const std::string& from, const std::string& too_late) {
  if (auto* stage = find_stage(from)) {
    if (!stage->done) {
      throw Error(ErrorKind::invalid, too_late);
    }
    return stage->root;
  }
  if (from == "scratch") {
    return add_leaf(ScratchOp{}, "FROM scratch");
  }
  if (const auto* context = find_context(from)) {
    return context_vertex(*context, from);
  }
  return image_vertex(resolve_image(from, options_.platform, {}), "FROM " + from, {});
}

VertexId Lowering::image_vertex(const std::shared_ptr<const ResolvedImage>& image, std::string name, LineRange lines) {
  return add_leaf(ImageOp{image}, std::move(name), lines);
}

std::shared_ptr<const ResolvedImage> Lowering::resolve_image(const std::string& name, const oci::Platform& platform,
                                                             LineRange lines) {
  auto& known = resolved_[{name, oci::to_string(platform)}];
  if (known) {
    return known;
  }
  try {
    known = resolver_(name, platform);
  } catch (Error& e) {
    if (lines.first > 0 && e.where().line == 0) {
      e.at({file_.name, lines.first, 0}).excerpt(dockerfile::excerpt(file_, lines));
    }
    std::vector<std::string> names;
    for (const auto& stage : stages_) {
      if (!stage.stage->from.name.empty()) {
        names.push_back(stage.stage->from.name);
      }
    }
    if (const auto meant = dockerfile::did_you_mean(name, names); !meant.empty() && e.hint().empty()) {
      e.hint("no stage of this name is above either" + meant);
    }
    throw;
  }
  return known;
}

std::string Lowering::expand(StageState& state, const Command& command, std::string_view word) {
  const auto lookup = [&state](std::string_view name) {
    const auto* value = state.scope.find(name);
    return value == nullptr ? std::optional<std::string>() : *value;
  };
  auto expanded = dockerfile::expand(word, lookup, {.escape = file_.escape});
  report_unset(state, command, expanded.unset);
  return std::move(expanded.text);
}

std::string Lowering::expand_contents(StageState& state, const Command& command, std::string_view text) {
  const auto lookup = [&state](std::string_view name) {
    const auto* value = state.scope.find(name);
    return value == nullptr ? std::optional<std::string>() : *value;
  };
  auto expanded = dockerfile::expand(text, lookup, {.escape = '\\', .skip_quotes = true});
  report_unset(state, command, expanded.unset);
  return std::move(expanded.text);
}

void Lowering::expand_all(StageState& state, const Command& command, std::vector<std::string>& words) {
  for (auto& word : words) {
    word = expand(state, command, word);
  }
}

void Lowering::report_unset(StageState& state, const Command& command, const std::set<std::string>& unset) {
  for (const auto& name : unset) {
    const bool declared = std::any_of(state.args.begin(), state.args.end(),
                                      [&name](const dockerfile::KeyValue& arg) { return arg.key == name; });
    if (declared) {
      continue;
    }
    const auto meant = dockerfile::did_you_mean(name, state.scope.names());
    linter_.report(
        "UndefinedVar", command.trigger ? state.stage->node : command.instruction->node,
        "Usage of undefined variable '$" + name + "'" +
            (meant.empty() ? "" : " (did you mean $" + meant.substr(std::string_view(" (did you mean ").size())));
  }
}

std::string Lowering::step_name(StageState& state, const Command& command, const std::string& text) {
  if (state.steps == 0) {
    return text;
  }
  const auto total = std::to_string(state.steps);
  const auto step = std::to_string(++state.step);
  std::string name = "[" + state.shown + (state.shown.empty() ? "" : " ");
  name.append(step.size() < total.size() ? total.size() - step.size() : 0, ' ');
  return name + step + "/" + total + "] " + (command.trigger ? "ONBUILD " : "") + text;
}

void Lowering::add_history(StageState& state, std::string created_by, bool layer) {
  state.config.history.push_back({.created = {},
                                  .created_by = std::move(created_by),
                                  .author = {},
                                  .comment = "buildkit.dockerfile.v0",
                                  .empty_layer = !layer});
}

void Lowering::add_step(StageState& state, const Command& command, Op op, std::vector<VertexId> inputs,
                        std::string name, bool always_cached) {
  const auto& stages = options_.no_cache_stages;
  const auto& own = state.stage->from.name;
  const bool skip = options_.no_cache || std::any_of(stages.begin(), stages.end(), [&own](const std::string& stage) {
                      return !own.empty() && dockerfile::lower(stage) == own;
                    });
  inputs.insert(inputs.begin(), state.root);
  state.root = add_vertex({.op = std::move(op),
                           .inputs = std::move(inputs),
                           .name = std::move(name),
                           .no_cache = skip && !always_cached,
                           .epoch = epoch_,
                           .where = {file_.name, command.lines.first, 0},
                           .excerpt = dockerfile::excerpt(file_, command.lines)});
}

}  // namespace dlc::build
