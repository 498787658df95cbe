// The table of commands: a new command is one line here.
#include <array>

#include "cli/add_artifact_command.h"
#include "cli/add_package_command.h"
#include "cli/build_command.h"
#include "cli/command.h"
#include "cli/debug_command.h"
#include "cli/doctor_command.h"
#include "cli/image_build_command.h"
#include "cli/image_command.h"
#include "cli/lint_command.h"
#include "cli/login_command.h"
#include "cli/new_version_command.h"
#include "cli/plan_command.h"
#include "cli/run_command.h"
#include "cli/store_command.h"

namespace dlc::cli {

namespace {

constexpr const char* kBuildspecs = "Buildspecs";
constexpr const char* kEdits = "Edits of buildspecs and Dockerfiles";
constexpr const char* kImages = "Images";
constexpr const char* kStore = "Store";
constexpr const char* kMachine = "This machine";
constexpr const char* kDebugging = "Debugging";

constexpr std::array kCommands{
    Command{"build", "build the images of the buildspecs", kBuildspecs, run_build},
    Command{"plan", "print what the buildspecs resolve to", kBuildspecs, run_plan},
    Command{"lint", "look for mistakes in buildspecs", kBuildspecs, run_lint},
    Command{"new-version", "begin an upgrade: copy a version's folders, change the buildspec", kEdits, run_new_version},
    Command{"add-artifact", "add a file to images: context entry and COPY line", kEdits, run_add_artifact},
    Command{"add-package", "add a Python or Debian package to an image", kEdits, run_add_package},
    Command{"image build", "build one image from a Dockerfile, as docker build does", kImages, run_image_build},
    Command{"image ls", "list the images in the store", kImages, run_image_ls},
    Command{"image inspect", "what an image is made of and how it starts", kImages, run_image_inspect},
    Command{"image history", "the steps an image was made by", kImages, run_image_history},
    Command{"image check", "look for mistakes in a finished image", kImages, run_image_check},
    Command{"image sbom", "list what an image holds, as SPDX or CycloneDX", kImages, run_image_sbom},
    Command{"image tag", "give an image one more name", kImages, run_image_tag},
    Command{"image rm", "take names away", kImages, run_image_rm},
    Command{"image save", "write images to a file or directory", kImages, run_image_save},
    Command{"image load", "read images from a file or directory", kImages, run_image_load},
    Command{"image pull", "fetch an image from a registry", kImages, run_image_pull},
    Command{"image push", "send an image to a registry", kImages, run_image_push},
    Command{"run", "run a command in a container of an image", kImages, run_run},
    Command{"login", "keep user and password for a registry", kImages, run_login},
    Command{"logout", "forget user and password for a registry", kImages, run_logout},
    Command{"store df", "what takes how much room", kStore, run_store_df},
    Command{"store gc", "remove what nothing needs", kStore, run_store_gc},
    Command{"store check", "compare everything with its digest", kStore, run_store_check},
    Command{"doctor", "look whether this machine has what builds need", kMachine, run_doctor},
    Command{"debug parse-dockerfile", "print a Dockerfile as it is read", kDebugging, run_debug_parse_dockerfile},
    Command{"debug expand-word", "expand variables and quotes in a word", kDebugging, run_debug_expand_word},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace dlc::cli
