// COPY and ADD: sources told apart (context, stage, image, URL, git repository, heredoc), options checked.
#include <algorithm>

#include "base/error.h"
#include "build/copier.h"
#include "build/git_url.h"
#include "build/lower_internal.h"
#include "dockerfile/ignore.h"
#include "dockerfile/path.h"
#include "dockerfile/text.h"

namespace dlc::build {

using dockerfile::quote;

namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

std::string relative_clean(std::string_view path) {
  return dockerfile::clean_path("/" + std::string(path)).substr(1);
}

/// --parents keeps the part behind the pivot "/./", so that has to survive cleaning.
std::string clean_source(const std::string& source, bool parents) {
  const auto pivot = parents ? source.find("/./") : std::string::npos;
  if (pivot == std::string::npos) {
    return relative_clean(source);
  }
  return relative_clean(source.substr(0, pivot)) + "/./" + relative_clean(source.substr(pivot + 3));
}

void check_checksum(const dockerfile::Copy& copy, const std::string& checksum,
                    const std::vector<std::string>& sources) {
  if (checksum.empty()) {
    return;
  }
  if (!copy.is_add) {
    fail("checksum can't be specified for COPY");
  }
  if (sources.size() != 1) {
    fail("checksum can't be specified for multiple sources");
  }
  if (!is_http_url(sources.front()) && !parse_git_url(sources.front())) {
    fail("checksum requires HTTP(S) or Git sources");
  }
}

GitOp git_op(const GitUrl& url, const dockerfile::Copy& copy, const std::string& checksum) {
  if (copy.keep_git_dir && url.keep_git_dir && *copy.keep_git_dir != *url.keep_git_dir) {
    fail("inconsistent keep-git-dir configuration");
  }
  if (!checksum.empty() && !url.checksum.empty() && checksum != url.checksum) {
    fail("checksum mismatch " + quote(checksum) + " != " + quote(url.checksum));
  }
  return {.url = url.remote,
          .ref = url.ref,
          .subdir = url.subdir,
          .keep_git_dir = url.keep_git_dir.value_or(copy.keep_git_dir.value_or(false)),
          .submodules = url.submodules.value_or(true),
          .commit_times = url.commit_times,
          .checksum = checksum.empty() ? url.checksum : checksum};
}

}  // namespace

// Warns where .dockerignore leaves out what is copied. With "!" lines it cannot be told without looking.
void Lowering::lint_source(const Command& command, const dockerfile::Copy& copy, const std::string& source) {
  const auto& ignore = options_.context.local.ignore;
  const auto takes_back = [](const std::string& line) { return line.starts_with('!'); };
  if (!copy.from.empty() || ignore.empty() || std::any_of(ignore.begin(), ignore.end(), takes_back)) {
    return;
  }
  const auto path = relative_clean(source);
  const auto takes_all = [](const std::string& line) { return line == "*" || line == "**" || line == "**/*"; };
  const bool ignored = path.empty() ? std::any_of(ignore.begin(), ignore.end(), takes_all)
                                    : dockerfile::IgnoreMatcher(ignore).ignored(path);
  if (ignored) {
    linter_.report("CopyIgnoredFile", command.instruction->node,
                   std::string("Attempting to ") + (copy.is_add ? "Add" : "Copy") + " file " +
                       quote(dockerfile::clean_path(source)) + " that is excluded by .dockerignore");
  }
}

void Lowering::add_source(StageState& state, const Command& command, const dockerfile::Copy& copy,
                          const std::string& source, std::optional<VertexId>& tree, std::vector<VertexId>& inputs,
                          CopyOp& op) {
  const auto input_of = [&inputs](VertexId vertex) {
    const auto known = std::find(inputs.begin(), inputs.end(), vertex);
    if (known != inputs.end()) {
      return static_cast<std::uint32_t>(known - inputs.begin()) + 1;
    }
    inputs.push_back(vertex);
    return static_cast<std::uint32_t>(inputs.size());
  };
  if (const auto url = parse_git_url(source)) {
    if (!copy.is_add) {
      fail("source can't be a git ref for COPY");
    }
    const auto vertex = add_leaf(git_op(*url, copy, copy.checksum), "git " + source, command.lines);
    op.sources.push_back({.input = input_of(vertex), .path = "", .unpack = false});
  } else if (is_http_url(source)) {
    if (!copy.is_add) {
      fail("source can't be a URL for COPY");
    }
    HttpOp http{.url = source, .filename = url_filename(source), .checksum = std::nullopt};
    if (!copy.checksum.empty()) {
      http.checksum = Digest::parse(copy.checksum);
    }
    const auto filename = http.filename;
    const auto vertex = add_leaf(std::move(http), source, command.lines);
    op.sources.push_back({.input = input_of(vertex), .path = filename, .unpack = copy.unpack.value_or(false)});
  } else {
    lint_source(command, copy, source);
    if (!tree) {
      tree = copy.from.empty()
                 ? main_context()
                 : source_vertex(copy.from, "cannot copy from stage " + quote(copy.from) +
                                                ", it needs to be defined before current stage " + quote(state.shown));
    }
    op.sources.push_back({.input = input_of(*tree),
                          .path = clean_source(source, copy.parents),
                          .unpack = copy.unpack.value_or(copy.is_add)});
  }
}

void Lowering::apply(StageState& state, const Command& command, const dockerfile::Copy& written) {
  auto copy = written;
  copy.chown = expand(state, command, copy.chown);
  copy.chmod = expand(state, command, copy.chmod);
  copy.checksum = expand(state, command, copy.checksum);
  expand_all(state, command, copy.sources);
  copy.dest = expand(state, command, copy.dest);
  if (!copy.chmod.empty()) {
    static_cast<void>(ChangeMode(copy.chmod));
  }
  check_checksum(copy, copy.checksum, copy.sources);

  CopyOp op;
  const bool directory = copy.dest.empty() || copy.dest == "." || copy.dest.ends_with('/') ||
                         copy.dest.ends_with("/.") || copy.dest == ".." || copy.dest.ends_with("/..");
  op.dest =
      dockerfile::clean_path(copy.dest.starts_with('/') ? copy.dest : "/" + state.config.working_dir + "/" + copy.dest);
  op.dest_is_directory = directory;
  op.chown = copy.chown;
  op.chmod = copy.chmod;
  op.link = copy.link && copy.chmod.empty();  // as in BuildKit, which links nothing that it must change
  op.parents = copy.parents;
  op.excludes = copy.excludes;

  std::string history = copy.is_add ? "ADD" : "COPY";
  history += copy.parents ? " --parents" : "";
  history += copy.chown.empty() ? "" : " --chown=" + copy.chown;
  history += copy.chmod.empty() ? "" : " --chmod=" + copy.chmod;
  std::vector<VertexId> inputs;
  std::optional<VertexId> tree;
  for (const auto& source : copy.sources) {
    add_source(state, command, copy, source, tree, inputs, op);
    history += " " + source;
  }
  for (const auto& content : copy.contents) {
    op.inline_files.push_back(
        {content.name, content.expand ? expand_contents(state, command, content.data) : content.data});
    history += " <<" + content.name;
  }
  history += " " + copy.dest + " # buildkit";

  const auto& original = command.instruction->node.original;
  std::string shown;
  try {
    shown = dockerfile::expand_word(dockerfile::trim(original),
                                    [&state](std::string_view name) {
                                      const auto* value = state.scope.find(name);
                                      return value == nullptr ? std::optional<std::string>() : *value;
                                    },
                                    {.escape = file_.escape});
  } catch (const Error&) {
    shown = dockerfile::trim(original);
  }
  const auto keyword = command.instruction->node.keyword.size();
  auto name = step_name(state, command, (copy.is_add ? "ADD" : "COPY") + shown.substr(std::min(shown.size(), keyword)));
  add_step(state, command, std::move(op), std::move(inputs), std::move(name));
  add_history(state, std::move(history), true);
}

}  // namespace dlc::build
