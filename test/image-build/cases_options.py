"""The small things that a user of docker build tries."""
import base64
import json
import os
import re
import threading

from bench import contains, equal, expect

STAGES = """# syntax=docker/dockerfile:1
# VERSION what to build
ARG VERSION=1.${MINOR:-0}
FROM BASE AS deps
ARG UNUSED
RUN --mount=type=secret,id=token,required --mount=type=ssh true
# tool makes the tool
FROM deps AS Tool
# MODE fast or small
ARG MODE=fast
FROM scratch AS other
ARG NOT_THIS
FROM Tool
"""


def check_targets(t):
    context = t.context(STAGES)
    equal(t.build("--call=targets", context).out,
          "TARGET      DESCRIPTION\ndeps\ntool        makes the tool\nother\n(default)\n")
    document = json.loads(t.build("--call", "targets,format=json", context).out)
    equal([(s["name"], s["default"]) for s in document["targets"]],
          [("deps", False), ("tool", False), ("other", False), ("", True)])


def check_outline(t):
    context = t.context(STAGES)
    equal(t.build("--call=outline", "--target", "tool", "--build-arg", "MODE=small", context).out,
          "TARGET:      tool\nDESCRIPTION: makes the tool\n\n"
          "BUILD ARG   VALUE   DESCRIPTION\nVERSION     1.0     what to build\nUNUSED\nMODE        small   fast or small\n\n"
          "SECRET   REQUIRED\ntoken    true\n\nSSH       REQUIRED\ndefault\n")
    document = json.loads(t.build("--call", "outline,format=json", context).out)
    equal([a["name"] for a in document["args"]], ["VERSION", "UNUSED", "MODE"])
    equal(document["secrets"], [{"name": "token", "required": True}])
    done = t.build("--call=outline", "--target", "nope", context, status=1)
    contains(done.err, 'target stage "nope" could not be found')
    done = t.build("--call=dance", context, status=1)
    contains(done.err, "build, check, outline or targets")


def check_lint(t):
    good = t.context("FROM scratch\nCOPY Dockerfile /\n", name="good")
    equal(t.build("--check", good).out, "Check complete, no warnings found.\n")
    bad = t.context("FROM scratch AS Up\nMAINTAINER me\ncopy Dockerfile /\nCMD echo hi\n", name="bad")
    for option in (["--check"], ["--call=check"], ["--call", "lint"]):
        done = t.build(*option, bad, status=1)
        contains(done.out, "WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n")
        contains(done.out, "Dockerfile:4\n--------------------\n")
        contains(done.out, "   4 | >>> CMD echo hi\n")
        expect(re.search(r"Check complete, [0-9]+ warnings have been found!\n$", done.out), done.out)
    document = json.loads(t.build("--call=check,format=json", bad, status=1).out)
    found = {warning["ruleName"]: warning for warning in document["warnings"]}
    equal(found["JSONArgsRecommended"]["location"], {"ranges": [{"start": {"line": 4}, "end": {"line": 4}}]})
    equal(found["JSONArgsRecommended"]["url"], "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/")
    contains(found["MaintainerDeprecated"]["detail"], "deprecated")
    equal(base64.b64decode(document["sources"][0]["data"]), (bad / "Dockerfile").read_bytes())
    equal(json.loads(t.build("--call=check,format=json", good).out)["warnings"], [])
    broken = t.context("FROM scratch\nMAINTAINER me\nCOPY --from=none a b c\nNOTHING x\n", name="broken")
    error = json.loads(t.build("--call=check,format=json", broken, status=1).out)["buildError"]
    contains(error["message"], "unknown instruction: NOTHING")
    equal(error["location"], {"ranges": [{"start": {"line": 4}, "end": {"line": 4}}]})
    one = t.context("FROM scratch\nMAINTAINER me\n", name="one")
    contains(t.build("--check", one, status=1).out, "Check complete, 1 warning has been found!\n")
    contains(t.build(one).err, " 1 warning found")
    skipped = t.context("# check=skip=all\nFROM scratch AS Up\nMAINTAINER me\n", name="skipped")
    equal(t.build("--check", skipped).out, "Check complete, no warnings found.\n")
    error = t.context("# check=error=true\nFROM scratch\nMAINTAINER me\n", name="error")
    contains(t.build(error, status=1).err, "lint violation found for rules: MaintainerDeprecated")


def check_plain_progress(t):
    context = t.context("FROM BASE\nRUN echo out && echo err >&2\nRUN exit 7\n")
    done = t.build("--no-cache", context, status=1)
    number = re.search(r"^#(\d+) \[2/3\] RUN echo out && echo err >&2$", done.err, re.M)
    expect(number, done.err)
    for text in ("out", "err"):
        expect(re.search(rf"^#{number[1]} \d+\.\d+ {text}$", done.err, re.M), done.err)
    expect(re.search(rf"^#{number[1]} DONE \d+\.\ds$", done.err, re.M), done.err)
    expect(re.search(r"^#\d+ ERROR: process \"/bin/sh -c exit 7\" did not complete successfully: exit code: 7$", done.err, re.M), done.err)
    contains(done.err, "Dockerfile:3\n--------------------\n")
    contains(done.err, "   3 | >>> RUN exit 7\n")
    contains(done.err, 'ERROR: failed to solve: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7\n')
    again = t.build(t.context("FROM BASE\nRUN echo out && echo err >&2\n", name="again"))
    expect(re.search(r"^#\d+ CACHED$", again.err, re.M), again.err)


def check_labels(t):
    t.build("-t", "labels:1", "--label", "a=b", "--label", "override=cli", "--label", "empty", t.context("FROM scratch\nLABEL override=file keep=1\n"))
    equal(t.inspect("labels:1")["config"]["config"]["Labels"], {"a": "b", "override": "cli", "keep": "1", "empty": ""})


def check_no_cache_filter(t):
    context = t.context("FROM BASE AS one\nRUN echo 1\nFROM one AS two\nRUN echo 2\nFROM two\nRUN echo 3\n")

    def ran(*arguments):
        line = [line for line in t.build(*arguments, context).err.splitlines() if line.startswith("image sha256:")][-1]
        return int(line.split("(")[1].split()[0])

    equal(ran(), 3)
    equal(ran(), 0)
    equal(ran("--no-cache"), 3)
    equal(ran("--no-cache-filter", "two"), 1)
    equal(ran("--no-cache-filter", "one,two"), 2)


def check_pull(t):
    host, registry = t.registry()
    t.build("--push", "-t", f"{host}/base:1", t.context("FROM scratch\nLABEL generation=1\n", name="base"))
    t.dlc("image", "rm", f"{host}/base:1")
    child = t.context(f"FROM {host}/base:1\nLABEL child=1\n", name="child")

    def generation(*arguments):
        t.build("-t", "pulled:1", *arguments, child)
        return t.inspect("pulled:1")["config"]["config"]["Labels"]["generation"]

    equal(generation(), "1")
    t.build("--push", "-t", f"{host}/base:1", t.context("FROM scratch\nLABEL generation=2\n", name="base"))
    t.dlc("image", "rm", f"{host}/base:1")
    equal(generation("--pull=missing"), "1")
    equal(generation("--pull=never"), "1")
    equal(generation("--pull"), "2")
    done = t.build("--pull=never", t.context(f"FROM {host}/other:1\n", name="other"), status=1)
    contains(done.err, "--pull=never was given")
    contains(done.err, "Dockerfile:1")
    contains(t.build("--pull=sometimes", child, status=1).err, "always, newer, missing or never")


def check_options_that_are_not_there(t):
    context = t.context("FROM scratch\n")
    contains(t.build("--attest", "type=sbom", context, status=1).err, "--attest is not there yet")
    contains(t.build("--squash", context, status=1).err, "--squash makes no sense here")
    t.build("--rm", "--force-rm", "--compress", "--memory", "1g", "--provenance=false", "--sbom=false", context)
    contains(t.build("--chache-from", "x", context, status=1).err, "did you mean --cache-from?")


def check_the_tree_is_not_touched(t):
    """A build leaves nothing in the context, the home or the directory it was started in."""
    context = t.context("FROM BASE\nCOPY a.txt /\nRUN true\n", a_txt="a")
    before = sorted(str(p) for p in t.home.rglob("*"))
    t.build("-t", "clean:1", context)
    equal(sorted(str(p) for p in t.home.rglob("*")), before)


def check_secret_that_can_be_read_once(t):
    fifo = t.home / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_text("only once"))
    writer.start()
    context = t.context("FROM BASE\nRUN --mount=type=secret,id=s test \"$(cat /run/secrets/s)\" = 'only once'\n")
    t.build("--secret", f"id=s,src={fifo}", context)
    writer.join()


def check_options_are_checked_first(t):
    context = t.context("FROM BASE\n")
    for options, text in (
        (["--ulimit", "nofile=5:1"], "ulimit soft limit must be less than or equal to hard limit: 5 > 1"),
        (["--ulimit", "foo=5"], "invalid ulimit type: foo"),
        (["--add-host", "x:y"], "invalid IP address in x:y: y"),
        (["--secret", "id=a,foo=x"], "unexpected key 'foo'"),
        (["--platform", "foo"], '"foo": unknown operating system or architecture'),
    ):
        contains(t.build(*options, context, status=1).err, text)
    contains(t.build("--sbom=true", context).err, "--sbom true: no attestation is made")
    for option in ("--iidfile", "--metadata-file"):  # before anything is built
        done = t.build(option, "/nowhere/x", context, status=1)
        contains(done.err, f"{option} /nowhere/x: ")
        expect("[1/" not in done.err and "load metadata" not in done.err, done.err)
    contains(t.build("--iidfile", str(context), context, status=1).err, "is a directory, expected a file")
    ignore = context / ".dockerignore"
    os.mkfifo(ignore)
    contains(t.build(context, status=1).err, f"{ignore} is not a regular file")


def check_what_failed_is_called_failed(t):
    context = t.context("FROM scratch\nADD http://127.0.0.1:1/x /\n")
    log = t.build("--progress=plain", context, status=1).err
    expect(re.search(r"^#[0-9]+ ERROR: .*127.0.0.1", log, re.MULTILINE), log)
    expect("CANCELED" not in log, log)
