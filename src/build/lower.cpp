#include "build/lower.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/suggest.h"
#include "build/git_url.h"
#include "build/lower_internal.h"
#include "dockerfile/flags.h"
#include "dockerfile/path.h"
#include "dockerfile/text.h"
#include "oci/reference.h"

namespace dlc::build {

using dockerfile::LineRange;
using dockerfile::quote;

namespace {

constexpr std::string_view kScratch = "scratch";

std::vector<std::string> proxies_of(const std::map<std::string, std::string>& build_args) {
  static constexpr std::array<std::string_view, 5> kNames{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
                                                          "all_proxy"};
  std::vector<std::string> env;
  for (const auto& [key, value] : build_args) {
    const auto name = dockerfile::lower(key);
    if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) {
      set_env(env, dockerfile::upper(name), value);
      set_env(env, name, value);
    }
  }
  return env;
}

std::optional<std::size_t> as_index(std::string_view text) {
  std::size_t index = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return index;
}

bool makes_a_layer(const dockerfile::Body& body) {
  return std::holds_alternative<dockerfile::Run>(body) || std::holds_alternative<dockerfile::Copy>(body) ||
         std::holds_alternative<dockerfile::Workdir>(body);
}

}  // namespace

void Scope::set(const std::string& name, const std::string& value) {
  const auto [place, is_new] = places_.emplace(name, values_.size());
  if (is_new) {
    values_.emplace_back(name, value);
  } else {
    values_[place->second].second = value;
  }
}

const std::string* Scope::find(std::string_view name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : &values_[place->second].second;
}

std::vector<std::string> Scope::names() const {
  std::vector<std::string> names;
  std::transform(values_.begin(), values_.end(), std::back_inserter(names),
                 [](const auto& value) { return value.first; });
  return names;
}

Lowering::Lowering(const dockerfile::Dockerfile& file, const LowerOptions& options, const ImageResolver& resolver,
                   Graph& graph, Diagnostics& diagnostics)
    : file_(file),
      options_(options),
      resolver_(resolver),
      graph_(graph),
      linter_(file, diagnostics),
      proxy_env_(proxies_of(options.build_args)) {}

ImageTarget Lowering::run() {
  read_global_args();
  read_epoch();
  make_stages();
  auto& target = find_target();
  check_cycles();
  lower_with_needs(target);
  if (options_.all_stages && options_.target.empty()) {
    for (auto& state : stages_) {
      lower_with_needs(state);
    }
  }
  return finish(target);
}

Error Lowering::error(LineRange lines, std::string message) const {
  return dockerfile::error_at(file_, lines, std::move(message));
}

void Lowering::read_global_args() {
  const auto& build = options_.build_platform;
  const auto& target = options_.platform;
  const auto target_stage = !options_.target.empty() ? options_.target : file_.stages.back().from.name;
  const std::array<std::pair<const char*, std::string>, 11> predefined{
      {{"BUILDPLATFORM", oci::to_string(build)},
       {"BUILDOS", build.os},
       {"BUILDOSVERSION", ""},
       {"BUILDARCH", build.architecture},
       {"BUILDVARIANT", build.variant},
       {"TARGETPLATFORM", oci::to_string(target)},
       {"TARGETOS", target.os},
       {"TARGETOSVERSION", ""},
       {"TARGETARCH", target.architecture},
       {"TARGETVARIANT", target.variant},
       {"TARGETSTAGE", target_stage.empty() ? "default" : target_stage}}};
  for (const auto& [name, value] : predefined) {
    const auto given = options_.build_args.find(name);
    global_.set(name, given == options_.build_args.end() ? value : given->second);
  }
  auto defaults = global_;  // as if nothing had been given
  const auto value_in = [this](const Scope& scope, const std::string& text) {
    return dockerfile::expand_word(text,
                                   [&scope](std::string_view name) {
                                     const auto* value = scope.find(name);
                                     return value == nullptr ? std::optional<std::string>() : *value;
                                   },
                                   {.escape = file_.escape});
  };
  for (const auto& instruction : file_.global_args) {
    for (const auto& arg : std::get<dockerfile::Arg>(instruction.body).args) {
      declared_.insert(arg.key);
      try {
        if (const auto given = options_.build_args.find(arg.key); given != options_.build_args.end()) {
          global_.set(arg.key, given->second);
        } else if (arg.value) {
          global_.set(arg.key, value_in(global_, *arg.value));
        }
        if (arg.value) {
          defaults.set(arg.key, value_in(defaults, *arg.value));
        }
      } catch (const Error& e) {
        throw error(instruction.node.lines, e.message());
      }
    }
  }
  std::set<std::string> stages;
  for (const auto& stage : file_.stages) {
    try {
      const auto name = value_in(defaults, stage.from.image);
      const bool is_stage = !name.empty() && stages.contains(dockerfile::lower(name));
      stages.insert(stage.from.name);
      const bool is_place = name.find("://") != std::string::npos || name.starts_with("docker-archive:") ||
                            name.starts_with("oci-archive:");
      if (!is_stage && !is_place) {
        static_cast<void>(oci::parse_reference(name));
      }
    } catch (const Error&) {
      linter_.report("InvalidDefaultArgInFrom", stage.node,
                     "Default value for ARG " + stage.from.image + " results in empty or invalid base image name");
    }
  }
}

void Lowering::read_epoch() {
  epoch_ = options_.epoch;
  const auto given = options_.build_args.find("SOURCE_DATE_EPOCH");
  const auto* declared = global_.find("SOURCE_DATE_EPOCH");
  const auto text = given != options_.build_args.end() ? given->second : declared != nullptr ? *declared : "";
  if (epoch_ || text.empty()) {
    return;
  }
  if (text == "context") {
    epoch_ = options_.context_time ? options_.context_time() : std::nullopt;
    if (epoch_) {
      global_.set("SOURCE_DATE_EPOCH", std::to_string(*epoch_));
    }
    return;
  }
  std::int64_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorKind::invalid, "invalid SOURCE_DATE_EPOCH: " + text)
        .hint("give seconds since 1970 as a number, or context");
  }
  epoch_ = seconds;
}

void Lowering::read_platform(StageState& state) {
  const auto& text = state.stage->from.platform;
  const auto lines = state.stage->node.lines;
  if (text.empty()) {
    return;
  }
  std::set<std::string> matched;
  const auto lookup = [&](std::string_view name) {
    const auto* value = global_.find(name);
    if (value != nullptr) {
      matched.emplace(name);
    }
    return value == nullptr ? std::optional<std::string>() : *value;
  };
  try {
    const auto expanded = dockerfile::expand(text, lookup, {.escape = file_.escape});
    if (expanded.text.empty()) {
      const auto known = global_.names();
      throw Error(ErrorKind::invalid,
                  "empty platform value from expression " + text +
                      (expanded.unset.empty() ? "" : dockerfile::did_you_mean(*expanded.unset.begin(), known)));
    }
    state.wanted_platform = oci::parse_platform(expanded.text);
    if (matched.size() == 1 && matched.contains("TARGETPLATFORM") && expanded.text == *global_.find("TARGETPLATFORM")) {
      linter_.report(
          "RedundantTargetPlatform", state.stage->node,
          "Setting platform to predefined " + text + " in FROM is redundant as this is the default behavior");
    }
    const auto& name = state.stage->from.name;
    if (matched.empty() && expanded.unset.empty() && name.find(state.wanted_platform->os) == std::string::npos &&
        name.find(state.wanted_platform->architecture) == std::string::npos) {
      linter_.report("FromPlatformFlagConstDisallowed", state.stage->node,
                     "FROM --platform flag should not use constant value " + quote(expanded.text));
    }
  } catch (const Error& e) {
    throw error(lines, "failed to parse platform " + text + ": " + e.message());
  }
}

void Lowering::make_stages() {
  for (const auto& stage : file_.stages) {
    auto& state = stages_.emplace_back();
    state.stage = &stage;
    state.index = stages_.size() - 1;
    const auto& name = stage.from.name;
    state.shown = file_.stages.size() == 1 ? "" : name.empty() ? "stage-" + std::to_string(state.index) : name;
    try {
      const auto expanded = dockerfile::expand(stage.from.image,
                                               [this](std::string_view variable) {
                                                 const auto* value = global_.find(variable);
                                                 return value == nullptr ? std::optional<std::string>() : *value;
                                               },
                                               {.escape = file_.escape});
      state.base_name = expanded.text;
      for (const auto& variable : expanded.unset) {
        if (!declared_.contains(variable)) {
          linter_.report(
              "UndefinedArgInFrom", stage.node,
              "FROM argument '" + variable + "' is not declared" + dockerfile::did_you_mean(variable, global_.names()));
        }
      }
    } catch (const Error& e) {
      throw error(stage.node.lines, e.message());
    }
    if (state.base_name.empty()) {
      throw error(stage.node.lines, "base name (" + stage.from.image + ") should not be blank")
          .hint("give the argument a default before the first FROM, or --build-arg");
    }
    read_platform(state);
    state.replaced_by = name.empty() ? nullptr : find_context(name);
    if (const auto base = by_name_.find(dockerfile::lower(state.base_name)); base != by_name_.end()) {
      state.base = state.replaced_by == nullptr ? base->second : nullptr;
    }
    if (!name.empty()) {
      by_name_[name] = &state;
    }
    for (const auto& instruction : stage.instructions) {
      state.commands.push_back({&instruction, instruction.node.lines, false});
    }
  }
}

StageState& Lowering::find_target() {
  if (options_.target.empty()) {
    return stages_.back();
  }
  const auto found = by_name_.find(dockerfile::lower(options_.target));
  if (found != by_name_.end()) {
    return *found->second;
  }
  std::vector<std::string> names;
  for (const auto& state : stages_) {
    names.push_back(state.stage->from.name.empty() ? state.shown : state.stage->from.name);
  }
  throw Error(ErrorKind::invalid, "target stage " + quote(options_.target) + " could not be found" +
                                      dockerfile::did_you_mean(options_.target, names));
}

StageState* Lowering::find_stage(std::string_view name_or_index) {
  if (const auto index = as_index(name_or_index)) {
    if (*index >= stages_.size()) {
      throw Error(ErrorKind::invalid, "invalid stage index " + std::string(name_or_index));
    }
    return &stages_[*index];
  }
  const auto found = by_name_.find(dockerfile::lower(name_or_index));
  return found == by_name_.end() ? nullptr : found->second;
}

// The stages that an instruction reads from.
std::vector<std::pair<StageState*, const dockerfile::Instruction*>> Lowering::stages_named_by(
    const dockerfile::Instruction& instruction) {
  std::vector<std::string> names;
  if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.body); copy != nullptr && !copy->from.empty()) {
    const auto none = [](std::string_view) { return std::optional<std::string>(); };
    if (dockerfile::expand_word(copy->from, none, {.escape = file_.escape}) != copy->from) {
      throw Error(ErrorKind::invalid,
                  "variable expansion is not supported for --from, define a new stage with FROM using ARG from global "
                  "scope as a workaround");
    }
    names.push_back(copy->from);
  } else if (const auto* run = std::get_if<dockerfile::Run>(&instruction.body)) {
    for (const auto& mount : run->mounts) {
      if (auto from = dockerfile::parse_mount(mount).from; !from.empty() && !as_index(from)) {
        names.push_back(std::move(from));
      }
    }
  }
  std::vector<std::pair<StageState*, const dockerfile::Instruction*>> found;
  for (const auto& name : names) {
    if (auto* stage = find_stage(name)) {
      found.emplace_back(stage, &instruction);
    }
  }
  return found;
}

// A stage that needs itself, directly or through others. All stages count, needed or not.
void Lowering::check_cycles() {
  std::vector<std::vector<std::pair<StageState*, const dockerfile::Instruction*>>> needs(stages_.size());
  for (const auto& state : stages_) {
    if (state.base != nullptr) {
      needs[state.index].emplace_back(state.base, nullptr);
    }
    for (const auto& command : state.commands) {
      try {
        const auto named = stages_named_by(*command.instruction);
        needs[state.index].insert(needs[state.index].end(), named.begin(), named.end());
      } catch (const Error& e) {
        throw error(command.lines, e.message());
      }
    }
  }
  enum class Visit : char { unseen, open, closed };
  std::vector<Visit> visits(stages_.size(), Visit::unseen);
  std::vector<std::pair<std::size_t, std::size_t>> path;  // stage, its next need
  for (std::size_t start = 0; start < stages_.size(); ++start) {
    if (visits[start] != Visit::unseen) {
      continue;
    }
    visits[start] = Visit::open;
    path.assign(1, {start, 0});
    while (!path.empty()) {
      const auto stage = path.back().first;
      const auto next = path.back().second++;
      if (next == needs[stage].size()) {
        visits[stage] = Visit::closed;
        path.pop_back();
        continue;
      }
      const auto& [need, instruction] = needs[stage][next];
      if (visits[need->index] == Visit::open) {
        const auto& node = instruction != nullptr ? instruction->node : stages_[stage].stage->node;
        const auto& state = stages_[start];
        const auto& name = state.stage->from.name;
        throw error(node.lines, "circular dependency detected on stage: " +
                                    (name.empty() ? "stage-" + std::to_string(state.index) : name));
      }
      if (visits[need->index] == Visit::unseen) {
        visits[need->index] = Visit::open;
        path.emplace_back(need->index, 0);
      }
    }
  }
}

// Lowers a stage after all that it needs, in the order of the file.
void Lowering::lower_with_needs(StageState& target) {
  std::set<std::size_t> wanted;
  std::vector<StageState*> open{&target};
  while (!open.empty()) {
    auto* state = open.back();
    open.pop_back();
    if (state->started || !wanted.insert(state->index).second) {
      continue;
    }
    if (state->base != nullptr) {
      open.push_back(state->base);
    }
    for (const auto& command : state->commands) {
      for (const auto& [stage, instruction] : stages_named_by(*command.instruction)) {
        open.push_back(stage);
      }
    }
  }
  for (const auto index : wanted) {
    if (!stages_[index].started) {
      lower_stage(stages_[index]);
    }
  }
}

void Lowering::lower_stage(StageState& state) {
  state.started = true;
  start_stage(state);
  if (state.replaced_by == nullptr) {
    for (const auto& command : state.commands) {
      dispatch(state, command);
    }
  }
  state.done = true;
}

void Lowering::count_steps(StageState& state) {
  state.steps = state.root_is_image ? 1 : 0;
  for (const auto& command : state.commands) {
    state.steps += makes_a_layer(command.instruction->body) ? 1 : 0;
  }
}

void Lowering::start_stage(StageState& state) {
  std::vector<std::string> triggers;
  state.platform = state.base != nullptr ? state.base->platform : state.wanted_platform.value_or(options_.platform);
  if (options_.several_platforms) {
    state.shown = oci::to_string(state.platform) + (state.shown.empty() ? "" : " ") + state.shown;
  }
  if (state.replaced_by != nullptr) {
    start_from_context(state, *state.replaced_by, state.stage->from.name);
    return;
  }
  if (state.base != nullptr) {
    const auto& base = *state.base;
    state.root = base.root;
    state.config = base.config;
    state.base_history = base.base_history;
    state.platform = base.platform;
    state.scope = base.scope;
    state.args = base.args;
    state.workdir_set = base.workdir_set;
    triggers = std::exchange(state.config.on_build, {});
    add_triggers(state, triggers);
    count_steps(state);
    return;
  }
  if (state.base_name == kScratch) {
    state.config.platform = state.platform;
    state.config.working_dir = "/";
    state.root = add_leaf(ScratchOp{}, "FROM scratch");
    count_steps(state);
  } else if (const auto* context = find_context(context_name(state.base_name))) {
    start_from_context(state, *context, state.base_name);
  } else {
    start_from_image(state);
  }
  auto& env = state.config.env;
  if (std::none_of(env.begin(), env.end(), [](const std::string& entry) { return entry.starts_with("PATH="); })) {
    env.push_back("PATH=" + std::string(kDefaultPath));
  }
  for (const auto& entry : env) {
    const auto equals = entry.find('=');
    state.scope.set(entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
  }
  if (!state.config.working_dir.empty()) {
    state.config.working_dir = dockerfile::clean_path("/" + state.config.working_dir);
  }
  state.base_history = state.config.history.size();
}

void Lowering::start_from_image(StageState& state) {
  const auto lines = state.stage->node.lines;
  const auto image = resolve_image(state.base_name, state.platform, lines);
  state.config = image->config;
  state.config.created.clear();
  state.config.diff_ids.clear();
  const auto& actual = state.config.platform;
  if (!actual.architecture.empty() &&
      (actual.os != state.platform.os || actual.architecture != state.platform.architecture)) {
    linter_.report("InvalidBaseImagePlatform", state.stage->node,
                   "Base image " + state.base_name + " was pulled with platform " + quote(oci::to_string(actual)) +
                       ", expected " + quote(oci::to_string(state.platform)) + " for current build");
  }
  if (actual.architecture.empty()) {
    state.config.platform = state.platform;
  }
  state.root_is_image = true;
  add_triggers(state, std::exchange(state.config.on_build, {}));
  count_steps(state);
  const Command from{nullptr, lines, false};
  state.root = image_vertex(image, step_name(state, from, "FROM " + state.base_name), lines);
}

// A named context in the place of an image: another image, or files over nothing.
void Lowering::start_from_context(StageState& state, const NamedContext& context, const std::string& name) {
  const auto lines = state.stage->node.lines;
  if (context.type == NamedContext::Type::image) {
    const auto image = resolve_image(context.value, state.platform, lines);
    state.config = image->config;
    state.config.created.clear();
    state.config.diff_ids.clear();
    state.root = image_vertex(image, "FROM " + name, lines);
    if (state.replaced_by == nullptr) {
      add_triggers(state, std::exchange(state.config.on_build, {}));
    }
  } else {
    const auto scratch = add_leaf(ScratchOp{}, "FROM scratch");
    CopyOp copy;
    copy.sources.push_back({});
    copy.dest = "/";
    copy.dest_is_directory = true;
    state.root = add_vertex({.op = copy,
                             .inputs = {scratch, context_vertex(context, name)},
                             .name = "FROM " + name,
                             .epoch = epoch_,
                             .where = {file_.name, lines.first, 0},
                             .excerpt = dockerfile::excerpt(file_, lines)});
    state.config.platform = state.platform;
    state.config.working_dir = "/";
    state.config.history.push_back({.created = {},
                                    .created_by = "FROM " + name,
                                    .author = {},
                                    .comment = "buildkit.dockerfile.v0",
                                    .empty_layer = false});
  }
  state.base_history = state.config.history.size();
  count_steps(state);
}

void Lowering::add_triggers(StageState& state, const std::vector<std::string>& triggers) {
  std::vector<Command> commands;
  const auto lines = state.stage->node.lines;
  for (const auto& text : triggers) {
    try {
      triggers_.push_back(dockerfile::parse_trigger(text));
      commands.push_back({&triggers_.back(), lines, true});
      for (const auto& [stage, instruction] : stages_named_by(triggers_.back())) {
        if (stage->index < state.index) {
          lower_with_needs(*stage);
        }
      }
    } catch (Error& e) {
      if (e.where().line > 0 && e.where().file == file_.name) {
        throw;
      }
      throw error(lines, "ONBUILD trigger of " + state.base_name + ": " + e.message());
    }
  }
  state.commands.insert(state.commands.begin(), commands.begin(), commands.end());
}

void Lowering::dispatch(StageState& state, const Command& command) {
  try {
    std::visit([&](const auto& body) { apply(state, command, body); }, command.instruction->body);
  } catch (Error& e) {
    if (e.where().line == 0) {
      e.at({file_.name, command.lines.first, 0}).excerpt(dockerfile::excerpt(file_, command.lines));
    }
    throw;
  }
}

ImageTarget Lowering::finish(StageState& target) {
  ImageTarget result;
  result.name = options_.target.empty() ? file_.name : options_.target;
  result.root = target.root;
  result.config = std::move(target.config);
  result.base_history = target.base_history;
  result.places = std::move(places_);
  for (const auto& [key, value] : options_.labels) {
    result.config.labels[key] = value;
  }
  auto rules = file_.findings;
  for (const auto& rule : linter_.reported()) {
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) {
      rules.push_back(rule);
    }
  }
  if (file_.check.error && !rules.empty()) {
    std::string names;
    for (const auto& rule : rules) {
      names += (names.empty() ? "" : ", ") + rule;
    }
    throw error({file_.check.line, file_.check.line}, "lint violation found for rules: " + names);
  }
  return result;
}

ImageTarget lower(const dockerfile::Dockerfile& file, const LowerOptions& options, const ImageResolver& resolver,
                  Graph& graph, Diagnostics& diagnostics) {
  return Lowering(file, options, resolver, graph, diagnostics).run();
}

}  // namespace dlc::build
