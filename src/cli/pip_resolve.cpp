#include "cli/pip_resolve.h"

#include <fmt/format.h>

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
done = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-input", "--no-cache-dir",
                       "--disable-pip-version-check", "--only-binary", ":all:", "--constraint", constraints,
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

/// The lines in which pip says what is wrong.
std::string pip_reason(const std::string& error) {
  std::string reason;
  for (const auto line : split_lines(error)) {
    if (line.find_first_not_of(" \t\r") != std::string_view::npos && !line.starts_with("WARNING:")) {
      reason += fmt::format("  {}\n", line);
    }
  }
  if (!reason.empty()) {
    reason.pop_back();
  }
  return reason;
}

}  // namespace

PipAnswer ask_pip(const PipRequest& request, const GlobalOptions& global) {
  try {
    require_image(request.image, global);
  } catch (Error& error) {
    throw error.hint("pip is asked in the image itself, so build it first: dlc build");
  }
  const auto result = run_in_image(request.image, "python3", pip_arguments(request), global);
  if (result.status != 0) {
    throw Error(ErrorKind::failed,
                fmt::format("pip in {} finds nothing that fits (status {})", request.image, result.status))
        .excerpt(pip_reason(result.error));
  }
  try {
    return read_answer(result.output);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::failed, fmt::format("pip in {} gave no report: {}", request.image, error.what()))
        .hint("pip 22.2 or later is needed in the image");
  }
}

}  // namespace dlc::cli
