#include <gtest/gtest.h>

#include "base/files.h"
#include "cli/doctor_checks.h"

namespace dlc::cli::doctor {
namespace {

constexpr std::uint64_t kGiB = 1U << 30;

/// Everything but what is well comes with a remedy.
Health health_of(const Finding& finding) {
  EXPECT_FALSE(finding.check.empty());
  EXPECT_FALSE(finding.text.empty());
  EXPECT_EQ(finding.remedy.empty(), finding.health == Health::good) << finding.text;
  return finding.health;
}

TEST(DoctorTest, Kernel) {
  Kernel kernel{"6.1.0-18-amd64", "nodev\tsysfs\nnodev\toverlay\n\text4\n", 1000, false, false};
  EXPECT_EQ(health_of(judge(kernel)), Health::good);
  EXPECT_EQ(judge(kernel).text, "kernel 6.1, overlay, user namespaces");
  kernel.user_namespaces = 0;
  EXPECT_EQ(health_of(judge(kernel)), Health::bad);
  kernel.root = true;
  EXPECT_EQ(health_of(judge(kernel)), Health::good);
  kernel.filesystems = "nodev\tsysfs\n";
  EXPECT_EQ(health_of(judge(kernel)), Health::warning);
  kernel.overlay_module = true;
  EXPECT_EQ(health_of(judge(kernel)), Health::good);
  for (const char* release : {"4.19.0", "5.11.22", ""}) {
    kernel.release = release;
    EXPECT_EQ(health_of(judge(kernel)), Health::bad) << release;
  }
  kernel.release = "5.12.0";
  EXPECT_EQ(health_of(judge(kernel)), Health::good);
}

TEST(DoctorTest, Runtimes) {
  Runtimes runtimes{{{"crun", "1.8.1"}, {"runc", ""}}, "", Cgroups::hybrid};
  EXPECT_EQ(health_of(judge(runtimes)), Health::good);
  EXPECT_EQ(judge(runtimes).text, "crun 1.8.1 (cgroups: hybrid; run in a private view)");
  runtimes.wanted = "crun";
  EXPECT_EQ(health_of(judge(runtimes)), Health::good);
  runtimes.wanted = "runc";
  EXPECT_EQ(health_of(judge(runtimes)), Health::bad);
  runtimes.wanted = "";
  for (const Cgroups cgroups : {Cgroups::legacy, Cgroups::unified}) {
    runtimes.cgroups = cgroups;
    EXPECT_EQ(health_of(judge(runtimes)), Health::good);
  }
  runtimes.cgroups = Cgroups::none;
  EXPECT_EQ(health_of(judge(runtimes)), Health::warning);
  runtimes.programs = {{"crun", ""}, {"runc", ""}};
  EXPECT_EQ(health_of(judge(runtimes)), Health::bad);
}

TEST(DoctorTest, Store) {
  StoreSpace space{"/store", 50 * kGiB, 1'000'000, true, "ext4", true};
  EXPECT_EQ(health_of(judge(space)), Health::good);
  const auto changed = [&](auto change) {
    StoreSpace other = space;
    change(other);
    return health_of(judge(other));
  };
  EXPECT_EQ(changed([](StoreSpace& s) { s.free = 5 * kGiB; }), Health::warning);
  EXPECT_EQ(changed([](StoreSpace& s) { s.free = kGiB; }), Health::bad);
  EXPECT_EQ(changed([](StoreSpace& s) { s.inodes = 10; }), Health::bad);
  EXPECT_EQ(changed([](StoreSpace& s) { s.inodes = 0, s.counts_inodes = false; }), Health::good);
  EXPECT_EQ(changed([](StoreSpace& s) { s.filesystem = "nfs"; }), Health::bad);
  EXPECT_EQ(changed([](StoreSpace& s) { s.filesystem = "overlay"; }), Health::warning);
  EXPECT_EQ(changed([](StoreSpace& s) { s.copies = true; }), Health::warning);
  EXPECT_EQ(changed([](StoreSpace& s) { s.writable = false; }), Health::bad);
}

TEST(DoctorTest, AnOrdinaryUserIsToldWhatIsMissing) {
  EXPECT_EQ(health_of(judge(Users{})), Health::good);
  EXPECT_EQ(health_of(judge(Users{.root = false, .obstacle = "", .remedy = ""})), Health::good);
  EXPECT_EQ(health_of(judge(Users{.root = false, .obstacle = "no ids", .remedy = "usermod"})), Health::bad);
}

TEST(DoctorTest, LooksAtTheStoreWithoutMakingIt) {
  const TemporaryDirectory directory("/tmp", "dlc-doctor-");
  const auto place = directory.path() / "not" / "there";
  EXPECT_GT(look_at_store(place).free, 0U);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "not"));
}

TEST(DoctorTest, Memory) {
  const Memory memory = parse_meminfo("MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n");
  EXPECT_EQ(memory.total, 24'000'000ULL * 1024);
  EXPECT_EQ(memory.available, 20'000'000ULL * 1024);
  EXPECT_EQ(health_of(judge(memory)), Health::good);
  EXPECT_EQ(health_of(judge(Memory{kGiB, 8 * kGiB})), Health::warning);
  EXPECT_EQ(health_of(judge(Memory{kGiB / 8, 8 * kGiB})), Health::bad);
  EXPECT_EQ(health_of(judge(parse_meminfo("nothing known"))), Health::warning);
}

TEST(DoctorTest, LimitsAndTools) {
  EXPECT_EQ(health_of(judge(Limits{20'000, ~std::uint64_t{0}})), Health::good);
  EXPECT_NE(judge(Limits{20'000, ~std::uint64_t{0}}).text.find("unlimited"), std::string::npos);
  EXPECT_EQ(health_of(judge(Limits{2000, 5000})), Health::warning);
  EXPECT_EQ(health_of(judge(Limits{256, 5000})), Health::bad);
  EXPECT_EQ(health_of(judge(Limits{20'000, 100})), Health::bad);
  EXPECT_EQ(health_of(judge(Tools{})), Health::good);
  EXPECT_EQ(judge(Tools{{"git", "mmdebstrap"}}).remedy, "apt-get install git mmdebstrap");
}

TEST(DoctorTest, Servers) {
  Server server{"pypi", "PyPI", "https://me:secret@pypi.example/simple/pip/", std::chrono::milliseconds(12), 200, "",
                "",     false};
  EXPECT_EQ(health_of(judge(server)), Health::good);
  EXPECT_EQ(judge(server).text, "PyPI reachable (pypi.example, 12 ms)");
  server.intercepted = true;
  EXPECT_EQ(health_of(judge(server)), Health::warning);
  EXPECT_NE(judge(server).remedy.find("--host-certs"), std::string::npos);
  server.status = 404;
  EXPECT_EQ(health_of(judge(server)), Health::bad);
  EXPECT_EQ(judge(server).text.find("secret"), std::string::npos);
  server.error = "cannot connect";
  EXPECT_EQ(health_of(judge(server)), Health::bad);
  server.hint = "do this";
  EXPECT_EQ(judge(server).remedy, "do this");
}

TEST(DoctorTest, Authorities) {
  const TemporaryDirectory directory("/tmp", "dlc-doctor-");
  EXPECT_TRUE(host_authorities(directory.path()).empty());
  EXPECT_TRUE(host_authorities(directory.path() / "missing").empty());
  EXPECT_FALSE(judge_authorities({}));
  write_file_atomically(directory.path() / "b.crt", "");
  write_file_atomically(directory.path() / "a.crt", "");
  write_file_atomically(directory.path() / "readme", "");
  const auto names = host_authorities(directory.path());
  EXPECT_EQ(names, (std::vector<std::string>{"a.crt", "b.crt"}));
  EXPECT_EQ(health_of(*judge_authorities(names)), Health::warning);
}

}  // namespace
}  // namespace dlc::cli::doctor
