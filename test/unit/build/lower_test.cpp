#include "build/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "build/git_url.h"

namespace dlc::build {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Lowers one Dockerfile against images that exist by rule: "missing" does not, "onbuild" has triggers.
struct Fixture {
  LowerOptions options;
  Graph graph;
  Diagnostics diagnostics;
  std::vector<std::string> asked;
  std::vector<std::string> triggers{"ENV FROM_TRIGGER=yes", "RUN echo triggered"};

  Fixture() {
    options.platform = options.build_platform = {.os = "linux", .architecture = "amd64", .variant = ""};
    options.context.local = {.name = "context", .entries = {{.source = "/src", .target = ""}}, .ignore = {}};
  }

  ImageTarget lowered(const std::string& text) {
    const auto file = dockerfile::parse(text, "Dockerfile", diagnostics);
    return lower(
        file, options,
        [this](const std::string& name, const oci::Platform& platform) {
          asked.push_back(name + " " + oci::to_string(platform));
          if (name.starts_with("missing")) {
            throw Error(ErrorKind::not_found, name + ": not found");
          }
          auto image = std::make_shared<ResolvedImage>();
          image->name = name;
          image->manifest_digest = codec::sha256(name);
          image->config.platform = {.os = "linux", .architecture = "amd64", .variant = ""};
          image->config.env = {kPath};
          image->config.cmd = {{"sh"}};
          image->config.history.push_back({.created = "2020-01-01T00:00:00Z",
                                           .created_by = "base",
                                           .author = "",
                                           .comment = "",
                                           .empty_layer = false});
          if (name == "onbuild") {
            image->config.on_build = triggers;
          }
          return std::shared_ptr<const ResolvedImage>(image);
        },
        graph, diagnostics);
  }

  std::string failure(const std::string& text, int line) {
    try {
      static_cast<void>(lowered(text));
      return "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.where().file, "Dockerfile");
      EXPECT_EQ(e.where().line, line) << e.message();
      EXPECT_THAT(e.excerpt(), HasSubstr(">>>"));
      return e.message();
    }
  }

  template <typename T>
  const T& op(VertexId id) {
    return std::get<T>(graph.at(id).op);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (VertexId id = 0; id < graph.size(); ++id) {
      names.push_back(graph.at(id).name);
    }
    return names;
  }

  [[nodiscard]] std::vector<std::string> rules() const {
    std::vector<std::string> rules;
    for (const auto& diagnostic : diagnostics.all()) {
      rules.push_back(diagnostic.rule);
    }
    return rules;
  }
};

std::vector<std::string> history(const ImageTarget& target) {
  std::vector<std::string> texts;
  for (std::size_t i = target.base_history; i < target.config.history.size(); ++i) {
    texts.push_back(target.config.history[i].created_by);
  }
  return texts;
}

TEST(Lower, NamesStepsAsBuildKitDoes) {
  Fixture f;
  static_cast<void>(f.lowered("FROM base AS one\nRUN a\nFROM one\nENV X=y\nWORKDIR /w\nRUN echo $X \"$X\" $UNSET\n"));
  EXPECT_THAT(f.names(), ElementsAre("[one 1/2] FROM base", "[one 2/2] RUN a", "[stage-1 1/2] WORKDIR /w",
                                     "[stage-1 2/2] RUN echo y \"y\" $UNSET"));
  Fixture single;
  static_cast<void>(single.lowered("FROM base\nrun a\n"));
  EXPECT_THAT(single.names(), ElementsAre("[1/2] FROM base", "[2/2] RUN a"));
}

TEST(Lower, HistoryHasBuildKitsTexts) {
  Fixture f;
  f.options.build_args = {{"V", "2"}};
  const auto target = f.lowered(
      "FROM base\nARG V=1 W\nENV A=$V\nLABEL l=\"x y\"\nRUN echo\nCOPY --chown=1 --chmod=0644 --link a b /d/\n"
      "ADD <<E /h\nx\nE\nWORKDIR /w\nWORKDIR /\nUSER u\nEXPOSE 80-81 53/UDP\nVOLUME /a /b\nSTOPSIGNAL SIGINT\n"
      "SHELL [\"/bin/sh\", \"-e\"]\nCMD x \"y\"\nENTRYPOINT [\"e\"]\nHEALTHCHECK --interval=90s CMD h\nONBUILD RUN x\n"
      "MAINTAINER m\n");
  EXPECT_THAT(history(target),
              ElementsAre("ARG V=2 W", "ENV A=2", "LABEL l=x y", "RUN |2 V=2 W= /bin/sh -c echo # buildkit",
                          "COPY --chown=1 --chmod=0644 a b /d/ # buildkit", "ADD <<E /h # buildkit", "WORKDIR /w",
                          "WORKDIR /", "USER u", "EXPOSE [53/udp 80/tcp 81/tcp]", "VOLUME [/a /b]", "STOPSIGNAL SIGINT",
                          "SHELL [/bin/sh -e]", "CMD [\"/bin/sh\" \"-e\" \"x \\\"y\\\"\"]", "ENTRYPOINT [\"e\"]",
                          "HEALTHCHECK {Test:[CMD-SHELL h] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s "
                          "Retries:0}",
                          "MAINTAINER m"));
  EXPECT_EQ(target.base_history, 1U);
  std::size_t layers = 0;
  for (const auto& entry : target.config.history) {
    layers += entry.empty_layer ? 0 : 1;
    EXPECT_TRUE(entry.created_by == "base" || entry.comment == "buildkit.dockerfile.v0");
  }
  EXPECT_EQ(layers, 5U);
  EXPECT_THAT(target.config.on_build, ElementsAre("RUN x"));
  EXPECT_EQ(target.config.author, "m");
}

TEST(Lower, VariablesHaveTheirScopes) {
  Fixture f;
  f.options.build_args = {{"G", "given"}, {"HTTP_PROXY", "http://p"}, {"UNDECLARED", "u"}};
  const auto target = f.lowered(
      "ARG G=default\nARG H=${G}2\nFROM base AS one\nARG G\nARG X=1 TARGETARCH HTTP_PROXY\nENV E=e\n"
      "FROM one\nRUN last\n");
  const auto& run = f.op<RunOp>(target.root);
  EXPECT_THAT(run.env, ElementsAre(kPath, "G=given", "X=1", "TARGETARCH=amd64", "HTTP_PROXY=http://p", "E=e"));
  EXPECT_THAT(run.proxy_env, ElementsAre("HTTP_PROXY=http://p", "http_proxy=http://p"));
  EXPECT_THAT(target.config.env, ElementsAre(kPath, "E=e"));
}

TEST(Lower, EnvSeesTheStateBeforeTheInstruction) {
  Fixture f;
  const auto target = f.lowered("FROM base\nENV a=1\nENV a=2 b=$a\nENV c=$a\nARG a=3\nRUN x\n");
  EXPECT_THAT(target.config.env, ElementsAre(kPath, "a=2", "b=1", "c=2"));
  EXPECT_THAT(f.op<RunOp>(target.root).env, Contains("a=3"));
}

TEST(Lower, OnlyWhatTheTargetNeedsIsLowered) {
  Fixture f;
  f.options.target = "B";
  const auto target = f.lowered(
      "FROM missing AS x\nRUN no\nFROM base AS a\nRUN a\nFROM base AS b\nCOPY --from=a /a /\nFROM b\nRUN c\n");
  EXPECT_THAT(f.asked, ElementsAre("base linux/amd64"));
  EXPECT_EQ(f.graph.at(target.root).name, "[b 2/2] COPY --from=a /a /");
}

TEST(Lower, StagesByNameIndexAndImage) {
  Fixture f;
  const auto target = f.lowered(
      "FROM base AS First\nRUN 1\nFROM scratch\nCOPY --from=FIRST /1 /a\nCOPY --from=0 /1 /b\nCOPY --from=other /x "
      "/c\n");
  const auto& last = f.graph.at(target.root);
  EXPECT_EQ(f.op<ImageOp>(last.inputs.at(1)).image->name, "other");
  const auto& second = f.graph.at(last.inputs.at(0));
  const auto& first = f.graph.at(second.inputs.at(0));
  EXPECT_EQ(first.inputs.at(1), second.inputs.at(1));
  EXPECT_TRUE(std::holds_alternative<ScratchOp>(f.graph.at(first.inputs.at(0)).op));
  EXPECT_THAT(target.config.env, ElementsAre(kPath));
}

TEST(Lower, StageErrors) {
  Fixture f;
  EXPECT_EQ(f.failure("FROM base AS me\nCOPY --from=me /x /y\n", 2), "circular dependency detected on stage: me");
  EXPECT_EQ(f.failure("FROM base AS a\nCOPY --from=b /x /y\nFROM a AS b\n", 3),
            "circular dependency detected on stage: a");
  EXPECT_EQ(f.failure("FROM base AS a\nCOPY --from=b /x /y\nFROM base AS b\nFROM a\n", 2),
            "cannot copy from stage \"b\", it needs to be defined before current stage \"a\"");
  EXPECT_EQ(f.failure("FROM base AS a\nRUN --mount=from=b,target=/m x\nFROM base AS b\nFROM a\n", 2),
            "cannot mount from stage \"b\" to \"/m\", stage needs to be defined before current command");
  EXPECT_THAT(f.failure("FROM base\nARG X=a\nCOPY --from=$X /x /y\n", 3),
              HasSubstr("variable expansion is not supported for --from"));
  EXPECT_EQ(f.failure("FROM base\nCOPY --from=7 /x /y\n", 2), "invalid stage index 7");
  EXPECT_EQ(f.failure("ARG X\nFROM ${X}\n", 2), "base name (${X}) should not be blank");
  EXPECT_EQ(f.failure("FROM --platform=$NOPE base\n", 1),
            "failed to parse platform $NOPE: empty platform value from expression $NOPE");
  EXPECT_EQ(f.failure("FROM missing\nRUN x\n", 1), "missing: not found");
  f.options.target = "biuld";
  try {  // no line of the file is to blame
    static_cast<void>(f.lowered("FROM base AS build\n"));
    ADD_FAILURE() << "an unknown target";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "target stage \"biuld\" could not be found (did you mean build?)");
    EXPECT_EQ(e.where().line, 0);
  }
}

TEST(Lower, TriggersRunFirstAndAreNotInherited) {
  Fixture f;
  const auto target = f.lowered("FROM onbuild\nRUN own $FROM_TRIGGER\n");
  EXPECT_THAT(f.names(), ElementsAre("[1/3] FROM onbuild", "[2/3] ONBUILD RUN echo triggered", "[3/3] RUN own yes"));
  EXPECT_THAT(target.config.on_build, IsEmpty());
  Fixture stages;
  const auto second = stages.lowered("FROM base AS a\nONBUILD RUN later\nFROM a AS b\nFROM b\nRUN x\n");
  EXPECT_THAT(stages.names(), ElementsAre("[a 1/1] FROM base", "[b 1/1] ONBUILD RUN later", "[stage-2 1/1] RUN x"));
  EXPECT_THAT(second.config.on_build, IsEmpty());
}

TEST(Lower, TriggersMayReadOtherStages) {
  Fixture f;
  f.triggers = {"COPY --from=tools /t /t"};
  const auto target = f.lowered("FROM base AS tools\nRUN make\nFROM onbuild\n");
  EXPECT_EQ(f.graph.at(f.graph.at(target.root).inputs.at(1)).name, "[tools 2/2] RUN make");
  f.triggers = {"FROM x"};
  EXPECT_EQ(f.failure("FROM onbuild\n", 1), "ONBUILD trigger of onbuild: FROM isn't allowed as an ONBUILD trigger");
}

TEST(Lower, RunFormsAndHeredocs) {
  Fixture f;
  const auto argv = [&f](const std::string& run) { return f.op<RunOp>(f.lowered("FROM base\n" + run).root).argv; };
  EXPECT_THAT(argv("RUN a  b\n"), ElementsAre("/bin/sh", "-c", "a  b"));
  EXPECT_THAT(argv("RUN [\"a\", \"$b\"]\n"), ElementsAre("a", "$b"));
  EXPECT_THAT(argv("SHELL [\"bash\", \"-c\"]\nRUN x\n"), ElementsAre("bash", "-c", "x"));
  EXPECT_THAT(argv("RUN <<E\na\nb\nE\n"), ElementsAre("/bin/sh", "-c", "a\nb\n"));
  EXPECT_THAT(argv("RUN <<-E\n\ta\nE\n"), ElementsAre("/bin/sh", "-c", "a\n"));
  EXPECT_THAT(argv("RUN cat <<-A && cat <<B\n\ta\nA\nb\nB\n"),
              ElementsAre("/bin/sh", "-c", "cat <<-A && cat <<B\n\ta\nA\nb\nB"));
  const auto target = f.lowered("FROM base\nRUN <<E\n#!/usr/bin/env python3\nprint(1)\nE\n");
  const auto& script = f.op<RunOp>(target.root);
  EXPECT_THAT(script.argv, ElementsAre("/bin/sh", "-c", "/dev/pipes/E"));
  EXPECT_EQ(script.inline_files.at(0).data, "#!/usr/bin/env python3\nprint(1)\n");
  EXPECT_EQ(f.graph.at(target.root).name, "[2/2] RUN <<E (#!/usr/bin/env python3...)");
}

TEST(Lower, Mounts) {
  Fixture f;
  const auto target = f.lowered(
      "FROM base AS s\nRUN s\nFROM base\nWORKDIR /w\nARG T=/t\n"
      "RUN --mount=target=in,source=../d,rw --mount=from=s,target=$T --mount=type=cache,target=/c/ "
      "--mount=type=cache,id=i,target=/d,sharing=private,uid=3 --mount=type=tmpfs,target=/tmp,size=1k "
      "--mount=type=secret,id=a/key --mount=type=secret,id=s,env=SECRET --mount=type=ssh "
      "--mount=type=ssh,id=x,required "
      "echo $SECRET\n");
  const auto& vertex = f.graph.at(target.root);
  const auto& mounts = f.op<RunOp>(target.root).mounts;
  ASSERT_EQ(mounts.size(), 9U);
  EXPECT_EQ(mounts[0].target, "/w/in");
  EXPECT_EQ(mounts[0].source, "d");
  EXPECT_TRUE(mounts[0].read_write);
  EXPECT_TRUE(std::holds_alternative<LocalOp>(f.graph.at(vertex.inputs.at(1)).op));
  EXPECT_EQ(mounts[1].target, "/t");
  EXPECT_EQ(f.graph.at(vertex.inputs.at(static_cast<std::size_t>(mounts[1].input))).name, "[s 2/2] RUN s");
  EXPECT_EQ(mounts[2].id, "/c");
  EXPECT_EQ(mounts[2].input, -1);
  EXPECT_EQ(mounts[3].id, "i");
  EXPECT_EQ(mounts[3].sharing, Mount::Sharing::private_);
  EXPECT_EQ(mounts[4].size, 1024U);
  EXPECT_EQ(mounts[5].target, "/run/secrets/key");
  EXPECT_TRUE(mounts[5].target_set);
  EXPECT_EQ(mounts[6].env, "SECRET");
  EXPECT_FALSE(mounts[6].target_set);
  EXPECT_EQ(mounts[7].id, "default");
  EXPECT_EQ(mounts[7].target, "/run/buildkit/ssh_agent.0");
  EXPECT_EQ(mounts[8].target, "/run/buildkit/ssh_agent.1");
  EXPECT_THAT(vertex.name, HasSubstr("echo ****"));
  EXPECT_EQ(f.failure("FROM base\nRUN --mount=target=/ x\n", 2), "invalid mount target \"/\"");
}

TEST(Lower, PrivilegesMustBeAllowed) {
  Fixture f;
  EXPECT_EQ(f.failure("FROM base\nRUN --security=insecure x\n", 2), "security.insecure is not allowed");
  f.options.allow_insecure = true;
  EXPECT_TRUE(f.op<RunOp>(f.lowered("FROM base\nRUN --security=insecure x\n").root).insecure);
  f.options.network = RunOp::Network::none;
  EXPECT_EQ(f.failure("FROM base\nRUN --network=host x\n", 2), "network.host is not allowed");
  f.options.allow_network_host = true;
  EXPECT_EQ(f.op<RunOp>(f.lowered("FROM base\nRUN --network=host x\n").root).network, RunOp::Network::host);
  EXPECT_EQ(f.op<RunOp>(f.lowered("FROM base\nRUN x\n").root).network, RunOp::Network::none);
  EXPECT_THAT(f.failure("FROM base\nRUN --device=a.b/c=d,colour=red x\n", 2), HasSubstr("unexpected key 'colour'"));
  EXPECT_EQ(f.failure("FROM base\nRUN --device=gpu,required=false true && x ${\nENV a=${x\n", 3),
            "failed to process \"${x\": syntax error: missing '}'");
}

TEST(Lower, CopySourcesAndDestination) {
  Fixture f;
  const auto copy = [&f](const std::string& line) {
    return f.op<CopyOp>(f.lowered("FROM base\nWORKDIR /w\n" + line).root);
  };
  const auto plain = copy("COPY ./a/../b /../c .\n");
  EXPECT_EQ(plain.sources.at(0).path, "b");
  EXPECT_EQ(plain.sources.at(1).path, "c");
  EXPECT_EQ(plain.sources.at(1).input, 1U);
  EXPECT_EQ(plain.dest, "/w");
  EXPECT_TRUE(plain.dest_is_directory);
  EXPECT_FALSE(plain.sources.at(0).unpack);
  EXPECT_EQ(copy("COPY a ../up\n").dest, "/up");
  EXPECT_FALSE(copy("COPY a b /many\n").dest_is_directory);
  EXPECT_EQ(copy("COPY --parents ./d/./s/*.txt /q/\n").sources.at(0).path, "d/./s/*.txt");
  EXPECT_TRUE(copy("ADD t.tar /x/\n").sources.at(0).unpack);
  EXPECT_FALSE(copy("ADD --unpack=false t.tar /x/\n").sources.at(0).unpack);
  const auto heredoc = copy("ENV V=val\nCOPY <<E <<\"F\" /h/\n$V \\$V '$V'\nE\n$V\nF\n");
  EXPECT_EQ(heredoc.inline_files.at(0).data, "val $V 'val'\n");
  EXPECT_EQ(heredoc.inline_files.at(1).data, "$V\n");
}

TEST(Lower, AddOfUrlsAndRepositories) {
  Fixture f;
  const std::string digest(64, 'a');
  const auto http = f.lowered("FROM base\nADD --checksum=sha256:" + digest + " https://h/p/f.tgz?x=1 /d/\n");
  const auto& file = f.op<HttpOp>(f.graph.at(http.root).inputs.at(1));
  EXPECT_EQ(file.filename, "f.tgz");
  EXPECT_EQ(file.checksum->hex(), digest);
  EXPECT_EQ(f.op<CopyOp>(http.root).sources.at(0).path, "f.tgz");
  EXPECT_FALSE(f.op<CopyOp>(http.root).sources.at(0).unpack);
  const auto git = f.lowered("FROM base\nADD --keep-git-dir https://h/r.git#v1:sub /d\n");
  const auto& repository = f.op<GitOp>(f.graph.at(git.root).inputs.at(1));
  EXPECT_EQ(repository.url, "https://h/r.git");
  EXPECT_EQ(repository.ref, "v1");
  EXPECT_EQ(repository.subdir, "sub");
  EXPECT_TRUE(repository.keep_git_dir);
  EXPECT_EQ(f.failure("FROM base\nCOPY https://h/f /d\n", 2), "source can't be a URL for COPY");
  EXPECT_EQ(f.failure("FROM base\nCOPY git@h:r.git /d\n", 2), "source can't be a git ref for COPY");
  EXPECT_EQ(f.failure("FROM base\nADD --checksum=sha256:x a /d\n", 2), "checksum requires HTTP(S) or Git sources");
  EXPECT_EQ(f.failure("FROM base\nADD --checksum=x https://h/a https://h/b /d/\n", 2),
            "checksum can't be specified for multiple sources");
  EXPECT_THAT(f.failure("FROM base\nCOPY --chmod=9x9 a /x\n", 2), HasSubstr("invalid chmod parameter"));
}

TEST(Lower, NamedContextsStandForStagesAndImages) {
  Fixture f;
  f.options.contexts["other"] = {
      .type = NamedContext::Type::local, .local = {.name = "other", .entries = {}, .ignore = {}}, .value = ""};
  f.options.contexts["base:latest"] = {.type = NamedContext::Type::image, .local = {}, .value = "replacement"};
  f.options.contexts["src"] = {.type = NamedContext::Type::git, .local = {}, .value = "https://h/r.git"};
  const auto target = f.lowered("FROM base\nCOPY --from=other f /x\nCOPY --from=src f /y\n");
  EXPECT_THAT(f.asked, ElementsAre("replacement linux/amd64"));
  EXPECT_EQ(f.op<GitOp>(f.graph.at(target.root).inputs.at(1)).url, "https://h/r.git");
  Fixture stage;
  stage.options.contexts["build"] = f.options.contexts["other"];
  const auto replaced = stage.lowered("FROM missing AS build\nRUN never\nFROM scratch\nCOPY --from=build a /\n");
  EXPECT_THAT(stage.asked, IsEmpty());
  EXPECT_EQ(replaced.config.history.size(), 1U);
}

TEST(Lower, EntrypointDropsAnInheritedCmdOnly) {
  Fixture f;
  EXPECT_EQ(f.lowered("FROM base\nENTRYPOINT [\"e\"]\n").config.cmd, std::nullopt);
  EXPECT_THAT(*f.lowered("FROM base\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n").config.cmd, ElementsAre("c"));
  EXPECT_EQ(f.lowered("FROM base\nCMD []\n").config.cmd, std::nullopt);
}

TEST(Lower, PortsAndSignals) {
  Fixture f;
  EXPECT_THAT(f.lowered("FROM base\nENV P=\"1 2\"\nEXPOSE $P 127.0.0.1:80:90/tcp 5-6/sctp\n").config.exposed_ports,
              ElementsAre("1/tcp", "2/tcp", "5/sctp", "6/sctp", "90/tcp"));
  EXPECT_EQ(f.failure("FROM base\nEXPOSE 99999\n", 2), "invalid containerPort: 99999");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE 80/foo\n", 2), "invalid port: \"80/foo\": invalid proto: foo");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE /tcp\n", 2), "invalid port: \"/tcp\": no port specified");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE 9-8\n", 2), "invalid containerPort: 9-8");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE x:80\n", 2), "invalid hostPort: x");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE h:1:80\n", 2), "invalid IP address: h");
  EXPECT_EQ(f.failure("FROM base\nEXPOSE 1-2:80-82\n", 2),
            "invalid ranges specified for container and host Ports: 80-82 and 1-2");
  for (const char* good : {"9", "SIGKILL", "usr1", "RTMIN+3", "SIGRTMAX-14"}) {
    EXPECT_EQ(f.lowered(std::string("FROM base\nSTOPSIGNAL ") + good + "\n").config.stop_signal, good);
  }
  for (const std::string bad : {"0", "NOPE", "RTMIN+16", "-1"}) {
    EXPECT_EQ(f.failure("FROM base\nSTOPSIGNAL " + bad + "\n", 2), "invalid signal: " + bad);
  }
}

TEST(Lower, OptionsReachTheSteps) {
  Fixture f;
  f.options.no_cache_stages = {"a"};
  f.options.epoch = 1000;
  f.options.epoch_in_run = true;
  f.options.labels = {{"l", "option"}};
  f.options.build_args = {{"BUILDKIT_SANDBOX_HOSTNAME", "h"}, {"BUILDKIT_CACHE_MOUNT_NS", "ns"}};
  const auto target = f.lowered("FROM base AS a\nRUN a\nFROM a\nLABEL l=file\nRUN --mount=type=cache,target=/c b\n");
  const auto& vertex = f.graph.at(target.root);
  EXPECT_FALSE(vertex.no_cache);
  EXPECT_TRUE(f.graph.at(vertex.inputs.at(0)).no_cache);
  EXPECT_EQ(vertex.epoch, 1000);
  EXPECT_THAT(f.op<RunOp>(target.root).env, Contains("SOURCE_DATE_EPOCH=1000"));
  EXPECT_EQ(f.op<RunOp>(target.root).hostname, "h");
  EXPECT_EQ(f.op<RunOp>(target.root).mounts.at(0).id, "ns//c");
  EXPECT_EQ(target.config.labels.at("l"), "option");
  EXPECT_EQ(vertex.where.line, 5);
  Fixture argument;
  const auto declared = argument.lowered("ARG SOURCE_DATE_EPOCH=5\nFROM base\nRUN x\n");
  EXPECT_EQ(argument.graph.at(declared.root).epoch, 5);
}

TEST(Lower, LintNeedsTheScopes) {
  Fixture f;
  static_cast<void>(f.lowered(
      "ARG TAG\nFROM --platform=$TARGETPLATFORM base:${TGA:-1}\nARG API_TOKEN\nENV a b\nCOPY $XX /x\nWORKDIR rel\n"
      "CMD x\nCMD y\nEXPOSE 80/TCP 1:2\nFROM base:$TAG\nFROM --platform=linux/arm64 base\nCOPY --from=0 a b\n"));
  EXPECT_THAT(f.rules(), ElementsAre("InvalidDefaultArgInFrom", "UndefinedArgInFrom", "RedundantTargetPlatform",
                                     "FromPlatformFlagConstDisallowed", "SecretsUsedInArgOrEnv", "LegacyKeyValueFormat",
                                     "UndefinedVar", "WorkdirRelativePath", "JSONArgsRecommended",
                                     "MultipleInstructionsDisallowed", "JSONArgsRecommended", "ExposeInvalidFormat",
                                     "ExposeProtoCasing", "InvalidBaseImagePlatform"));
  Fixture stage;
  static_cast<void>(stage.lowered("FROM base AS Up\nFROM --platform=linux/amd64 Up\n"));
  EXPECT_THAT(stage.rules(), testing::Not(Contains("InvalidDefaultArgInFrom")));
  Fixture ignored;
  ignored.options.context.local.ignore = {"*.log"};
  static_cast<void>(ignored.lowered("FROM base\nCOPY a.log b /d/\n"));
  EXPECT_THAT(ignored.rules(), ElementsAre("CopyIgnoredFile"));
  Fixture undeclared;
  static_cast<void>(undeclared.lowered("ARG VERSION=1\nFROM base:1$VERSOIN\n"));
  ASSERT_EQ(undeclared.diagnostics.all().size(), 1U);
  EXPECT_EQ(undeclared.diagnostics.all()[0].message, "FROM argument 'VERSOIN' is not declared (did you mean VERSION?)");
  Fixture fails;
  EXPECT_THROW(static_cast<void>(fails.lowered("# check=error=true\nFROM base\nWORKDIR x\n")), Error);
}

TEST(Graph, EqualStepsAreOneVertex) {
  Fixture f;
  const auto one = f.lowered("FROM base\nENV B=2 A=1\nRUN x\n");
  const auto size = f.graph.size();
  const auto two = f.lowered("FROM base AS other\nENV A=1\nENV B=2\nRUN x\n");
  EXPECT_EQ(one.root, two.root);
  EXPECT_EQ(f.graph.size(), size);
  f.options.build_args["http_proxy"] = "p";
  const auto proxied = f.lowered("FROM base\nENV B=2 A=1\nRUN x\n");
  EXPECT_NE(proxied.root, one.root);
  EXPECT_EQ(canonical_text(f.graph.at(proxied.root).op), canonical_text(f.graph.at(one.root).op));
  EXPECT_NE(f.lowered("FROM base\nENV A=2\nRUN x\n").root, one.root);
}

TEST(Graph, TextsOfDifferentOperationsDiffer) {
  const std::vector<Op> ops{ScratchOp{},
                            LocalOp{"context", {{"/a", ""}}, {"x"}},
                            LocalOp{"context", {{"/a", ""}}, {"y"}},
                            HttpOp{"u", "f", std::nullopt},
                            GitOp{.url = "u", .ref = "", .subdir = "", .checksum = ""},
                            GitOp{.url = "u", .ref = "", .subdir = "", .submodules = false, .checksum = ""},
                            MakeDirectoryOp{"/a", ""},
                            MakeDirectoryOp{"/", "a"},
                            CopyOp{}};
  std::set<std::string> texts;
  for (const auto& op : ops) {
    texts.insert(canonical_text(op));
  }
  EXPECT_EQ(texts.size(), ops.size());
}

TEST(GitUrl, FormsAndParameters) {
  const auto url =
      parse_git_url("https://u@h/a/b.git?tag=v1&subdir=%2fx/../y&keep-git-dir&submodules=false&commit=abc");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->remote, "https://u@h/a/b.git");
  EXPECT_EQ(url->ref, "refs/tags/v1");
  EXPECT_EQ(url->subdir, "y");
  EXPECT_EQ(url->keep_git_dir, true);
  EXPECT_EQ(url->submodules, false);
  EXPECT_EQ(url->checksum, "abc");
  EXPECT_EQ(parse_git_url("git@github.com:o/r.git#main:d")->ref, "main");
  EXPECT_EQ(parse_git_url("ssh://git@h:22/r?branch=b")->ref, "refs/heads/b");
  EXPECT_TRUE(parse_git_url("git://h/r").has_value());
  for (const char* other : {"a/b.git", "https://h/file.tgz", "./a@b:c", "user@h", "ftp://h/r.git", "https://h", ""}) {
    EXPECT_FALSE(parse_git_url(other).has_value()) << other;
  }
  for (const char* bad : {"git://h/r?what=1", "git://h/r?ref=", "git://h/r?ref=a&tag=b", "git://h/r?keep-git-dir=x",
                          "git://h/r?mtime=x"}) {
    EXPECT_THROW(static_cast<void>(parse_git_url(bad)), Error) << bad;
  }
  EXPECT_EQ(url_filename("https://h/a/b%20c?x#y"), "b c");
  EXPECT_EQ(url_filename("https://h"), "__unnamed__");
  EXPECT_EQ(url_filename("https://h/"), "__unnamed__");
  EXPECT_TRUE(is_http_url("http://h/x"));
  EXPECT_FALSE(is_http_url("http://h/x.git"));
}

}  // namespace
}  // namespace dlc::build
