#include "cli/image_build_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/suggest.h"

namespace dlc::cli {

namespace {

using enum OptionSupport;

constexpr std::array kRows{
    OptionRow{"add-host", 0, "HOST:IP", works, "a line for the steps' /etc/hosts; host-gateway is this machine"},
    OptionRow{"allow", 0, "RIGHT", works, "network.host, security.insecure, device or device=NAME"},
    OptionRow{"annotation", 0, "K=V", works,
              "of the manifest, or of what a prefix names: index,manifest[linux/amd64]:K=V"},
    OptionRow{"attest", 0, "TYPE", later, "attestations come with the release commands"},
    OptionRow{"build-arg", 0, "K[=V]", works, "value of an ARG; without a value it is taken from the environment"},
    OptionRow{"build-context", 0, "NAME=SRC", works,
              "directory, docker-image://, oci-layout://, git or http address for FROM and --from"},
    OptionRow{"builder", 0, "NAME", ignored, "there is one builder: this program"},
    OptionRow{"cache-from", 0, "SPEC", works,
              "type=local,src=DIR or type=registry,ref=NAME; gha, s3, azblob and inline are not there"},
    OptionRow{"cache-to", 0, "SPEC", works, "type=local,dest=DIR or type=registry,ref=NAME; mode=min|max"},
    OptionRow{"call", 0, "METHOD", works, "build, check (lint), outline or targets; each with `,format=json`"},
    OptionRow{"cgroup-parent", 0, "PATH", refused, "steps run in a group of this program"},
    OptionRow{"check", 0, "", works, "lint the Dockerfile instead of building"},
    OptionRow{"compress", 0, "", ignored, "there is no daemon to send a context to"},
    OptionRow{"cpu-period", 0, "N", ignored, "see --jobs"},
    OptionRow{"cpu-quota", 0, "N", ignored, "see --jobs"},
    OptionRow{"cpu-shares", 'c', "N", ignored, "see --jobs"},
    OptionRow{"cpuset-cpus", 0, "LIST", ignored, "run dlc below taskset"},
    OptionRow{"cpuset-mems", 0, "LIST", ignored, "run dlc below numactl"},
    OptionRow{"debug", 'D', "", works, "more about what happens"},
    OptionRow{"disable-content-trust", 0, "", ignored, "base images are named by digest or trusted as they are"},
    OptionRow{"file", 'f', "FILE", works, "the Dockerfile; - is standard input"},
    OptionRow{"force-rm", 0, "", ignored, "no containers stay behind"},
    OptionRow{"host-certs", 0, "MODE", ours, "file (default), env or off: how steps trust what this host trusts"},
    OptionRow{"iidfile", 0, "FILE", works, "gets the image's digest"},
    OptionRow{"isolation", 0, "KIND", ignored, "for Windows containers"},
    OptionRow{"jobs", 'j', "N", ours, "steps that run at once"},
    OptionRow{"label", 0, "K=V", works, "of the image's config"},
    OptionRow{"load", 0, "", works, "short for --output type=image, the default"},
    OptionRow{"memory", 'm', "BYTES", ignored, "run dlc in a group of your own"},
    OptionRow{"memory-swap", 0, "BYTES", ignored, "run dlc in a group of your own"},
    OptionRow{"metadata-file", 0, "FILE", works, "gets a JSON object about the result"},
    OptionRow{"network", 0, "MODE", works, "default (the host's), host or none"},
    OptionRow{"no-cache", 0, "", works, "run every step"},
    OptionRow{"no-cache-filter", 0, "STAGE", works, "run every step of these stages"},
    OptionRow{"on-failure", 0, "WHAT", ours,
              "shell: opens a shell in the failed step's file system; shell=COMMAND runs one there"},
    OptionRow{"output", 'o', "SPEC", works,
              "type=image, registry, oci, docker, tar, local or cacheonly; DIR; -; may repeat"},
    OptionRow{"platform", 0, "P[,P...]", works,
              "several make an index; a foreign one's RUN needs a registered emulator"},
    OptionRow{"policy", 0, "SPEC", later, "source policies"},
    OptionRow{"print", 0, "METHOD", refused, "the old name of --call"},
    OptionRow{"progress", 0, "FORM", works, "auto, tty, plain, quiet, rawjson; jsonl are our own events"},
    OptionRow{"provenance", 0, "SPEC", ignored, "no attestation is made; false is what happens"},
    OptionRow{"pull", 0, "", works, "always ask the registry; also --pull=never|missing|newer|always"},
    OptionRow{"push", 0, "", works, "short for push=true of the image output"},
    OptionRow{"quiet", 'q', "", works, "print the image's digest only"},
    OptionRow{"resource", 0, "SPEC", ignored, "see --jobs"},
    OptionRow{"rm", 0, "", ignored, "no containers stay behind"},
    OptionRow{"sbom", 0, "SPEC", ignored, "no attestation is made; false is what happens"},
    OptionRow{"secret", 0, "SPEC", works, "id=ID[,src=FILE|,env=VAR][,type=file|env]"},
    OptionRow{"security-opt", 0, "OPT", ignored, "steps have docker's default confinement"},
    OptionRow{"shm-size", 0, "BYTES", works, "size of /dev/shm in steps"},
    OptionRow{"squash", 0, "", refused, "write a flat tar with --output type=tar instead"},
    OptionRow{"ssh", 0, "SPEC", works, "default, ID=SOCKET or ID=KEY[,KEY]: agents for RUN --mount=type=ssh"},
    OptionRow{"tag", 't', "NAME", works, "name in the store; may repeat"},
    OptionRow{"target", 0, "STAGE", works, "the stage to build"},
    OptionRow{"ulimit", 0, "N=S[:H]", works, "limits of steps, as far as this host allows"},
};

const OptionRow* find_row(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &OptionRow::name);
  return found == kRows.end() ? nullptr : &*found;
}

const OptionRow& row_of(std::string_view name, const std::string& argument) {
  if (const auto* row = find_row(name)) {
    return *row;
  }
  std::vector<std::string> names;
  for (const auto& row : kRows) {
    names.push_back("--" + std::string(row.name));
  }
  const auto similar = closest("--" + std::string(name), names);
  throw Error(ErrorKind::usage, "unknown flag: " + argument)
      .hint(similar.empty() ? "dlc image build --help lists the options" : "did you mean " + similar + "?");
}

const OptionRow& row_of(char letter) {
  const auto found = std::ranges::find(kRows, letter, &OptionRow::letter);
  if (letter == 0 || found == kRows.end()) {
    throw Error(ErrorKind::usage, fmt::format("unknown shorthand flag: -{}", letter))
        .hint("dlc image build --help lists the options");
  }
  return *found;
}

void check_support(const OptionRow& row) {
  if (row.support == later) {
    throw Error(ErrorKind::unsupported, fmt::format("--{} is not there yet: {}", row.name, row.note));
  }
  if (row.support == refused) {
    throw Error(ErrorKind::unsupported, fmt::format("--{} makes no sense here: {}", row.name, row.note));
  }
}

/// Takes arguments from the front.
class Parser {
 public:
  explicit Parser(std::span<const std::string> arguments) : rest_(arguments) {}

  GivenArguments parse() {
    while (!rest_.empty()) {
      const std::string& argument = take();
      if (argument == "--") {
        given_.operands.insert(given_.operands.end(), rest_.begin(), rest_.end());
        break;
      }
      if (argument == "--help" || argument == "-h") {
        given_.help = true;
      } else if (argument.starts_with("--")) {
        long_option(argument);
      } else if (argument.size() > 1 && argument[0] == '-') {
        short_options(argument);
      } else {
        given_.operands.push_back(argument);
      }
    }
    return std::move(given_);
  }

 private:
  const std::string& take() {
    const std::string& first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

  void add(const OptionRow& row, std::string value) {
    check_support(row);
    given_.options.push_back({&row, std::move(value)});
  }

  std::string take_value(const std::string& argument) {
    if (rest_.empty()) {
      throw Error(ErrorKind::usage, "flag needs an argument: " + argument);
    }
    return take();
  }

  void long_option(const std::string& argument) {
    const auto equals = argument.find('=');
    const auto& row =
        row_of(std::string_view(argument).substr(2, equals == std::string::npos ? equals : equals - 2), argument);
    if (equals != std::string::npos) {
      add(row, argument.substr(equals + 1));
    } else {
      add(row, row.value.empty() ? "true" : take_value(argument));
    }
  }

  void short_options(const std::string& argument) {
    for (std::size_t i = 1; i < argument.size(); ++i) {
      const auto& row = row_of(argument[i]);
      if (row.value.empty()) {
        add(row, "true");
        continue;
      }
      auto value = argument.substr(i + 1);
      if (value.starts_with('=')) {
        value.erase(0, 1);
      }
      add(row, value.empty() ? take_value(argument) : value);
      return;
    }
  }

  std::span<const std::string> rest_;
  GivenArguments given_;
};

const char* word_of(OptionSupport support) {
  switch (support) {
    case works:
      return "works";
    case ours:
      return "works (not in docker)";
    case ignored:
      return "accepted, no effect";
    case later:
      return "not yet";
    case refused:
      break;
  }
  return "refused";
}

std::string spelled(const OptionRow& row) {
  const auto letter = row.letter != 0 ? fmt::format("-{}, ", row.letter) : std::string();
  return fmt::format("{}--{}{}{}", letter, row.name, row.value.empty() ? "" : " ", row.value);
}

}  // namespace

std::span<const OptionRow> image_build_options() {
  return kRows;
}

std::string GivenArguments::last(std::string_view name, std::string otherwise) const {
  for (const auto& option : options) {
    if (option.row->name == name) {
      otherwise = option.value;
    }
  }
  return otherwise;
}

std::vector<std::string> GivenArguments::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& option : options) {
    if (option.row->name == name) {
      values.push_back(option.value);
    }
  }
  return values;
}

bool GivenArguments::flag(std::string_view name) const {
  const auto value = last(name, "false");
  if (value == "true" || value == "1" || value == "false" || value == "0") {
    return value == "true" || value == "1";
  }
  throw Error(ErrorKind::usage, fmt::format("--{}={} is neither true nor false", name, value));
}

GivenArguments parse_image_build(std::span<const std::string> arguments) {
  return Parser(arguments).parse();
}

std::string image_build_help() {
  std::string text =
      "Usage: dlc image build [OPTIONS] PATH | URL | -\n\nBuild an image from a Dockerfile, as docker build does.\n\n";
  for (const auto& row : kRows) {
    if (row.support == works || row.support == ours) {
      text += fmt::format("  {:<28} {}\n", (row.letter != 0 ? "" : "    ") + spelled(row), row.note);
    }
  }
  return text + "\nAll options of docker build, and what becomes of each: docs/docker-build-options.md\n";
}

std::string option_table_markdown() {
  std::string text = "| option | here | what it does, or why not |\n|---|---|---|\n";
  for (const auto& row : kRows) {
    auto note = std::string(row.note);
    for (auto at = note.find('|'); at != std::string::npos; at = note.find('|', at + 2)) {
      note.insert(at, "\\");
    }
    text += fmt::format("| `{}` | {} | {} |\n", spelled(row), word_of(row.support), note);
  }
  return text;
}

}  // namespace dlc::cli
