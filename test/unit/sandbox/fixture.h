#pragma once
// A tiny root of one busybox, and a container in it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/files.h"
#include "sandbox/container.h"
#include "sandbox/overlay.h"

namespace dlc::sandbox {

namespace fs = std::filesystem;

struct Outcome {
  int status = 0;
  std::string out;
  std::string err;
};

class SandboxTest : public ::testing::Test {
 protected:
  SandboxTest() {
    fs::create_directories(lower() / "bin");
    fs::copy_file("/bin/busybox", lower() / "bin/busybox");
    for (const char* name : {"sh",    "cat",    "ls",    "id",   "env",      "pwd",     "sleep", "touch",    "mkdir",
                             "mount", "umount", "rm",    "mv",   "ln",       "stat",    "grep",  "hostname", "wc",
                             "mknod", "dd",     "kill",  "true", "readlink", "find",    "chmod", "echo",     "test",
                             "head",  "cp",     "rmdir", "awk",  "tr",       "unshare", "sort"}) {
      fs::create_symlink("busybox", lower() / "bin" / name);
    }
    fs::create_directories(lower() / "etc");
    fs::create_directories(lower() / "tmp");
    ::chmod((lower() / "tmp").c_str(), 01777);
    write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1234:App:/home/app:/bin/sh\n");
    write("etc/group", "root:x:0:\napp:x:1234:\nextra:x:50:app,other\n");
    for (const char* part : {"upper", "work"}) {
      fs::create_directories(directory_.path() / part);
    }
    ::chmod(upper().c_str(), 0755);
    spec.lowers = {lower()};
    spec.upper = upper();
    spec.work = directory_.path() / "work";
    spec.hostname = "buildkitsandbox";
    spec.env = {"PATH=/bin"};
  }

  static void SetUpTestSuite() { enter_private_namespace(); }

  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
  }

  [[nodiscard]] fs::path lower() const { return directory_.path() / "lower"; }
  [[nodiscard]] fs::path upper() const { return directory_.path() / "upper"; }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((lower() / path).parent_path());
    std::ofstream(lower() / path) << text;
  }

  Outcome run(std::vector<std::string> argv, std::stop_token stop = {}) {
    spec.argv = std::move(argv);
    Outcome outcome;
    outcome.status = run_container(
                         runtime, spec,
                         [&](LogStream stream, std::string_view text) {
                           (stream == LogStream::out ? outcome.out : outcome.err).append(text);
                         },
                         stop)
                         .status;
    return outcome;
  }
  Outcome shell(const std::string& script) { return run({"/bin/sh", "-c", script}); }

  /// Every path below the upper directory, sorted.
  [[nodiscard]] std::vector<std::string> changes() const {
    std::vector<std::string> result;
    for (const auto& entry : fs::recursive_directory_iterator(upper())) {
      result.push_back(entry.path().lexically_relative(upper()).string());
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  TemporaryDirectory directory_{"/tmp", "sandbox-test-"};
  ContainerSpec spec;
  Runtime runtime = find_runtime("");
};

}  // namespace dlc::sandbox
