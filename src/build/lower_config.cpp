// Instructions that change the configuration only (and WORKDIR, which also makes its directory).
#include <algorithm>

#include "base/error.h"
#include "build/lower_internal.h"
#include "dockerfile/duration.h"
#include "dockerfile/path.h"
#include "dockerfile/text.h"

namespace dlc::build {

using dockerfile::quote;

namespace {

constexpr std::string_view kLegacyRule = "LegacyKeyValueFormat";

std::string legacy_message(const std::string& name) {
  return "\"" + name + " key=value\" should be used instead of legacy \"" + name + " key value\" format";
}

}  // namespace

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Arg& arg) {
  std::string history = "ARG";
  for (const auto& written : arg.args) {
    if (dockerfile::names_a_secret(written.key)) {
      linter_.report("SecretsUsedInArgOrEnv", command.instruction->node,
                     "Do not use ARG or ENV instructions for sensitive data (ARG " + quote(written.key) + ")");
    }
    dockerfile::KeyValue declared{written.key, std::nullopt};
    if (const auto given = options_.build_args.find(written.key); given != options_.build_args.end()) {
      declared.value = given->second;
    } else if (written.value) {
      declared.value = expand(state, command, *written.value);
    } else if (const auto* global = global_.find(written.key)) {
      declared.value = *global;
    }
    const bool is_variable = written.key != "BUILDKIT_SBOM_SCAN_CONTEXT" && written.key != "BUILDKIT_SBOM_SCAN_STAGE";
    if (declared.value && is_variable) {
      state.scope.set(written.key, *declared.value);
    }
    history += " " + written.key + (declared.value ? "=" + *declared.value : "");
    state.args.push_back(std::move(declared));
  }
  add_history(state, history, false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Env& env) {
  // All words see the variables as they were before this instruction.
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& value : env.values) {
    values.emplace_back(expand(state, command, value.key), expand(state, command, value.value.value_or("")));
    if (value.legacy) {
      linter_.report(kLegacyRule, command.instruction->node, legacy_message(command.instruction->node.keyword));
    }
    if (dockerfile::names_a_secret(values.back().first)) {
      linter_.report("SecretsUsedInArgOrEnv", command.instruction->node,
                     "Do not use ARG or ENV instructions for sensitive data (ENV " + quote(values.back().first) + ")");
    }
  }
  std::string history = "ENV";
  for (const auto& [key, value] : values) {
    history += " " + key + "=" + value;
    state.scope.set(key, value);
    set_env(state.config.env, key, value);
  }
  add_history(state, history, false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Label& label) {
  std::string history = "LABEL";
  for (const auto& written : label.values) {
    const auto key = expand(state, command, written.key);
    const auto value = expand(state, command, written.value.value_or(""));
    if (written.legacy) {
      linter_.report(kLegacyRule, command.instruction->node, legacy_message(command.instruction->node.keyword));
    }
    history += " " + key + "=" + value;
    state.config.labels[key] = value;
  }
  add_history(state, history, false);
}

// In shell form the line goes to SHELL, or the default shell, as one argument.
std::vector<std::string> Lowering::in_shell(const StageState& state, const Command& command,
                                            const dockerfile::CommandLine& line) {
  if (line.exec) {
    return line.args;
  }
  if (state.config.shell.empty() && !std::holds_alternative<dockerfile::Run>(command.instruction->body)) {
    linter_.report("JSONArgsRecommended", command.instruction->node,
                   "JSON arguments recommended for " + command.instruction->node.keyword +
                       " to prevent unintended behavior related to OS signals");
  }
  auto argv = state.config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : state.config.shell;
  std::string script;
  for (const auto& arg : line.args) {
    script += (script.empty() ? "" : " ") + arg;
  }
  argv.push_back(std::move(script));
  return argv;
}

// Only the last CMD, ENTRYPOINT or HEALTHCHECK of a stage counts: the one before is reported.
void Lowering::note_repeat(const Command& command, const dockerfile::Node*& previous) {
  if (previous != nullptr) {
    linter_.report("MultipleInstructionsDisallowed", *previous,
                   "Multiple " + command.instruction->node.keyword +
                       " instructions should not be used in the same stage because only the last one will be used");
  }
  previous = &command.instruction->node;
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Cmd& cmd) {
  note_repeat(command, state.cmd);
  auto argv = in_shell(state, command, cmd.command);
  add_history(state, "CMD " + quoted_list_text(argv), false);
  state.config.cmd = argv.empty() ? std::nullopt : std::optional(std::move(argv));
  state.config.args_escaped = true;
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Entrypoint& entrypoint) {
  note_repeat(command, state.entrypoint);
  auto argv = in_shell(state, command, entrypoint.command);
  add_history(state, "ENTRYPOINT " + quoted_list_text(argv), false);
  state.config.entrypoint = argv.empty() ? std::nullopt : std::optional(std::move(argv));
  if (state.cmd == nullptr) {
    state.config.cmd.reset();  // an inherited CMD was meant for another entry point
  }
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Expose& expose) {
  std::vector<std::string> ports;
  for (const auto& written : expose.ports) {
    const auto lookup = [&state](std::string_view name) {
      const auto* value = state.scope.find(name);
      return value == nullptr ? std::optional<std::string>() : *value;
    };
    const auto expanded = dockerfile::expand(written, lookup, {.escape = file_.escape});
    report_unset(state, command, expanded.unset);
    for (const auto& word : expanded.words) {
      bool upper_case = false;
      bool ignored_part = false;
      const auto found = expand_ports(word, upper_case, ignored_part);
      ports.insert(ports.end(), found.begin(), found.end());
      if (upper_case) {
        linter_.report("ExposeProtoCasing", command.instruction->node,
                       "Defined protocol '" + word + "' in EXPOSE instruction should be lowercase");
      }
      if (ignored_part) {
        linter_.report("ExposeInvalidFormat", command.instruction->node,
                       "EXPOSE instruction should not define an IP address or host-port mapping, found '" + word + "'");
      }
    }
  }
  for (const auto& port : ports) {
    insert_sorted(state.config.exposed_ports, port);
  }
  add_history(state, "EXPOSE " + list_text(ports), false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Volume& volume) {
  auto paths = volume.paths;
  expand_all(state, command, paths);
  for (const auto& path : paths) {
    if (path.empty()) {
      throw Error(ErrorKind::invalid, "VOLUME specified can not be an empty string");
    }
    insert_sorted(state.config.volumes, path);
  }
  add_history(state, "VOLUME " + list_text(paths), false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::User& user) {
  state.config.user = expand(state, command, user.user);
  add_history(state, "USER " + state.config.user, false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Workdir& workdir) {
  const auto path = expand(state, command, workdir.path);
  if (!state.workdir_set && !path.starts_with('/')) {
    linter_.report("WorkdirRelativePath", command.instruction->node,
                   "Relative workdir " + quote(path) + " can have unexpected results if the base image changes");
  }
  state.workdir_set = true;
  auto& directory = state.config.working_dir;
  directory = dockerfile::clean_path(path.starts_with('/') ? path : "/" + directory + "/" + path);
  const bool makes_layer = directory != "/";
  std::string shown;
  try {
    shown = expand(state, command, dockerfile::trim(command.instruction->node.original));
  } catch (const Error&) {
    shown = command.instruction->node.original;
  }
  auto name = step_name(state, command, "WORKDIR" + shown.substr(std::min(shown.size(), std::size_t{7})));
  if (makes_layer) {
    add_step(state, command, MakeDirectoryOp{directory, state.config.user}, {}, std::move(name), true);
  }
  add_history(state, "WORKDIR " + directory, makes_layer);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::StopSignal& signal) {
  const auto name = expand(state, command, signal.signal);
  if (!is_signal(name)) {
    throw Error(ErrorKind::invalid, "invalid signal: " + name);
  }
  state.config.stop_signal = name;
  add_history(state, "STOPSIGNAL " + name, false);
}

void Lowering::apply(StageState& state, const Command&, const dockerfile::Shell& shell) {
  state.config.shell = shell.argv;
  add_history(state, "SHELL " + list_text(shell.argv), false);
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::HealthCheckTest& test) {
  note_repeat(command, state.health_check);
  oci::HealthCheck check;
  if (test.none) {
    check.test = {"NONE"};
  } else {
    check.test = test.command.args;
    check.test.insert(check.test.begin(), test.command.exec ? "CMD" : "CMD-SHELL");
    check.interval_ns = test.interval_ns;
    check.timeout_ns = test.timeout_ns;
    check.start_period_ns = test.start_period_ns;
    check.start_interval_ns = test.start_interval_ns;
    check.retries = test.retries;
  }
  using dockerfile::format_duration;
  add_history(state,
              "HEALTHCHECK {Test:" + list_text(check.test) + " Interval:" + format_duration(check.interval_ns) +
                  " Timeout:" + format_duration(check.timeout_ns) +
                  " StartPeriod:" + format_duration(check.start_period_ns) + " StartInterval:" +
                  format_duration(check.start_interval_ns) + " Retries:" + std::to_string(check.retries) + "}",
              false);
  state.config.healthcheck = std::move(check);
}

void Lowering::apply(StageState& state, const Command&, const dockerfile::OnBuild& on_build) {
  state.config.on_build.push_back(on_build.trigger);
}

void Lowering::apply(StageState& state, const Command&, const dockerfile::Maintainer& maintainer) {
  state.config.author = maintainer.name;
  add_history(state, "MAINTAINER " + maintainer.name, false);
}

void Lowering::apply(StageState&, const Command&, const dockerfile::From&) {
  throw Error(ErrorKind::internal, "FROM inside a stage");
}

}  // namespace dlc::build
