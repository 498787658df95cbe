#pragma once
// A Dockerfile as parsed (Dockerfile reference, syntax 1.26): directives, then global ARGs, then stages of typed
// instructions. Values are as written: variables are expanded later (word.h), by whoever knows their scope
// (build/lower.h). Every instruction keeps its line range and its syntax node for messages and history.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/diagnostics.h"
#include "dockerfile/syntax.h"

namespace dlc::dockerfile {

/// "key=value" or "key" of ENV, LABEL, ARG.
struct KeyValue {
  std::string key;
  std::optional<std::string> value;  ///< ARG only: absent where no default was given
  bool legacy = false;               ///< ENV and LABEL: the form "key value" without "="
};

/// A file whose content is in the Dockerfile (heredoc).
struct InlineContent {
  std::string name;
  std::string data;     ///< tabs stripped where it was written <<-
  bool expand = false;  ///< variables in `data` are to be expanded
};

/// A command in exec form (`exec`: `args` is the argv) or in shell form (`args` has one element, the script line).
struct CommandLine {
  std::vector<std::string> args;
  bool exec = false;
  std::vector<InlineContent> heredocs;  ///< RUN only; never expanded here: the shell does that
};

struct From {
  std::string image;      ///< as written
  std::string platform;   ///< --platform as written, or empty
  std::string name;       ///< after AS, in lower case, or empty
  std::string name_text;  ///< after AS, as written
};
struct Run {
  CommandLine command;
  std::vector<std::string> mounts;  ///< --mount as written; see mount.h
  std::string network;              ///< "default", "host", "none" or empty
  std::string security;             ///< "sandbox", "insecure" or empty
  std::vector<std::string> devices;
};
/// COPY (`is_add` false) and ADD.
struct Copy {
  bool is_add = false;
  std::vector<std::string> sources;     ///< without the heredocs
  std::vector<InlineContent> contents;  ///< the heredocs
  std::string dest;
  std::string from;
  std::string chown;
  std::string chmod;
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
  std::string checksum;
  std::optional<bool> keep_git_dir;
  std::optional<bool> unpack;
};
struct Arg {
  std::vector<KeyValue> args;
};
struct Env {
  std::vector<KeyValue> values;
};
struct Label {
  std::vector<KeyValue> values;
};
struct Cmd {
  CommandLine command;
};
struct Entrypoint {
  CommandLine command;
};
struct Expose {
  std::vector<std::string> ports;
};
struct Volume {
  std::vector<std::string> paths;
};
struct User {
  std::string user;
};
struct Workdir {
  std::string path;
};
struct StopSignal {
  std::string signal;
};
struct Shell {
  std::vector<std::string> argv;
};
struct HealthCheckTest {
  bool none = false;
  CommandLine command;
  std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
  int retries = 0;
};
struct OnBuild {
  std::string trigger;  ///< the instruction's text, as it goes into the image config
};
struct Maintainer {
  std::string name;
};

using Body = std::variant<From, Run, Copy, Arg, Env, Label, Cmd, Entrypoint, Expose, Volume, User, Workdir, StopSignal,
                          Shell, HealthCheckTest, OnBuild, Maintainer>;

struct Instruction {
  Body body;
  Node node;  ///< name, flags, original text, lines
};

struct Stage {
  From from;
  Node node;                              ///< of FROM
  std::vector<Instruction> instructions;  ///< after FROM
};

/// `# check=` directive.
struct CheckDirective {
  std::vector<std::string> skip;  ///< rule names, or "all"
  std::vector<std::string> experimental;
  bool error = false;  ///< findings fail the build
  int line = 0;        ///< where the directive stands
};

struct Dockerfile {
  std::string name;                ///< for messages: "Dockerfile", "mxnet/Dockerfile.cpu"
  std::vector<std::string> lines;  ///< original text by line, without line ends
  std::string syntax;              ///< `# syntax=` value, or empty (read, never acted on: there is one frontend)
  char escape = '\\';
  CheckDirective check;
  std::vector<Instruction> global_args;  ///< ARG before the first FROM
  std::vector<Stage> stages;             ///< at least one
  std::vector<std::string> findings;     ///< names of the check rules that `parse` reported, each once
};

/// Throws Error(invalid) at file:line with Docker's message and an excerpt; lint findings (mode "--check") that need no
/// scope go to `diagnostics` as warnings, with the rule's name in `Diagnostic::rule`.
[[nodiscard]] Dockerfile parse(std::string_view text, const std::string& name, Diagnostics& diagnostics);

/// Parses one ONBUILD trigger of a base image (no FROM, ONBUILD or MAINTAINER). Throws as `parse`.
[[nodiscard]] Instruction parse_trigger(const std::string& text);

/// The lines around `range`, the lines in it marked ">>>", between two rows of 20 dashes; ends without a newline. One
/// line of context each side of a range of several lines, two of a single one.
[[nodiscard]] std::string excerpt(const std::vector<std::string>& lines, LineRange range);
[[nodiscard]] std::string excerpt(const Dockerfile& file, LineRange range);

/// An Error(invalid) with the place and the excerpt set.
[[nodiscard]] Error error_at(const Dockerfile& file, LineRange range, std::string message);

}  // namespace dlc::dockerfile
