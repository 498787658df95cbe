// RUN: the command with its heredocs, mounts, network and environment.
#include <algorithm>

#include "base/error.h"
#include "build/lower_internal.h"
#include "dockerfile/path.h"
#include "dockerfile/syntax_internal.h"
#include "dockerfile/text.h"

namespace dlc::build {

using dockerfile::MountSpec;
using dockerfile::quote;

namespace {

std::string base_name(std::string_view path) {
  const auto clean = dockerfile::clean_path(path);
  return clean.substr(clean.rfind('/') + 1);
}

/// The first line of a script, "..." behind it where there are more.
std::string summary(std::string_view script) {
  script = dockerfile::trim(script);
  const auto end = script.find('\n');
  auto line = std::string(dockerfile::trim_right(script.substr(0, end)));
  return end == std::string_view::npos ? line : line + "...";
}

/// "vendor.com/class=name", "name=vendor.com/class=name,required=true", "NAME,required".
DeviceRequest parse_device(const std::string& text) {
  DeviceRequest device;
  std::size_t start = 0;
  while (start <= text.size()) {
    const auto end = std::min(text.find(',', start), text.size());
    const auto field = text.substr(start, end - start);
    start = end + 1;
    const auto key = dockerfile::lower(field.substr(0, field.find('=')));
    const auto value = field.find('=') == std::string::npos ? std::string() : field.substr(field.find('=') + 1);
    if (key == "required") {
      if (value != "" && value != "true" && value != "1" && value != "false" && value != "0") {
        throw Error(ErrorKind::invalid, "invalid value for required: " + value);
      }
      device.required = value != "false" && value != "0";
    } else if (!device.name.empty()) {
      throw Error(ErrorKind::invalid, key == "name" ? "device name already set to " + device.name
                                                    : "unexpected key '" + key + "' in '" + field + "'");
    } else {
      device.name = key == "name" ? value : field;
    }
  }
  if (device.name.empty()) {
    throw Error(ErrorKind::invalid, "--device=" + text + " names no device")
        .hint("write it --device=vendor.com/class=name[,required]");
  }
  return device;
}

}  // namespace

// A line that is one heredoc and nothing else is a script: for the interpreter of its first line "#!", else for the
// shell. Any other line goes to the shell together with its heredocs, which the shell reads itself.
void Lowering::read_command(StageState& state, const dockerfile::Instruction& instruction, RunOp& op,
                            std::string& shown) {
  const auto& run = std::get<dockerfile::Run>(instruction.body);
  const Command command{&instruction, instruction.node.lines, false};
  auto line = run.command;
  const auto& heredocs = instruction.node.heredocs;
  if (!heredocs.empty() && line.args.size() == 1) {
    const auto& text = line.args.front();
    if (dockerfile::parse_heredoc(text)) {
      const auto& script = line.heredocs.front();
      shown += " (" + summary(script.data) + ")";
      if (script.data.starts_with("#!")) {
        op.inline_files.push_back({script.name, script.data});
        line.args = {"/dev/pipes/" + script.name};
        line.args = in_shell(state, command, line);
        op.argv = std::move(line.args);
        return;
      }
      line.args = {script.data};
    } else {
      std::string whole = text;
      for (const auto& heredoc : heredocs) {
        whole += "\n" + heredoc.content + heredoc.name;
      }
      line.args = {std::move(whole)};
    }
  }
  op.argv = in_shell(state, command, line);
  if (op.argv.empty()) {
    throw Error(ErrorKind::invalid, "RUN requires at least one argument");
  }
}

void Lowering::allow(const StageState& state, const dockerfile::Run& run, RunOp& op) const {
  static_cast<void>(state);
  op.network = options_.network;
  if (run.network == "none") {
    op.network = RunOp::Network::none;
  } else if (run.network == "host") {
    if (options_.network == RunOp::Network::none && !options_.allow_network_host) {
      throw Error(ErrorKind::denied, "network.host is not allowed").hint("give --allow network.host");
    }
    op.network = RunOp::Network::host;
  }
  op.insecure = run.security == "insecure";
  if (op.insecure && !options_.allow_insecure) {
    throw Error(ErrorKind::denied, "security.insecure is not allowed").hint("give --allow security.insecure");
  }
  std::ranges::transform(run.devices, std::back_inserter(op.devices), parse_device);
}

Mount Lowering::make_mount(StageState& state, const Command& command, MountSpec spec, std::vector<VertexId>& inputs,
                           int& agents) {
  static_cast<void>(command);
  Mount mount;
  mount.type = static_cast<Mount::Type>(spec.type);
  mount.sharing = static_cast<Mount::Sharing>(spec.sharing);
  mount.mode = spec.mode;
  mount.uid = spec.uid.value_or(0);
  mount.gid = spec.gid.value_or(0);
  mount.required = spec.required;
  mount.read_write = !spec.read_only;
  mount.id = spec.id;
  mount.size = spec.size.value_or(0);
  const auto absolute = [&state](const std::string& target) {
    return dockerfile::clean_path(target.starts_with('/') ? target : "/" + state.config.working_dir + "/" + target);
  };
  const auto from = [&](const std::string& name) {
    const auto tree = source_vertex(name, "cannot mount from stage " + quote(name) + " to " + quote(spec.target) +
                                              ", stage needs to be defined before current command");
    inputs.push_back(tree);
    return static_cast<int>(inputs.size());  // input 0 is the step's own file system
  };
  switch (spec.type) {
    case MountSpec::Type::bind:
      if (spec.from.empty()) {
        inputs.push_back(main_context());
        mount.input = static_cast<int>(inputs.size());
      } else {
        mount.input = from(spec.from);
      }
      mount.source = dockerfile::clean_path("/" + spec.source).substr(1);
      break;
    case MountSpec::Type::cache: {
      mount.input = spec.from.empty() || spec.from == "scratch" ? -1 : from(spec.from);
      mount.source = dockerfile::clean_path("/" + spec.source).substr(1);
      mount.id = spec.id.empty() ? dockerfile::clean_path(spec.target) : spec.id;
      if (const auto space = options_.build_args.find("BUILDKIT_CACHE_MOUNT_NS");
          space != options_.build_args.end() && !space->second.empty()) {
        mount.id = space->second + "/" + mount.id;
      }
      break;
    }
    case MountSpec::Type::tmpfs:
      mount.read_write = true;
      break;
    case MountSpec::Type::secret: {
      mount.id = !spec.source.empty() ? spec.source : !spec.id.empty() ? spec.id : base_name(spec.target);
      mount.env = spec.env.value_or("");
      if (spec.env && spec.env->empty()) {
        mount.env = mount.id;
      }
      mount.target_set = !spec.env || !spec.target.empty();
      mount.target = absolute(spec.target.empty() ? "/run/secrets/" + base_name(mount.id) : spec.target);
      return mount;
    }
    case MountSpec::Type::ssh: {
      mount.id = spec.id.empty() ? "default" : spec.id;
      const auto number = std::to_string(agents++);
      mount.target = absolute(spec.target.empty() ? "/run/buildkit/ssh_agent." + number : spec.target);
      return mount;
    }
  }
  mount.target = absolute(spec.target);
  if (mount.target == "/") {
    throw Error(ErrorKind::invalid, "invalid mount target \"/\"");
  }
  return mount;
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Run& run) {
  RunOp op;
  const auto& node = command.instruction->node;
  std::string shown(dockerfile::trim(node.original));
  read_command(state, *command.instruction, op, shown);
  std::vector<VertexId> inputs;
  int agents = 0;
  Scope masked = state.scope;  // for the step's name: a secret's variable is not the secret
  for (const auto& text : run.mounts) {
    auto spec = dockerfile::parse_mount(text, [&](std::string_view value) { return expand(state, command, value); });
    op.mounts.push_back(make_mount(state, command, std::move(spec), inputs, agents));
    if (!op.mounts.back().env.empty()) {
      masked.set(op.mounts.back().env, "****");
    }
  }
  allow(state, run, op);
  for (const auto& [name, value] : state.scope.all()) {
    op.env.push_back(name + "=" + value);
  }
  if (options_.epoch_in_run && epoch_ && state.scope.find("SOURCE_DATE_EPOCH") == nullptr) {
    op.env.push_back("SOURCE_DATE_EPOCH=" + std::to_string(*epoch_));
  }
  op.proxy_env = proxy_env_;
  if (!oci::same_platform(state.platform, options_.build_platform)) {
    op.platform = oci::to_string(state.platform);
  }
  op.cwd = state.config.working_dir.empty() ? "/" : state.config.working_dir;
  op.user = state.config.user;
  op.extra_hosts = options_.extra_hosts;
  op.shm_size = options_.shm_size;
  op.ulimits = options_.ulimits;
  if (const auto name = options_.build_args.find("BUILDKIT_SANDBOX_HOSTNAME"); name != options_.build_args.end()) {
    op.hostname = name->second;
  }
  try {
    shown = dockerfile::expand_word(shown,
                                    [&masked](std::string_view name) {
                                      const auto* value = masked.find(name);
                                      return value == nullptr ? std::optional<std::string>() : *value;
                                    },
                                    {.escape = file_.escape, .raw_quotes = true, .skip_unset = true});
  } catch (const Error&) {
    // what is no word of ours may be the shell's: shown as written
  }
  auto name = step_name(state, command, "RUN" + shown.substr(std::min(shown.size(), std::size_t{3})));
  auto history = run_history(state, op.argv);
  add_step(state, command, std::move(op), std::move(inputs), std::move(name));
  add_history(state, std::move(history), true);
}

}  // namespace dlc::build
