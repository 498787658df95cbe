#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dockerfile/dockerfile.h"
#include "dockerfile/duration.h"
#include "dockerfile/mount.h"

namespace dlc::dockerfile {
namespace {

Dockerfile parsed(const std::string& instructions) {
  Diagnostics diagnostics;
  return parse("FROM base\n" + instructions + "\n", "Dockerfile", diagnostics);
}

template <typename T>
T only(const std::string& instruction) {
  return std::get<T>(parsed(instruction).stages.at(0).instructions.at(0).body);
}

std::string failure(const std::string& instruction) {
  try {
    static_cast<void>(parsed(instruction));
    return "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid);
    EXPECT_EQ(e.where().line, 2);
    EXPECT_THAT(e.excerpt(), testing::HasSubstr("   2 | >>>"));
    const std::string prefix = "dockerfile parse error on line 2: ";
    EXPECT_TRUE(e.message().starts_with(prefix)) << e.message();
    return e.message().substr(prefix.size());
  }
}

TEST(Instruction, StagesAndGlobalArguments) {
  Diagnostics diagnostics;
  const auto file =
      parse("# syntax=x\nARG A=1\nFROM --platform=$P a AS Build\nRUN x\nFROM b\n", "Dockerfile", diagnostics);
  EXPECT_EQ(file.syntax, "x");
  ASSERT_EQ(file.global_args.size(), 1U);
  ASSERT_EQ(file.stages.size(), 2U);
  EXPECT_EQ(file.stages[0].from.platform, "$P");
  EXPECT_EQ(file.stages[0].from.name, "build");
  EXPECT_EQ(file.stages[0].from.name_text, "Build");
  EXPECT_EQ(file.stages[1].node.lines.first, 5);
  EXPECT_THROW(static_cast<void>(parse("ARG A\n", "D", diagnostics)), Error);
  EXPECT_THROW(static_cast<void>(parse("RUN x\nFROM a\n", "D", diagnostics)), Error);
}

TEST(Instruction, Copy) {
  const auto copy = only<Copy>(
      "COPY --from=a --chown=b --chmod=c --link --parents=true --exclude=x --exclude=y <<E one two /d\nt\nE");
  EXPECT_FALSE(copy.is_add);
  EXPECT_EQ(copy.from, "a");
  EXPECT_EQ(copy.chown, "b");
  EXPECT_EQ(copy.chmod, "c");
  EXPECT_TRUE(copy.link);
  EXPECT_TRUE(copy.parents);
  EXPECT_THAT(copy.excludes, testing::ElementsAre("x", "y"));
  EXPECT_THAT(copy.sources, testing::ElementsAre("one", "two"));
  EXPECT_EQ(copy.dest, "/d");
  ASSERT_EQ(copy.contents.size(), 1U);
  EXPECT_EQ(copy.contents[0].data, "t\n");
  const auto add = only<Copy>("ADD --checksum=s --keep-git-dir --unpack=FALSE a /b");
  EXPECT_TRUE(add.is_add);
  EXPECT_EQ(add.checksum, "s");
  EXPECT_EQ(add.keep_git_dir, true);
  EXPECT_EQ(add.unpack, false);
  EXPECT_THAT(only<Copy>("COPY [\"a b\", \"/c d\"]").sources, testing::ElementsAre("a b"));
}

TEST(Instruction, Run) {
  const auto run =
      only<dockerfile::Run>("RUN --mount=type=tmpfs,target=/t --network=none --security=insecure --device=d echo  x");
  EXPECT_THAT(run.command.args, testing::ElementsAre("echo  x"));
  EXPECT_FALSE(run.command.exec);
  EXPECT_THAT(run.mounts, testing::ElementsAre("type=tmpfs,target=/t"));
  EXPECT_EQ(run.network, "none");
  EXPECT_EQ(run.security, "insecure");
  EXPECT_THAT(run.devices, testing::ElementsAre("d"));
  EXPECT_TRUE(only<dockerfile::Run>("RUN [\"a\", \"b\"]").command.exec);
  EXPECT_EQ(only<dockerfile::Run>("RUN <<-E\n\t\ta\n\tE").command.heredocs.at(0).data, "a\n");
}

TEST(Instruction, Metadata) {
  EXPECT_EQ(only<Env>("ENV a b  c").values.at(0).value, "b  c");
  EXPECT_TRUE(only<Env>("ENV a b").values.at(0).legacy);
  EXPECT_EQ(only<Label>("LABEL a=b").values.at(0).key, "a");
  const auto arg = only<Arg>("ARG a b=c d=");
  ASSERT_EQ(arg.args.size(), 3U);
  EXPECT_EQ(arg.args[0].value, std::nullopt);
  EXPECT_EQ(arg.args[2].value, "");
  EXPECT_THAT(only<Expose>("EXPOSE 90 80").ports, testing::ElementsAre("80", "90"));
  EXPECT_THAT(only<Volume>("VOLUME [\"/a \", \"/b\"]").paths, testing::ElementsAre("/a", "/b"));
  EXPECT_EQ(only<User>("USER a b").user, "a b");
  EXPECT_EQ(only<Workdir>("WORKDIR /x").path, "/x");
  EXPECT_EQ(only<StopSignal>("STOPSIGNAL 9").signal, "9");
  EXPECT_THAT(only<Shell>("SHELL [\"a\", \"-c\"]").argv, testing::ElementsAre("a", "-c"));
  EXPECT_EQ(only<Maintainer>("MAINTAINER A <b>").name, "A <b>");
  EXPECT_EQ(only<OnBuild>("ONBUILD   run x \\\n y").trigger, "run x  y");
  EXPECT_EQ(only<OnBuild>("ONBUILD RUN <<E\na\nE").trigger, "RUN <<E\na\nE");
  EXPECT_THAT(only<Entrypoint>("ENTRYPOINT [\"a\"]").command.args, testing::ElementsAre("a"));
}

TEST(Instruction, HealthCheck) {
  const auto test = only<HealthCheckTest>(
      "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=5s --start-interval=0 --retries=7 CMD x y");
  EXPECT_EQ(test.interval_ns, 90'000'000'000);
  EXPECT_EQ(test.timeout_ns, 500'000'000);
  EXPECT_EQ(test.start_period_ns, 5'000'000'000);
  EXPECT_EQ(test.retries, 7);
  EXPECT_THAT(test.command.args, testing::ElementsAre("x y"));
  EXPECT_TRUE(only<HealthCheckTest>("HEALTHCHECK none").none);
  EXPECT_EQ(failure("HEALTHCHECK NONE x"), "HEALTHCHECK NONE takes no arguments");
  EXPECT_EQ(failure("HEALTHCHECK CMD"), "Missing command after HEALTHCHECK CMD");
  EXPECT_EQ(failure("HEALTHCHECK RUN x"), "Unknown type \"RUN\" in HEALTHCHECK (try CMD)");
  EXPECT_EQ(failure("HEALTHCHECK --interval=x CMD a"), "time: invalid duration \"x\"");
  EXPECT_EQ(failure("HEALTHCHECK --interval=1us CMD a"), "Interval \"interval\" cannot be less than 1ms");
  EXPECT_EQ(failure("HEALTHCHECK --retries=-1 CMD a"), "--retries cannot be negative (-1)");
  EXPECT_EQ(failure("HEALTHCHECK --retries=x CMD a"), "--retries is not a number: \"x\"");
}

TEST(Instruction, Errors) {
  EXPECT_EQ(failure("RUNN x"), "unknown instruction: RUNN (did you mean RUN?)");
  EXPECT_EQ(failure("FROBNICATE x"), "unknown instruction: FROBNICATE");
  EXPECT_EQ(failure("FROM a b"), "FROM requires either one or three arguments");
  EXPECT_EQ(failure("FROM"), "FROM requires either one or three arguments");
  EXPECT_EQ(failure("FROM a AS 1b"),
            "invalid name for build stage: \"1b\", name can't start with a number or contain symbols");
  EXPECT_EQ(failure("COPY a"),
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined");
  EXPECT_EQ(failure("COPY --form=a b c"), "unknown flag: --form (did you mean from?)");
  EXPECT_EQ(failure("COPY --from b c"), "missing a value on flag: --from");
  EXPECT_EQ(failure("COPY --link= b c"), "missing a value on flag: --link");
  EXPECT_EQ(failure("COPY --link=maybe b c"), "expecting boolean value for flag --link, not: maybe");
  EXPECT_EQ(failure("COPY --from=a --from=b c d"), "duplicate flag specified: --from");
  EXPECT_EQ(failure("COPY a <<E\nE"), "COPY cannot accept a heredoc as a destination");
  EXPECT_EQ(failure("ENV"), "ENV requires at least one argument");
  EXPECT_EQ(failure("ENV =x"), "ENV names can not be blank");
  EXPECT_EQ(failure("ARG =x"), "ARG names can not be blank");
  EXPECT_EQ(failure("WORKDIR"), "WORKDIR requires exactly one argument");
  EXPECT_EQ(failure("SHELL a b"), "SHELL requires the arguments to be in JSON form");
  EXPECT_EQ(failure("SHELL []"), "SHELL requires at least one argument");
  EXPECT_EQ(failure("VOLUME [\" \"]"), "VOLUME specified can not be an empty string");
  EXPECT_EQ(failure("ONBUILD FROM x"), "FROM isn't allowed as an ONBUILD trigger");
  EXPECT_EQ(failure("ONBUILD"), "ONBUILD requires at least one argument");
  EXPECT_EQ(only<OnBuild>("ONBUILD COPY a").trigger, "COPY a");  // judged where it runs
  EXPECT_EQ(only<OnBuild>("ONBUILD later x ").trigger, "later x ");
  EXPECT_EQ(failure("RUN --network=x y"), "invalid network mode \"x\"");
  EXPECT_EQ(failure("RUN --security=x y"), "security \"x\" is not valid");
  EXPECT_EQ(failure("RUN --mount=type=x y"), "unsupported mount type \"x\"");
  EXPECT_EQ(failure("CMD --x y"), "unknown flag: --x");
}

TEST(Instruction, TriggersOfABase) {
  EXPECT_TRUE(std::holds_alternative<dockerfile::Run>(parse_trigger("RUN x").body));
  EXPECT_THROW(static_cast<void>(parse_trigger("RUN x\nRUN y")), Error);
  EXPECT_THROW(static_cast<void>(parse_trigger("FROM x")), Error);
}

std::string mount_failure(std::string_view text) {
  try {
    static_cast<void>(parse_mount(text));
    return "no error";
  } catch (const Error& e) {
    return e.message();
  }
}

TEST(Mount, KindsAndOptions) {
  const auto bind = parse_mount("target=/t,source=s,from=stage,rw");
  EXPECT_EQ(bind.type, MountSpec::Type::bind);
  EXPECT_FALSE(bind.read_only);
  EXPECT_EQ(bind.from, "stage");
  EXPECT_TRUE(parse_mount("dst=/t").read_only);
  const auto cache = parse_mount("type=cache,target=/c,id=i,sharing=LOCKED,mode=0700,uid=1,gid=2,ro=true");
  EXPECT_EQ(cache.sharing, MountSpec::Sharing::locked);
  EXPECT_EQ(cache.mode, 0700U);
  EXPECT_EQ(cache.uid, 1U);
  EXPECT_TRUE(cache.read_only);
  EXPECT_FALSE(parse_mount("type=cache,target=/c").read_only);
  EXPECT_EQ(parse_mount("type=tmpfs,destination=/t,size=1.5m").size, 1572864U);
  EXPECT_EQ(parse_mount("type=tmpfs,target=/t,size=2GiB").size, 2ULL << 30);
  const auto secret = parse_mount("type=secret,id=a,env=B,required");
  EXPECT_EQ(secret.env, "B");
  EXPECT_TRUE(secret.required);
  EXPECT_FALSE(parse_mount("type=ssh,required=false,readwrite=false").required);
  const auto same = [](std::string_view value) { return std::string(value); };
  EXPECT_EQ(parse_mount("type=bind,\"source=a,\"\"b\",target=/t", same).source, "a,\"b");
}

TEST(Mount, ValuesAreExpandedButFrom) {
  const auto upper = [](std::string_view) { return std::string("X"); };
  EXPECT_EQ(parse_mount("target=$T,id=y", upper).id, "X");
  EXPECT_EQ(mount_failure("from=$a,target=/t"),
            "'from' doesn't support variable expansion, define alias stage instead");
  EXPECT_EQ(parse_mount("type=$T,target=/t,size=$S").target, "/t");
}

TEST(Mount, Errors) {
  EXPECT_EQ(mount_failure("type=cahce"), "unsupported mount type \"cahce\" (did you mean cache?)");
  EXPECT_EQ(mount_failure("tagret=/t"), "unexpected key 'tagret' in 'tagret=/t' (did you mean target?)");
  EXPECT_EQ(mount_failure("target"), "invalid field 'target' must be a key=value pair");
  EXPECT_EQ(mount_failure("what"), "invalid field 'what' must be a key=value pair");
  EXPECT_EQ(mount_failure("target=/t,ro=perhaps"), "invalid value for ro: perhaps");
  EXPECT_EQ(mount_failure("target=/t,required"), "unexpected key 'required' for mount type 'bind'");
  EXPECT_EQ(mount_failure("target=/t,size=1"), "unexpected key 'size' for mount type 'bind'");
  EXPECT_EQ(mount_failure("target=/t,env=A"), "unexpected key 'env' for mount type 'bind'");
  EXPECT_EQ(mount_failure("type=tmpfs,target=/t,size=x"), "invalid value for size: x");
  EXPECT_EQ(mount_failure("type=tmpfs,target=/t,size=1x"), "invalid value for size: 1x");
  EXPECT_EQ(mount_failure("target=/t,mode=755"), "mode not allowed for \"bind\" type mounts");
  EXPECT_EQ(mount_failure("type=cache,target=/t,mode=9"), "invalid value 9 for mode");
  EXPECT_EQ(mount_failure("type=cache,target=/t,uid=-1"), "invalid value -1 for uid");
  EXPECT_EQ(mount_failure("type=cache,target=/t,sharing=x"), "unsupported sharing value \"x\"");
  EXPECT_EQ(mount_failure("target=/t,sharing=locked"), "invalid cache sharing set for bind mount");
  EXPECT_EQ(mount_failure("type=secret,from=x,id=a"), "secret mount should not have a from");
  EXPECT_EQ(mount_failure("type=secret,id=a,sharing=shared"), "secret mount should not define sharing");
  EXPECT_EQ(mount_failure("type=secret"), "invalid secret mount. one of source, target required");
  EXPECT_EQ(mount_failure("type=secret,id=a,src=b"), "both source and id can't be set");
  EXPECT_EQ(mount_failure("type=ssh,src=b"), "ssh does not support source");
  EXPECT_EQ(mount_failure("\"type=ssh"), "failed to parse csv mounts: a quote is not closed");
  EXPECT_EQ(mount_failure("\"type=ssh\"x"), "failed to parse csv mounts: text follows a quoted field");
  EXPECT_EQ(mount_failure("type=s\"sh"), "failed to parse csv mounts: a bare quote in a field that is not quoted");
}

TEST(Duration, BothWays) {
  EXPECT_EQ(parse_duration("1h2m3.5s"), 3'723'500'000'000);
  EXPECT_EQ(parse_duration("-1.5ms"), -1'500'000);
  EXPECT_EQ(parse_duration(".5us"), 500);
  EXPECT_EQ(parse_duration("1µs"), 1000);
  EXPECT_EQ(parse_duration("0"), 0);
  for (const std::int64_t value : {0LL, 1LL, 1500LL, 1'500'000LL, 90'000'000'000LL, 3'723'500'000'000LL, -5LL}) {
    EXPECT_EQ(parse_duration(format_duration(value)), value) << format_duration(value);
  }
  EXPECT_EQ(format_duration(90'000'000'000), "1m30s");
  EXPECT_EQ(format_duration(500'000'000), "500ms");
  EXPECT_EQ(format_duration(1500), "1.5µs");
  for (const char* bad : {"", "x", "5", "1x", "1.s.", "9999999999999999999s", "999999999h", "."}) {
    EXPECT_THROW(static_cast<void>(parse_duration(bad)), Error) << bad;
  }
}

}  // namespace
}  // namespace dlc::dockerfile
