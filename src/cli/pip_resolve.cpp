#include "cli/pip_resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/lines.h"
#include "cli/run_in_image.h"

namespace dlc::cli {

namespace {

/// Runs in the image. Its last line of standard output is the answer.
constexpr const char* kPipScript = R"(
import importlib.metadata, json, os, re, subprocess, sys, tempfile

request = json.loads(sys.argv[1])
normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
installed, requires = {}, {}
for found in importlib.metadata.distributions():
    if found.metadata["Name"]:
        installed.setdefault(normal(found.metadata["Name"]), found.version)
        requires.setdefault(normal(found.metadata["Name"]), found.requires or [])

def needed(requires):
    """The packages that one of these asks for, with the extras that are asked for."""
    from pip._vendor.packaging.requirements import Requirement
    extras, found, more = {name: {""} for name in requires}, set(), True
    while more:
        more = False
        for name, lines in requires.items():
            for need in map(Requirement, lines):
                if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in extras[name]):
                    continue
                other = normal(need.name)
                more = more or other not in found or not need.extras <= extras.get(other, need.extras)
                found.add(other)
                extras.get(other, set()).update(need.extras)
    return found

def unneeded(before, after):
    """What something needed before and nothing needs now, nor what only that needed."""
    gone = set()
    while True:
        more = (needed(before) & after.keys() & set(request["free"])) - needed(after) - gone
        if not more:
            return sorted(gone)
        gone |= more
        after = {name: lines for name, lines in after.items() if name not in more}

kept = [f"{name}=={version}" for name, version in installed.items() if name not in request["free"]]
work = tempfile.mkdtemp()
constraints = os.path.join(work, "constraints.txt")
with open(constraints, "w") as file:
    file.writelines(line + "\n" for line in kept + request["constraints"])
report = os.path.join(work, "report.json")
done = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--no-input", "--no-cache-dir", "--no-color",
                       "--progress-bar", "off", "--disable-pip-version-check", "--only-binary", ":all:", "--constraint", constraints,
                       "--report", report, *request["packages"]],
                      env={**os.environ, "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore"},
                      stdout=sys.stderr)
if done.returncode != 0:
    sys.exit(done.returncode)
with open(report) as file:
    install = json.load(file)["install"]
packages = [{"name": item["metadata"]["name"], "version": item["metadata"]["version"],
             "archive": item["download_info"].get("archive_info", {})} for item in install]
after = requires | {normal(item["metadata"]["name"]): item["metadata"].get("requires_dist", []) for item in install}
try:
    orphans = unneeded(requires, after)
except Exception:  # a requirement that is none, or another pip: it is only a remark
    orphans = []
print(json.dumps({"installed": installed, "packages": packages, "unneeded": orphans}))
)";

std::vector<std::string> pip_arguments(const PipRequest& request) {
  const nlohmann::json question{
      {"packages", request.packages}, {"constraints", request.constraints}, {"free", request.free}};
  return {"-c", kPipScript, question.dump()};
}

std::vector<std::string> archive_hashes(const nlohmann::json& archive) {
  std::vector<std::string> hashes;
  if (const auto all = archive.find("hashes"); all != archive.end() && all->contains("sha256")) {
    hashes.push_back("sha256:" + all->at("sha256").get<std::string>());
  } else if (const auto one = archive.value("hash", std::string()); one.starts_with("sha256=")) {
    hashes.push_back("sha256:" + one.substr(7));  // pip before 23.0
  }
  return hashes;
}

PipAnswer read_answer(const std::string& output) {
  auto end = output.find_last_not_of('\n') + 1;
  const auto begin = output.rfind('\n', end == 0 ? 0 : end - 1);
  const auto json = nlohmann::json::parse(output.substr(begin == std::string::npos ? 0 : begin + 1));
  PipAnswer answer;
  answer.installed = json.at("installed").get<std::map<std::string, std::string>>();
  answer.unneeded = json.at("unneeded").get<std::vector<std::string>>();
  for (const auto& item : json.at("packages")) {
    answer.packages.push_back(
        {.name = item.at("name"), .version = item.at("version"), .hashes = archive_hashes(item.at("archive"))});
  }
  return answer;
}

/// What pip says while all is well; the rest is why it is not.
bool is_progress(std::string_view line) {
  constexpr std::string_view kProgress[] = {
      "Collecting ",
      "Downloading ",
      "Using cached ",
      "Requirement already satisfied",
      "Looking in ",
      "Would install ",
      "Obtaining ",
      "Preparing meta",
      "Installing build ",
      "Getting requirements ",
      "INFO: pip is looking ",
      "[notice]",
      "To fix this you could try",
      "1. loosen the range",
      "2. remove package versions",
  };
  const auto text = line.substr(std::min(line.find_first_not_of(' '), line.size()));
  return text.empty() || std::ranges::any_of(kProgress, [&](auto begin) { return text.starts_with(begin); });
}

/// The lines in which pip says what is wrong, each once; of its attempts to connect the first.
std::string pip_reason(const std::string& error) {
  constexpr std::string_view kRetry = "  WARNING: Retrying ";
  const auto is_retry = [&](const std::string& line) { return line.starts_with(kRetry); };
  std::vector<std::string> lines;
  for (const auto line : split_lines(error)) {
    const auto end = line.find_last_not_of(" \t\r") + 1;
    auto text = fmt::format("  {}", line.substr(0, end));
    const bool said =
        std::ranges::find(lines, text) != lines.end() || (is_retry(text) && std::ranges::any_of(lines, is_retry));
    if (!said && !is_progress(line.substr(0, end))) {
      lines.push_back(std::move(text));
    }
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace

void check_pip_result(const std::string& image, int status, const std::string& error) {
  const auto says = [&](std::string_view text) { return error.find(text) != std::string::npos; };
  if (status == 0) {
    if (const auto at = error.find("does not provide the extra"); at != std::string::npos) {
      const auto begin = error.rfind("WARNING: ", at) + std::string_view("WARNING: ").size();
      throw Error(ErrorKind::usage, error.substr(begin, error.find('\n', at) - begin))
          .hint("NAME[EXTRA]: the package's page on the index lists its extras");
    }
    return;
  }
  auto failure = Error(ErrorKind::failed, fmt::format("pip in {} finds nothing that fits (status {})", image, status));
  if (says("conflicting dependencies")) {
    // the packages themselves, even where a connection had to be tried again
  } else if (says("connection broken by") || says("Could not fetch URL") || says("NewConnectionError") ||
             says("ProxyError") || says("ReadTimeoutError") || says("HTTP error 5")) {
    failure = Error(ErrorKind::network, fmt::format("pip in {} can't reach the package index", image));
    failure.hint("PIP_INDEX_URL, HTTPS_PROXY and the like are passed on").retryable();
  } else if (says("from versions: none")) {
    failure.hint(
        "the index has no wheel of it for the image's Python: no package has that name, or it comes as source only");
  } else if (says("from versions: ")) {
    failure.hint("it has the versions named above");
  }
  throw failure.excerpt(pip_reason(error));
}

PipAnswer ask_pip(const PipRequest& request, const GlobalOptions& global) {
  try {
    require_image(request.image, global);
  } catch (Error& error) {
    throw error.hint("pip is asked in the image itself, so build it first: dlc build");
  }
  const auto result = run_in_image(request.image, "python3", pip_arguments(request), global);
  check_pip_result(request.image, result.status, result.error);
  try {
    return read_answer(result.output);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::failed, fmt::format("pip in {} gave no report: {}", request.image, error.what()))
        .hint("pip 22.2 or later is needed in the image");
  }
}

}  // namespace dlc::cli
