#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "support/sample_image.h"
#include "verify/allowlist.h"
#include "verify/check_output.h"
#include "verify/image_rule.h"
#include "verify/secret_text.h"

namespace dlc::verify {
namespace {

using contents::test::SampleElf;
using contents::test::SampleImage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kSite = "usr/local/lib/python3.11/dist-packages/";

bool all_rules(const ImageRule& /*rule*/) {
  return true;
}

/// An image that no rule has anything against.
struct Case {
  Case() {
    config.platform.architecture = "amd64";
    for (const char* name : {"title", "description", "version", "licenses"}) {
      config.labels["org.opencontainers.image." + std::string(name)] = "x";
    }
    config.entrypoint = {"/usr/local/bin/start", "now"};
    config.env = {"PATH=/usr/local/bin:/usr/bin"};
    image.file("usr/local/bin/start", "#!/bin/sh\n", 0755);
    image.file("bin/sh", SampleElf{.needed = {"libc.so.6"}}.bytes(), 0755);
    image.file("usr/lib/x86_64-linux-gnu/libc.so.6", SampleElf().bytes(), 0755);
    image.directory("tmp").mode = 01777;
    image.file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n");
    image.file("var/lib/dpkg/info/a.list", "/.\n/usr/bin/su\n");
    image.file("usr/bin/su", "su", 04755);
    image.file("usr/share/doc/a/copyright", "MIT");
    package("one", "Requires-Dist: two[x] >=1\nRequires-Python: >=3.8\n");
    package("two", "Requires-Dist: three; extra == 'x'\nRequires-Dist: never; sys_platform == 'win32'\n");
    package("three", "");
  }
  void package(const std::string& name, const std::string& more) {
    image.file(kSite + name + "-1.0.dist-info/METADATA", "Name: " + name + "\nVersion: 1.0\nLicense: MIT\n" + more);
  }
  std::vector<Finding> check() {
    const auto tree = image.tree();
    auto subject = make_subject(tree, config, bytes, options);
    subject.growth = growth;
    subject.against_bytes = 100;
    return check_image(subject, all_rules);
  }

  SampleImage image;
  oci::ImageConfig config;
  std::vector<std::uint64_t> bytes{100};
  CheckOptions options;
  std::optional<Growth> growth;
};

std::string key_text() {
  return "-----BEGIN RSA " + std::string("PRIVATE KEY-----\n") + std::string(64, 'A') + "\n-----END";
}

struct Broken {
  const char* rule;
  const char* says;  ///< part of "path message"
  std::function<void(Case&)> breaks;
};

const std::vector<Broken>& broken_images() {
  static const std::vector<Broken> cases{
      {"DLC001", "one 1.0 requires two>=2, but 1.0 is installed",
       [](Case& c) { c.package("one", "Requires-Dist: two>=2\n"); }},
      {"DLC001", "four 1.0 requires gone, which is not installed",
       [](Case& c) { c.package("four", "Requires-Dist: gone\n"); }},
      {"DLC001", "five 1.0 requires missing, which is not installed",
       [](Case& c) {
         c.package("four", "Requires-Dist: five[all]\n");
         c.package("five", "Requires-Dist: missing; extra == \"all\"\n");
       }},
      {"DLC001", "requires python <3, this is 3.11", [](Case& c) { c.package("four", "Requires-Python: <3\n"); }},
      {"DLC001", "has a malformed requirement: !", [](Case& c) { c.package("four", "Requires-Dist: !\n"); }},
      {"DLC002", "/a/__pycache__/m.cpython-311.pyc is of another time or size",
       [](Case& c) {
         c.image.file("a/m.py", "x = 1\n").mtime = 7;
         c.image.file("a/__pycache__/m.cpython-311.pyc", std::string("\xa7\x0d\r\n\0\0\0\0\x08\0\0\0\x06\0\0\0", 16));
       }},
      {"DLC002", "its source /a/m.py is not there",
       [](Case& c) { c.image.file("a/__pycache__/m.cpython-311.pyc", std::string(16, 'x')); }},
      {"DLC002", "is of another source",
       [](Case& c) {
         c.image.file("a/m.py", "x = 1\n");
         c.image.file("a/__pycache__/m.cpython-311.pyc", std::string("\xa7\x0d\r\n\x03\0\0\0abcdefgh", 16));
       }},
      {"DLC003",
       "one 1.0 lists files that are not there (1 of them), such as /usr/local/lib/python3.11/dist-packages/gone.py",
       [](Case& c) {
         c.image.file(kSite + std::string("one-1.0.dist-info/RECORD"),
                      "gone.py,,\ntests/x.py,,\nx_test.py,,\nw64.exe,,\nx.cc,,\n");
       }},
      {"DLC004", "/opt/p needs libgone.so, which",
       [](Case& c) { c.image.file("opt/p", SampleElf{.needed = {"libgone.so"}}.bytes()); }},
      {"DLC004", "/opt/p its loader /lib64/ld.so is not there",
       [](Case& c) {
         SampleElf elf;
         elf.interpreter = "/lib64/ld.so";
         c.image.file("opt/p", elf.bytes());
       }},
      {"DLC004", "/opt/l.so is cut off: it has 100 bytes, and by its headers at least 232",
       [](Case& c) { c.image.file("opt/l.so", SampleElf().bytes().substr(0, 100)); }},
      {"DLC004", "/opt/l.so is cut off: it has 250 bytes, and by its headers at least 2",
       [](Case& c) { c.image.file("opt/l.so", SampleElf{.needed = {"libc.so.6"}}.bytes().substr(0, 250)); }},
      {"DLC004", "/usr/bin/p is a damaged program",
       [](Case& c) {
         c.image.file("usr/bin/p",
                      "\x7f"
                      "ELF\x07 nonsense",
                      0755);
       }},
      {"DLC004", "/usr/bin/p is a damaged program",
       [](Case& c) {
         auto bytes = SampleElf().bytes();
         bytes[54] = 1;  // e_phentsize
         c.image.file("usr/bin/p", bytes, 0755);
       }},
      {"DLC005", "/opt/p is for arm64, the image for amd64",
       [](Case& c) {
         SampleElf elf;
         elf.machine = 183;
         c.image.file("opt/p", elf.bytes());
       }},
      {"DLC006", "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11 the reference BLAS is used by /opt/numpy.so",
       [](Case& c) {
         c.image.file("opt/numpy.so", SampleElf{.needed = {"libblas.so.3"}}.bytes());
         c.image.link("usr/lib/x86_64-linux-gnu/libblas.so.3", "/etc/alternatives/libblas");
         c.image.link("etc/alternatives/libblas", "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11");
         c.image.file("usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11", SampleElf().bytes());
       }},
      {"DLC010", "/root/k holds a private key", [](Case& c) { c.image.file("root/k", key_text()); }},
      {"DLC010", "/etc/account.json holds a private key",
       [](Case& c) {
         c.image.file("etc/account.json", "{\"private_key\": \"-----BEGIN " + std::string("PRIVATE KEY-----\\nMIIE") +
                                              std::string(60, 'v') + "\\n" + std::string(64, 'q') +
                                              "\\n-----END\\n\"}\n");
       }},
      {"DLC011", "/root/x holds an AWS access key",
       [](Case& c) { c.image.file("root/x", "key = " + std::string("AKIA") + "ABCDEFGHIJKLMNOP\n"); }},
      {"DLC011", "/root/.netrc holds passwords",
       [](Case& c) { c.image.file("root/.netrc", "machine a login b password c\n"); }},
      {"DLC011", "/root/.docker/config.json holds passwords",
       [](Case& c) { c.image.file("root/.docker/config.json", R"({"auths": {"r": {"auth": "YTpi"}}})"); }},
      {"DLC011", "/root/.pypirc holds", [](Case& c) { c.image.file("root/.pypirc", "[pypi]\npassword = hunter22\n"); }},
      {"DLC011", "/root/.git-credentials holds",
       [](Case& c) { c.image.file("root/.git-credentials", "https://a:b@example.org\n"); }},
      {"DLC011", "/etc/pip.conf holds",
       [](Case& c) { c.image.file("etc/pip.conf", "[global]\nindex-url = https://a:b@example.org/simple\n"); }},
      {"DLC011", "the variable DB_PASSWORD holds", [](Case& c) { c.config.env.emplace_back("DB_PASSWORD=x"); }},
      {"DLC011", "the variable DB_PASS holds a secret", [](Case& c) { c.config.env.emplace_back("DB_PASS=x"); }},
      {"DLC011", "the variable DATABASE_URL holds a URL with a password",
       [](Case& c) { c.config.env.emplace_back("DATABASE_URL=postgres://u:hunter2@db:5432/x"); }},
      {"DLC011", "the history of a build step holds a URL with a password",
       [](Case& c) {
         oci::History step;
         step.created_by = "RUN pip install -i https://u:hunter2@example.org/simple x";
         c.config.history.push_back(step);
       }},
      {"DLC011", "/root/.npmrc holds an npm token",
       [](Case& c) {
         c.image.file("root/.npmrc", "_authToken=npm_" + std::string("a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8"));
       }},
      {"DLC011", "/srv/bot.py holds a Slack token",
       [](Case& c) {
         c.image.file("srv/bot.py",
                      "token = 'xoxb-" + std::string("123456789012-1234567890123-a1B2c3D4e5F6g7H8i9J0a1B2'"));
       }},
      {"DLC011", "the history of a build step holds",
       [](Case& c) {
         oci::History step;
         step.created_by = "RUN login " + std::string("ghp_") + "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8";
         c.config.history.push_back(step);
       }},
      {"DLC012", "/etc/ssh/ssh_host_rsa_key", [](Case& c) { c.image.file("etc/ssh/ssh_host_rsa_key", key_text()); }},
      {"DLC020", "/root/.bash_history", [](Case& c) { c.image.file("root/.bash_history", "ls\n"); }},
      {"DLC021", "/var/lib/apt/lists holds package lists of apt",
       [](Case& c) { c.image.file("var/lib/apt/lists/deb_Packages", "Package: x\n"); }},
      {"DLC021", "/root/.cache holds", [](Case& c) { c.image.file("root/.cache/pip/x", "wheel"); }},
      {"DLC021", "/home/u/.cache holds", [](Case& c) { c.image.file("home/u/.cache/pip/x", "wheel"); }},
      {"DLC022", "/tmp/x is a temporary file", [](Case& c) { c.image.file("tmp/x", ""); }},
      {"DLC022", "/etc/.hosts.swp is an editor", [](Case& c) { c.image.file("etc/.hosts.swp", "x"); }},
      {"DLC022", "/opt/core is a core dump",
       [](Case& c) {
         c.image.file("opt/core",
                      "\x7f"
                      "ELF\x02\x01\x01" +
                          std::string(9, '\0') + '\x04' + '\0');
       }},
      {"DLC023", "/opt/big and 0 other files of layer 1 are removed by layer 2: 1.5 MB",
       [](Case& c) {
         c.image.file("opt/big", std::string(1'500'000, 'x'));
         c.image.next_layer();
         c.image.file("opt/.wh.big", "");
       }},
      {"DLC030", "/opt/open everybody may write to it (mode 0777)",
       [](Case& c) { c.image.directory("opt/open").mode = 0777; }},
      {"DLC030", "/opt/file everybody", [](Case& c) { c.image.file("opt/file", "x", 0666); }},
      {"DLC031", "/opt/su runs with the rights", [](Case& c) { c.image.file("opt/su", "x", 02755); }},
      {"DLC031", "/opt/ping has file capabilities",
       [](Case& c) { c.image.file("opt/ping", "x", 0755).xattrs["security.capability"] = "x"; }},
      {"DLC032", "/opt/made who may list it may not enter it (mode 0644)",
       [](Case& c) { c.image.directory("opt/made").mode = 0644; }},
      {"DLC032", "/opt/mine who may list it may not enter it (mode 0600)",
       [](Case& c) { c.image.directory("opt/mine").mode = 0600; }},
      {"DLC040", "the label org.opencontainers.image.title is missing",
       [](Case& c) { c.config.labels["org.opencontainers.image.title"] = " "; }},
      {"DLC041", "the entrypoint is in shell form", [](Case& c) { c.config.entrypoint = {"/bin/sh", "-c", "start"}; }},
      {"DLC041", "the command is in shell form", [](Case& c) { c.config.cmd = {"/bin/sh", "-c", "start"}; }},
      {"DLC041", "starts gone, which is not in the image", [](Case& c) { c.config.entrypoint = {"gone"}; }},
      {"DLC041", "starts nothing", [](Case& c) { c.config.entrypoint.reset(); }},
      {"DLC041", "/opt/run the entrypoint starts it, but it may not be executed",
       [](Case& c) {
         c.image.file("opt/run", "x");
         c.config.entrypoint = {"/opt/run"};
       }},
      {"DLC041", "/opt/run its first line names /bin/gone",
       [](Case& c) {
         c.image.file("opt/run", "#!/bin/gone -x\n", 0755);
         c.config.entrypoint = {"/opt/run"};
       }},
      {"DLC041", "/opt/run its first line ends with \\r\\n",
       [](Case& c) {
         c.image.file("opt/run", "#!/bin/sh\r\necho\r\n", 0755);
         c.config.entrypoint = {"/opt/run"};
       }},
      {"DLC042", "the user app is not in /etc/passwd", [](Case& c) { c.config.user = "app"; }},
      {"DLC042", "the user is 1000, but SageMaker's",
       [](Case& c) {
         c.config.user = "1000";
         c.config.labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] = "true";
       }},
      {"DLC043", "PATH has an empty part", [](Case& c) { c.config.env = {"PATH=/usr/local/bin:"}; }},
      {"DLC043", "LD_LIBRARY_PATH has the relative directory lib",
       [](Case& c) { c.config.env.emplace_back("LD_LIBRARY_PATH=lib"); }},
      {"DLC044", "the Debian package b 2 comes without",
       [](Case& c) { c.image.file("var/lib/dpkg/status.d/b", "Package: b\nVersion: 2\nArchitecture: all\n"); }},
      {"DLC044", "the Python package four 1.0 neither",
       [](Case& c) { c.image.file(kSite + std::string("four-1.0.dist-info/METADATA"), "Name: four\nVersion: 1.0\n"); }},
      {"DLC050", "it has grown by 30 MiB, more than 20 %: /opt +30 MiB",
       [](Case& c) { c.growth = Growth{.bytes = 30 << 20, .paths = {{"/opt", 30U << 20, 0}}}; }},
      {"DLC051", "it is 10.1 GiB unpacked; SageMaker refuses",
       [](Case& c) {
         c.options.sagemaker = true;
         c.bytes = {10'800'000'000, 1};
       }},
      {"DLC051", "it has 128 layers", [](Case& c) { c.bytes.assign(128, 1); }},
  };
  return cases;
}

TEST(ImageRules, NothingAgainstACleanImage) {
  Case clean;
  for (const auto& finding : clean.check()) {
    ADD_FAILURE() << finding.rule << " " << finding.path << " " << finding.message;
  }
}

TEST(ImageRules, EachBrokenImageGetsItsFindingAndNoOther) {
  for (const auto& broken : broken_images()) {
    Case c;
    broken.breaks(c);
    const auto findings = c.check();
    ASSERT_EQ(findings.size(), 1U) << broken.rule << ": " << broken.says
                                   << (findings.empty()
                                           ? ""
                                           : "; also " + findings.back().message + " or " + findings.front().message);
    EXPECT_EQ(findings[0].rule, broken.rule);
    EXPECT_THAT(findings[0].path + " " + findings[0].message, HasSubstr(broken.says));
  }
}

TEST(ImageRules, APackageOfRequirementsAloneNeedsNoLicence) {
  Case c;
  const std::string place = kSite + std::string("meta-1.0.dist-info/");
  c.image.file(place + "METADATA", "Name: meta\nVersion: 1.0\nRequires-Dist: one\n");
  c.image.file(place + "RECORD", "meta-1.0.dist-info/METADATA,,\nmeta-1.0.dist-info/RECORD,,\n");
  EXPECT_TRUE(c.check().empty());
  c.image.file(place + "RECORD", "meta-1.0.dist-info/METADATA,,\nmeta.py,,\n");
  c.image.file(kSite + std::string("meta.py"), "");
  ASSERT_EQ(c.check().size(), 1U);
  EXPECT_EQ(c.check()[0].rule, std::string("DLC044"));
}

TEST(ImageRules, EachRuleHasABrokenImageAndALineInTheDocs) {
  std::ifstream in(std::string(DLC_SOURCE_DIR) + "/docs/image-check.md");
  const std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (const auto& rule : image_rules()) {
    const bool has_image =
        std::ranges::any_of(broken_images(), [&](const auto& c) { return rule.id == std::string(c.rule); });
    EXPECT_TRUE(has_image || rule.check == nullptr) << rule.id;
    const auto line = std::string("| ") + rule.id + " | `" + rule.name + "` | " +
                      (rule.severity == Severity::error ? "error" : "warning") + " | " + rule.title + " |";
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST(ImageRules, WhatNobodyStartsNeedNotBeWhole) {
  Case c;
  const auto cut = SampleElf().bytes().substr(0, 100);
  c.image.file("usr/lib/debug/.build-id/ab/cd.debug", cut);
  c.image.file("opt/x.debug", cut);
  c.image.file("opt/start-of-one",
               "\x7f"
               "ELF");  // test data of tools
  c.image.file("usr/bin/notes",
               "\x7f"
               "ELF is a format",
               0644);
  auto other = SampleElf();
  other.machine = 183;
  c.image.file("srv/arm.so", other.bytes().substr(0, 100));
  auto object = cut;
  object[16] = 1;  // ET_REL
  c.image.file("opt/x.o", object);
  for (const auto& finding : c.check()) {
    ADD_FAILURE() << finding.rule << " " << finding.path << " " << finding.message;
  }
}

TEST(SecretText, WhatOnlyLooksLikeOneIsNone) {
  EXPECT_FALSE(
      has_private_key("s = '-----BEGIN "
                      "PRIVATE KEY-----\\n' + base64_of_something_that_is_long_enough_to_be_one + '\\n-----END'\n"));
  EXPECT_FALSE(
      has_private_key("{\"private_key\": \"-----BEGIN "
                      "PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----\\n\"}\n"));
  EXPECT_FALSE(
      has_private_key("if text.startswith('-----BEGIN RSA "
                      "PRIVATE KEY-----'):\n    pass\n"));
  EXPECT_EQ(access_key_in("AKIA"
                          "IOSFODNN7EXAMPLE"),
            "");
  EXPECT_EQ(access_key_in("xAKIA"
                          "ABCDEFGHIJKLMNOP"),
            "");
  EXPECT_EQ(access_key_in("AKIA"
                          "ABCDEFGHIJKLMNOPQ"),
            "");
  EXPECT_EQ(access_key_in("xoxb-"
                          "xxxxxxxxxxxx-xxxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx"),
            "");
  EXPECT_EQ(access_key_in("npm_"
                          "config_cache_for_this_project_is_here_ok"),
            "");
  for (const char* text :
       {"https://example.org/a:b@c", "https://user@example.org", "https://u:@h", "https://$U:$P@h", "https://u:${P}@h",
        "https://u:<password>@h", "git+ssh://git@h:22/x", "http://h:80/x y:z@a"}) {
    EXPECT_FALSE(has_url_password(text)) << text;
  }
  EXPECT_EQ(access_key_in("(AKIA"
                          "ABCDEFGHIJKLMNOP)"),
            "an AWS access key");
}

// --- exceptions

std::vector<Finding> two_findings() {
  return {{.rule = "DLC010", .severity = Severity::error, .path = "/a/k", .message = "m", .allowed = {}},
          {.rule = "DLC040", .severity = Severity::error, .path = {}, .message = "m", .allowed = {}}};
}

std::vector<std::string> rules_after(const std::string& allowlist, std::size_t most = 5) {
  auto findings = two_findings();
  apply_allowlist(findings, parse_allowlist(allowlist, "a.toml"), "app:1", "2026-06-30", most, all_rules);
  std::vector<std::string> result;
  for (const auto& finding : findings) {
    result.push_back(finding.rule + (finding.allowed.empty() ? "" : " " + finding.allowed));
  }
  return result;
}

std::string exception(const std::string& rule, const std::string& path, const std::string& expires,
                      const std::string& more = "") {
  return "[[allow]]\nrule = \"" + rule + "\"\n" + (path.empty() ? "" : "path = \"" + path + "\"\n") +
         "reason = \"why\"\nexpires = \"" + expires + "\"\n" + more;
}

TEST(Allowlist, CoversByRuleAndPath) {
  EXPECT_THAT(rules_after(exception("private-key", "/a/**", "2026-06-30")), ElementsAre("DLC010 why", "DLC040"));
  EXPECT_THAT(rules_after(exception("DLC040", "", "2027-01-01")), ElementsAre("DLC010", "DLC040 why"));
}

TEST(Allowlist, AnExpiredOrUnusedExceptionIsAFinding) {
  EXPECT_THAT(rules_after(exception("DLC010", "/a/*", "2026-06-29")), ElementsAre("DLC010", "DLC040", "DLC090"));
  EXPECT_THAT(rules_after(exception("DLC010", "/b/*", "2027-01-01")), ElementsAre("DLC010", "DLC040", "DLC091"));
  EXPECT_THAT(rules_after(exception("DLC010", "/b/*", "2027-01-01", "image = \"other:*\"\n")),
              ElementsAre("DLC010", "DLC040"));
}

TEST(Allowlist, ManyExceptionsAreAFinding) {
  EXPECT_THAT(rules_after(exception("DLC010", "/a/*", "2027-01-01"), 0), ElementsAre("DLC010 why", "DLC040", "DLC092"));
}

TEST(Allowlist, MistakesAreNamedWithTheirPlace) {
  const auto message_of = [](const std::string& text) {
    try {
      (void)parse_allowlist(text, "a.toml");
    } catch (const Error& error) {
      return error.where().file + ":" + std::to_string(error.where().line) + ": " + error.message();
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message_of(exception("DLC999", "/a", "2027-01-01")), "a.toml:2: no rule DLC999");
  EXPECT_EQ(message_of(exception("DLC010", "/a", "2027-02-30")),
            "a.toml:5: expires must be a date such as \"2027-01-31\"");
  EXPECT_EQ(message_of(exception("DLC010", "/a", "2027-01-01", "why = \"x\"\n")), "a.toml:6: unknown key why");
  EXPECT_EQ(message_of("[[allow]]\nrule = \"DLC010\"\nreason = \" \t\"\nexpires = \"2027-01-01\"\n"),
            "a.toml:3: reason must be a text in quotes, and not blank");
  EXPECT_EQ(message_of("[[allow]]\nrule = \"DLC010\"\nexpires = \"2027-01-01\"\n"),
            "a.toml:1: the exception has no reason");
}

// --- output

TEST(CheckOutput, CountsWhatIsNotAllowedAndPrintsAtMostSoMany) {
  CheckedImage image;
  image.name = "app:1";
  for (const char* path : {"/1", "/2", "/3"}) {
    image.findings.push_back(
        {.rule = "DLC010", .severity = Severity::error, .path = path, .message = "m", .allowed = {}});
  }
  image.findings[0].allowed = "known";
  EXPECT_EQ(
      check_text(image, 1, false),
      "app:1\n  DLC010 error private-key: no private key is in a file\n    /1: m\n      allowed: known\n    /2: m\n"
      "    … and 1 more (--limit 0 shows all)\n  2 errors, 0 warnings, 1 allowed; 0.0 MiB\n");
  EXPECT_THAT(check_json({image}), HasSubstr("\"errors\": 2"));
  EXPECT_THAT(check_sarif({image}, "1"), HasSubstr("\"justification\": \"known\""));
}

TEST(CheckOutput, SarifsPathsAreUriReferences) {
  CheckedImage image;
  for (const char* path : {"/opt/a b/x#y?z%20", "/a:b/c:d", "/\xff\xC3\xBC"}) {
    image.findings.push_back(
        {.rule = "DLC010", .severity = Severity::error, .path = path, .message = "m", .allowed = {}});
  }
  const auto text = check_sarif({image}, "1");
  EXPECT_THAT(text, HasSubstr("\"uri\": \"opt/a%20b/x%23y%3Fz%2520\""));
  EXPECT_THAT(text, HasSubstr("\"uri\": \"a%3Ab/c:d\""));
  EXPECT_THAT(text, HasSubstr("\"uri\": \"%FF%C3%BC\""));
}

TEST(CheckOutput, AnImageCannotForgeLinesOrSteerTheTerminal) {
  CheckedImage image;
  image.name = "app:1";
  image.findings.push_back({.rule = "DLC022",
                            .severity = Severity::warning,
                            .path = "/opt/nl\nname: DLC999 error fake\n 0 errors~",
                            .message = "is \x1b[31m\x07\xff",
                            .allowed = "a\nb"});
  image.layers = {{1, 5, "RUN \x1b]0;pwned\x07"}};
  image.paths = {{"/a\x9b", 1, 0}};
  image.packages = {{"python a\r 1", 1, 0}};
  const auto text = check_text(image, 10, true);
  EXPECT_THAT(text, HasSubstr("    /opt/nl\\nname: DLC999 error fake\\n 0 errors~: is \\x1b[31m\\x07\\xff\n"));
  EXPECT_THAT(text, HasSubstr("      allowed: a\\nb\n"));
  EXPECT_THAT(text, HasSubstr("RUN \\x1b]0;pwned\\x07\n"));
  EXPECT_THAT(text, HasSubstr("/a\\x9b\n"));
  EXPECT_THAT(text, HasSubstr("python a\\r 1\n"));
  // JSON is exact; what no JSON can hold is replaced.
  EXPECT_THAT(check_json({image}), HasSubstr(R"(/opt/nl\nname: DLC999 error fake\n 0 errors~)"));
  EXPECT_THAT(check_json({image}), HasSubstr("is \\u001b[31m\\u0007\xEF\xBF\xBD"));
}

}  // namespace
}  // namespace dlc::verify
