#include "dockerfile/instruction.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "dockerfile/duration.h"
#include "dockerfile/flags.h"
#include "dockerfile/mount.h"
#include "dockerfile/syntax_internal.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

using Kind = Flags::Kind;

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

void no_flags(const Node& node) {
  static_cast<void>(Flags(node, {}));
}

void need_argument(const Node& node) {
  if (node.args.empty()) {
    fail(upper(node.name) + " requires at least one argument");
  }
}

const std::string& only_argument(const Node& node) {
  no_flags(node);
  if (node.args.size() != 1) {
    fail(upper(node.name) + " requires exactly one argument");
  }
  return node.args.front();
}

std::string without_leading_tabs(std::string_view text) {
  std::string result;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && c == '\t') {
      continue;
    }
    result += c;
    line_start = c == '\n';
  }
  return result;
}

InlineContent inline_content(const Heredoc& heredoc) {
  return {heredoc.name, heredoc.chomp ? without_leading_tabs(heredoc.content) : heredoc.content, heredoc.expand};
}

Body make_from(const Node& node) {
  From from;
  const auto& args = node.args;
  if (args.size() == 3 && lower(args[1]) == "as") {
    from.name = lower(args[2]);
    from.name_text = args[2];
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    if (from.name.front() < 'a' || from.name.front() > 'z' ||
        !std::all_of(from.name.begin(), from.name.end(), allowed)) {
      fail("invalid name for build stage: " + quote(args[2]) + ", name can't start with a number or contain symbols");
    }
  } else if (args.size() != 1) {
    fail("FROM requires either one or three arguments");
  }
  from.platform = Flags(node, {{"platform"}}).text("platform");
  from.image = args[0];
  return from;
}

// Each heredoc belongs to the word of the line that names it.
CommandLine make_command(const Node& node, const std::vector<std::string>& args) {
  CommandLine command{args, node.json, {}};
  std::transform(node.heredocs.begin(), node.heredocs.end(), std::back_inserter(command.heredocs), inline_content);
  return command;
}

void check_choice(const std::string& value, std::initializer_list<std::string_view> choices, const char* what,
                  const char* tail) {
  if (!value.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    fail(what + quote(value) + tail);
  }
}

Body make_run(const Node& node) {
  const Flags flags(node, {{"mount", Kind::list}, {"network"}, {"security"}, {"device", Kind::list}});
  Run run{make_command(node, node.args), flags.list("mount"), flags.text("network"), flags.text("security"),
          flags.list("device")};
  check_choice(run.network, {"default", "host", "none"}, "invalid network mode ", "");
  check_choice(run.security, {"sandbox", "insecure"}, "security ", " is not valid");
  for (const std::string& mount : run.mounts) {
    static_cast<void>(parse_mount(mount));
  }
  return run;
}

// Which heredoc a word of COPY announces, or null.
const Heredoc* heredoc_of(const Node& node, const std::string& word) {
  const auto found = parse_heredoc(word);
  const auto same = std::find_if(node.heredocs.begin(), node.heredocs.end(),
                                 [&](const Heredoc& heredoc) { return found && heredoc.name == found->name; });
  return same == node.heredocs.end() ? nullptr : &*same;
}

Body make_copy(const Node& node) {
  Copy copy;
  copy.is_add = node.name == "add";
  const std::string name = upper(node.name);
  if (node.args.size() < 2) {
    fail(name + " requires at least two arguments, but only one was provided. Destination could not be determined");
  }
  std::vector<Flags::Known> known{{"chown"}, {"chmod"}, {"link", Kind::boolean}, {"exclude", Kind::list}};
  if (copy.is_add) {
    known.insert(known.end(), {{"checksum"}, {"keep-git-dir", Kind::boolean}, {"unpack", Kind::boolean}});
  } else {
    known.insert(known.end(), {{"from"}, {"parents", Kind::boolean}});
  }
  const Flags flags(node, known);
  copy.chown = flags.text("chown");
  copy.chmod = flags.text("chmod");
  copy.link = flags.boolean("link").value_or(false);
  copy.excludes = flags.list("exclude");
  copy.checksum = flags.text("checksum");
  copy.keep_git_dir = flags.boolean("keep-git-dir");
  copy.unpack = flags.boolean("unpack");
  copy.from = flags.text("from");
  copy.parents = flags.boolean("parents").value_or(false);
  copy.dest = node.args.back();
  if (heredoc_of(node, copy.dest) != nullptr) {
    fail(name + " cannot accept a heredoc as a destination");
  }
  for (std::size_t i = 0; i + 1 < node.args.size(); ++i) {
    if (const Heredoc* heredoc = heredoc_of(node, node.args[i])) {
      copy.contents.push_back(inline_content(*heredoc));
    } else {
      copy.sources.push_back(node.args[i]);
    }
  }
  return copy;
}

std::vector<KeyValue> key_values(const Node& node) {
  no_flags(node);
  need_argument(node);
  std::vector<KeyValue> values;
  for (std::size_t i = 0; i + 2 < node.args.size(); i += 3) {
    if (node.args[i].empty()) {
      fail(upper(node.name) + " names can not be blank");
    }
    values.push_back({node.args[i], node.args[i + 1], node.args[i + 2].empty()});
  }
  return values;
}

Body make_arg(const Node& node) {
  no_flags(node);
  need_argument(node);
  Arg arg;
  for (const std::string& word : node.args) {
    const std::size_t equals = word.find('=');
    if (equals == 0) {
      fail("ARG names can not be blank");
    }
    KeyValue value{word.substr(0, equals), std::nullopt};
    if (equals != std::string::npos) {
      value.value = word.substr(equals + 1);
    }
    arg.args.push_back(std::move(value));
  }
  return arg;
}

std::int64_t interval(const Flags& flags, std::string_view name) {
  const std::string text = flags.text(name);
  const std::int64_t value = text.empty() ? 0 : parse_duration(text);
  if (value != 0 && value < 1000000) {
    fail("Interval " + quote(name) + " cannot be less than 1ms");
  }
  return value;
}

Body make_health_check(const Node& node) {
  need_argument(node);
  HealthCheckTest test;
  const std::string kind = upper(node.args.front());
  const std::vector<std::string> args(node.args.begin() + 1, node.args.end());
  if (kind == "NONE") {
    if (!args.empty()) {
      fail("HEALTHCHECK NONE takes no arguments");
    }
    test.none = true;
    return test;
  }
  const Flags flags(node, {{"interval"}, {"timeout"}, {"start-period"}, {"start-interval"}, {"retries"}});
  if (kind != "CMD") {
    fail("Unknown type " + quote(kind) + " in HEALTHCHECK (try CMD)");
  }
  if (args.empty()) {
    fail("Missing command after HEALTHCHECK CMD");
  }
  test.command = make_command(node, args);
  test.interval_ns = interval(flags, "interval");
  test.timeout_ns = interval(flags, "timeout");
  test.start_period_ns = interval(flags, "start-period");
  test.start_interval_ns = interval(flags, "start-interval");
  if (const std::string text = flags.text("retries"); !text.empty()) {
    const std::string_view digits = std::string_view(text).substr(text.starts_with('+') ? 1 : 0);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), test.retries);
    if (code != std::errc() || end != digits.data() + digits.size()) {
      fail("--retries is not a number: " + quote(text));
    }
    if (test.retries < 0) {
      fail("--retries cannot be negative (" + text + ")");
    }
  }
  return test;
}

Body make_on_build(const Node& node) {
  no_flags(node);
  if (node.trigger.empty()) {
    fail("ONBUILD requires at least one argument");
  }
  const Node& trigger = node.trigger.front();
  if (trigger.name == "maintainer" || trigger.name == "from") {
    fail(upper(trigger.name) + " isn't allowed as an ONBUILD trigger");
  }
  // What the trigger says is judged where it runs; a later front end may know an instruction that this one does not.
  OnBuild on_build{std::string(
      trim_left(std::string_view(node.original).substr(node.original.find(node.keyword)).substr(node.keyword.size())))};
  for (const Heredoc& heredoc : trigger.heredocs) {
    on_build.trigger += "\n" + heredoc.content + heredoc.name;
  }
  return on_build;
}

Body make_volume(const Node& node) {
  no_flags(node);
  need_argument(node);
  Volume volume;
  for (const std::string& arg : node.args) {
    volume.paths.emplace_back(trim(arg));
    if (volume.paths.back().empty()) {
      fail("VOLUME specified can not be an empty string");
    }
  }
  return volume;
}

Body make_expose(const Node& node) {
  no_flags(node);
  need_argument(node);
  Expose expose{node.args};
  std::sort(expose.ports.begin(), expose.ports.end());
  return expose;
}

Body make_shell(const Node& node) {
  no_flags(node);
  need_argument(node);
  if (!node.json) {
    fail("SHELL requires the arguments to be in JSON form");
  }
  return Shell{node.args};
}

template <typename T>
Body make_command_body(const Node& node) {
  no_flags(node);
  return T{make_command(node, node.args)};
}

using Maker = Body (*)(const Node&);

constexpr std::array<std::pair<std::string_view, Maker>, 18> kMakers{
    {{"add", make_copy},
     {"arg", make_arg},
     {"cmd", make_command_body<Cmd>},
     {"copy", make_copy},
     {"entrypoint", make_command_body<Entrypoint>},
     {"env", [](const Node& node) -> Body { return Env{key_values(node)}; }},
     {"expose", make_expose},
     {"from", make_from},
     {"healthcheck", make_health_check},
     {"label", [](const Node& node) -> Body { return Label{key_values(node)}; }},
     {"maintainer", [](const Node& node) -> Body { return Maintainer{only_argument(node)}; }},
     {"onbuild", make_on_build},
     {"run", make_run},
     {"shell", make_shell},
     {"stopsignal", [](const Node& node) -> Body { return StopSignal{only_argument(node)}; }},
     {"user", [](const Node& node) -> Body { return User{only_argument(node)}; }},
     {"volume", make_volume},
     {"workdir", [](const Node& node) -> Body { return Workdir{only_argument(node)}; }}}};

}  // namespace

Body make_body(const Node& node) {
  const auto* const maker =
      std::find_if(kMakers.begin(), kMakers.end(), [&](const auto& entry) { return entry.first == node.name; });
  if (maker == kMakers.end()) {
    std::vector<std::string> names;
    std::transform(kMakers.begin(), kMakers.end(), std::back_inserter(names),
                   [](const auto& entry) { return upper(entry.first); });
    fail("unknown instruction: " + node.keyword + did_you_mean(upper(node.keyword), names));
  }
  return maker->second(node);
}

}  // namespace dlc::dockerfile
