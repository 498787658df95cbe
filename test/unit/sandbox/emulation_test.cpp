#include "sandbox/emulation.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace dlc::sandbox {
namespace {

using State = Emulation::State;

const oci::Platform kAmd64{.os = "linux", .architecture = "amd64", .variant = {}};

class EmulationTest : public testing::Test {
 protected:
  void entry(const std::string& name, const std::string& text) const {
    write_file_atomically(directory_.path() / name, text);
  }
  [[nodiscard]] Emulation find(const std::string& platform) const {
    return find_emulation(oci::parse_platform(platform), kAmd64, directory_.path());
  }
  const TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "binfmt-"};
};

// As the kernel shows what Debian's qemu-user-static registers.
constexpr const char* kAarch64 =
    "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n"
    "magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

TEST_F(EmulationTest, TheMachineRunsItsOwn) {
  EXPECT_EQ(find("linux/amd64").state, State::native);
  EXPECT_EQ(find("linux/amd64/v3").state, State::native);
  EXPECT_EQ(find("linux/386").state, State::native);
}

TEST_F(EmulationTest, NothingRegistered) {
  EXPECT_EQ(find("linux/arm64").state, State::missing);
  EXPECT_EQ(find("windows/amd64").state, State::missing);
  EXPECT_EQ(find_emulation(oci::parse_platform("linux/arm64"), kAmd64, "/nowhere").state, State::missing);
}

TEST_F(EmulationTest, AnEntryIsFoundByWhatItTakes) {
  entry("some-name", kAarch64);
  EXPECT_EQ(find("linux/arm64").state, State::emulated);
  EXPECT_EQ(find("linux/arm64").interpreter, "/usr/libexec/qemu-binfmt/aarch64-binfmt-P");
  EXPECT_EQ(find("linux/arm/v7").state, State::missing);
  EXPECT_EQ(find("linux/riscv64").state, State::missing);
}

TEST_F(EmulationTest, WithoutTheFlagTheInterpreterMustBeInTheImage) {
  auto text = std::string(kAarch64);
  text.replace(text.find("POCF"), 4, "");
  entry("qemu-aarch64", text);
  EXPECT_EQ(find("linux/arm64").state, State::needs_file);
}

TEST_F(EmulationTest, ADisabledEntryIsNone) {
  auto text = std::string(kAarch64);
  text.replace(0, 7, "disabled");
  entry("qemu-aarch64", text);
  EXPECT_EQ(find("linux/arm64").state, State::missing);
}

}  // namespace
}  // namespace dlc::sandbox
