#pragma once
// The parts of lowering, one file each: stages and their order (lower.cpp), metadata instructions (lower_config.cpp),
// RUN (lower_run.cpp), COPY and ADD (lower_copy.cpp), texts (lower_text.cpp).
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "build/lower.h"
#include "dockerfile/lint.h"
#include "dockerfile/mount.h"
#include "dockerfile/word.h"

namespace dlc::build {

/// Variables in the order in which they were first set.
class Scope {
 public:
  void set(const std::string& name, const std::string& value);
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return values_; }
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
  std::map<std::string, std::size_t, std::less<>> places_;
};

/// One instruction of a stage, its own or a trigger of its base.
struct Command {
  const dockerfile::Instruction* instruction = nullptr;
  dockerfile::LineRange lines;  ///< a trigger's: the lines of FROM
  bool trigger = false;
};

struct StageState {
  const dockerfile::Stage* stage = nullptr;
  std::size_t index = 0;
  std::string shown;  ///< in vertex names; empty where the file has one stage only
  std::string base_name;
  StageState* base = nullptr;  ///< an earlier stage
  std::optional<oci::Platform> wanted_platform;
  const NamedContext* replaced_by = nullptr;
  std::vector<Command> commands;
  bool started = false;
  bool done = false;

  VertexId root = 0;
  bool root_is_image = false;  ///< `root` is a vertex of its own to count as a step
  oci::ImageConfig config;
  std::size_t base_history = 0;
  oci::Platform platform;
  Scope scope;                             ///< ENV and ARG, as RUN sees them
  std::vector<dockerfile::KeyValue> args;  ///< declared so far, with values, in order
  bool workdir_set = false;
  const dockerfile::Node* cmd = nullptr;
  const dockerfile::Node* entrypoint = nullptr;
  const dockerfile::Node* health_check = nullptr;
  int steps = 0;
  int step = 0;
};

class Lowering {
 public:
  Lowering(const dockerfile::Dockerfile& file, const LowerOptions& options, const ImageResolver& resolver, Graph& graph,
           Diagnostics& diagnostics);
  ImageTarget run();

 private:
  // lower.cpp
  void read_global_args();
  void read_epoch();
  void lint_default_bases();
  void make_stages();
  void read_platform(StageState& state);
  StageState& find_target();
  [[nodiscard]] StageState* find_stage(std::string_view name_or_index);
  [[nodiscard]] std::vector<std::pair<StageState*, const dockerfile::Instruction*>> stages_named_by(
      const dockerfile::Instruction& instruction);
  void check_cycles();
  void lower_with_needs(StageState& target);
  void lower_stage(StageState& state);
  void start_stage(StageState& state);
  void start_from_image(StageState& state);
  void start_from_context(StageState& state, const NamedContext& context, const std::string& name);
  void add_triggers(StageState& state, const std::vector<std::string>& triggers);
  void count_steps(StageState& state);
  void dispatch(StageState& state, const Command& command);
  ImageTarget finish(StageState& target);

  // Where COPY --from and mounts read.
  [[nodiscard]] VertexId context_vertex(const NamedContext& context, const std::string& name);
  /// A vertex without inputs; `lines`: of the instruction it comes from, or none.
  [[nodiscard]] VertexId add_leaf(Op op, std::string name, dockerfile::LineRange lines = {});
  [[nodiscard]] VertexId main_context();
  /// `what`: the error's beginning where the stage comes too late.
  [[nodiscard]] VertexId source_vertex(const std::string& from, const std::string& too_late);
  [[nodiscard]] const NamedContext* find_context(const std::string& name) const;
  [[nodiscard]] VertexId image_vertex(const std::shared_ptr<const ResolvedImage>& image, std::string name,
                                      dockerfile::LineRange lines);
  [[nodiscard]] std::shared_ptr<const ResolvedImage> resolve_image(const std::string& name,
                                                                   const oci::Platform& platform,
                                                                   dockerfile::LineRange lines);

  // Texts and variables.
  [[nodiscard]] std::string expand(StageState& state, const Command& command, std::string_view word);
  [[nodiscard]] std::string expand_contents(StageState& state, const Command& command, std::string_view text);
  void report_unset(StageState& state, const Command& command, const std::set<std::string>& unset);
  void expand_all(StageState& state, const Command& command, std::vector<std::string>& words);
  [[nodiscard]] std::string step_name(StageState& state, const Command& command, const std::string& text);
  void add_history(StageState& state, std::string created_by, bool layer);
  void add_step(StageState& state, const Command& command, Op op, std::vector<VertexId> inputs, std::string name,
                bool always_cached = false);
  /// Adds a vertex of this Dockerfile's, or finds the equal one, and keeps where this file has it.
  [[nodiscard]] VertexId add_vertex(Vertex vertex);
  [[nodiscard]] Error error(dockerfile::LineRange lines, std::string message) const;

  // lower_config.cpp
  void apply(StageState& state, const Command& command, const dockerfile::Arg& arg);
  void apply(StageState& state, const Command& command, const dockerfile::Env& env);
  void apply(StageState& state, const Command& command, const dockerfile::Label& label);
  void apply(StageState& state, const Command& command, const dockerfile::Cmd& cmd);
  void apply(StageState& state, const Command& command, const dockerfile::Entrypoint& entrypoint);
  void apply(StageState& state, const Command& command, const dockerfile::Expose& expose);
  void apply(StageState& state, const Command& command, const dockerfile::Volume& volume);
  void apply(StageState& state, const Command& command, const dockerfile::User& user);
  void apply(StageState& state, const Command& command, const dockerfile::Workdir& workdir);
  void apply(StageState& state, const Command& command, const dockerfile::StopSignal& signal);
  void apply(StageState& state, const Command& command, const dockerfile::Shell& shell);
  void apply(StageState& state, const Command& command, const dockerfile::HealthCheckTest& test);
  void apply(StageState& state, const Command& command, const dockerfile::OnBuild& on_build);
  void apply(StageState& state, const Command& command, const dockerfile::Maintainer& maintainer);
  void apply(StageState& state, const Command& command, const dockerfile::From& from);
  [[nodiscard]] std::vector<std::string> in_shell(const StageState& state, const Command& command,
                                                  const dockerfile::CommandLine& line);
  void note_repeat(const Command& command, const dockerfile::Node*& previous);

  // lower_run.cpp
  void apply(StageState& state, const Command& command, const dockerfile::Run& run);
  void read_command(StageState& state, const dockerfile::Instruction& instruction, RunOp& op, std::string& shown);
  [[nodiscard]] Mount make_mount(StageState& state, const Command& command, dockerfile::MountSpec spec,
                                 std::vector<VertexId>& inputs, int& agents);
  void allow(const StageState& state, const dockerfile::Run& run, RunOp& op) const;

  // lower_copy.cpp
  void apply(StageState& state, const Command& command, const dockerfile::Copy& copy);
  void add_source(StageState& state, const Command& command, const dockerfile::Copy& copy, const std::string& source,
                  std::optional<VertexId>& tree, std::vector<VertexId>& inputs, CopyOp& op);
  void lint_source(const Command& command, const dockerfile::Copy& copy, const std::string& source);

  const dockerfile::Dockerfile& file_;
  const LowerOptions& options_;
  const ImageResolver& resolver_;
  Graph& graph_;
  dockerfile::Linter linter_;
  Scope global_;                    ///< global arguments and the predefined ones
  std::set<std::string> declared_;  ///< global ARG names
  std::optional<std::int64_t> epoch_;
  std::vector<std::string> proxy_env_;
  std::deque<StageState> stages_;
  std::map<std::string, StageState*> by_name_;
  std::deque<dockerfile::Instruction> triggers_;
  std::map<VertexId, Place> places_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const ResolvedImage>> resolved_;
};

// lower_text.cpp
/// Go's %v of a list: "[a b]".
[[nodiscard]] std::string list_text(const std::vector<std::string>& values);
/// Go's %q of a list: "[\"a\" \"b\"]".
[[nodiscard]] std::string quoted_list_text(const std::vector<std::string>& values);
/// The variables that were ARGs, then the command, as a RUN's history has it.
[[nodiscard]] std::string run_history(const StageState& state, const std::vector<std::string>& argv);
/// "80/tcp", ... of one EXPOSE word. `ignored_part`: an address or host port was given. Throws Error(invalid).
[[nodiscard]] std::vector<std::string> expand_ports(const std::string& word, bool& upper_case, bool& ignored_part);
/// Whether STOPSIGNAL may have it: a number or a name, with or without SIG.
[[nodiscard]] bool is_signal(std::string_view text);
/// "K=V" entries; replaces the variable's entry or adds one.
void set_env(std::vector<std::string>& env, const std::string& name, const std::string& value);
void insert_sorted(std::vector<std::string>& values, std::string value);
/// "name:tag" without ":latest", as named contexts are called.
[[nodiscard]] std::string context_name(const std::string& image);

inline constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace dlc::build
