"""Contexts and sources from elsewhere: tar streams, http, git, named contexts, ADD of URLs and repositories."""
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile

from bench import Layout, Skip, contains, digest, equal, expect

SHOW = "FROM BASE\nCOPY . /ctx\nRUN cd /ctx && ls -a >/list\n"


def tar_of(files, mtime=1500000000):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text), mtime
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def packed(data, command):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def git(directory, *arguments, env=None):
    base = dict(os.environ, GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b",
                GIT_AUTHOR_DATE="1550000000 +0000", GIT_COMMITTER_DATE="1550000000 +0000", GIT_CONFIG_GLOBAL="/dev/null", HOME=str(directory))
    done = subprocess.run(["git", "-c", "init.defaultBranch=main", *arguments], cwd=directory, env={**base, **(env or {})},
                          capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(t, name="repo"):
    """A repository with a tag, a branch and a directory of its own; its bare copy is what is served."""
    work = t.home / (name + "-work")
    work.mkdir()
    git(work, "init", "-q")
    (work / "Dockerfile").write_text(SHOW.replace("BASE", "base.test/base:1"))
    (work / "a.txt").write_text("one")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "one")
    git(work, "tag", "v1")
    (work / "a.txt").write_text("two")
    (work / "sub").mkdir()
    (work / "sub/Dockerfile").write_text(SHOW.replace("BASE", "base.test/base:1"))
    (work / "sub/b.txt").write_text("sub")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "two")
    git(work, "branch", "side")
    served = t.home / "served"
    served.mkdir(exist_ok=True)
    git(t.home, "clone", "-q", "--bare", str(work), str(served / (name + ".git")))
    return work


class GitHandler(http.server.BaseHTTPRequestHandler):
    """git http-backend behind a server; wants a password where one is set."""

    root, wanted = None, None

    def log_message(self, *arguments):
        pass

    def serve(self):
        if self.wanted and self.headers.get("Authorization") != self.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "CONTENT_LENGTH": str(len(body)), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        head, _, rest = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False).stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in lines if name == "Status"), 200)
        self.send_response(status)
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    do_GET = do_POST = serve


def git_server(t, wanted=None):
    handler = type("Handler", (GitHandler,), {"root": str(t.home / "served"), "wanted": wanted})
    return t.start_server(handler)


def listing(t, *arguments, **keywords):
    """The files of the context that an image was built from."""
    t.build("-t", "context:1", *arguments, **keywords)
    return t.run_image("context:1", "cat", "/list").split()[2:]


def check_tar_on_standard_input(t):
    plain = tar_of({"Dockerfile": SHOW.replace("BASE", "base.test/base:1"), "a.txt": "a", "skip.me": "", ".dockerignore": "skip.*"})
    for command in (["cat"], ["gzip"], ["bzip2"], ["xz"], ["zstd", "-q"]):
        equal(listing(t, "-", stdin=packed(plain, command)), [".dockerignore", "Dockerfile", "a.txt"], command[0])
    moved = tar_of({"deep/File": SHOW.replace("BASE", "base.test/base:1"), "a.txt": "a"})
    equal(listing(t, "-f", "deep/File", "-", stdin=moved), ["a.txt", "deep"])
    done = t.build("-", stdin=tar_of({"a.txt": "a"}), status=1)
    contains(done.err, "failed to read dockerfile: open Dockerfile: no such file or directory")
    done = t.build("-", stdin=plain[:700], status=1)
    expect("internal" not in done.err, done.err)


def check_dockerfile_on_standard_input(t):
    t.build("-t", "stdin:1", "-", stdin=b"FROM base.test/base:1\nRUN echo alone >/f\n")
    equal(t.run_image("stdin:1", "cat", "/f"), "alone\n")
    done = t.build("-", stdin=b"FROM base.test/base:1\nCOPY a /\n", status=1)
    contains(done.err, "Dockerfile:2")
    context = t.context("FROM nothing-of-this\n", a_txt="a")
    equal(listing(t, "-f", "-", context, stdin=SHOW.replace("BASE", "base.test/base:1").encode()), ["Dockerfile", "a.txt"])
    done = t.build("-f", "-", "-", stdin=b"", status=1)
    contains(done.err, "cannot both be read from standard input")


def check_a_context_cannot_lead_outside(t):
    """A Dockerfile that is a link out of a foreign context is not followed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)
    done = t.build("-", stdin=out.getvalue(), status=1)
    contains(done.err, "failed to read dockerfile")


def check_http(t):
    (t.home / "www").mkdir()
    (t.home / "www/context.tar.gz").write_bytes(packed(tar_of({"Dockerfile": SHOW.replace("BASE", "base.test/base:1"), "a.txt": "a"}), ["gzip"]))
    (t.home / "www/Dockerfile").write_text("FROM base.test/base:1\nRUN echo remote >/f\n")
    url = t.serve(t.home / "www")
    equal(listing(t, url + "/context.tar.gz"), ["Dockerfile", "a.txt"])
    t.build("-t", "remote:1", url + "/Dockerfile")
    equal(t.run_image("remote:1", "cat", "/f"), "remote\n")
    done = t.build(url + "/missing.tar", status=1)
    contains(done.err, "404")
    t.build("-t", "named:1", "--build-context", f"more={url}/context.tar.gz", t.context("FROM scratch\nCOPY --from=more a.txt /\n"))
    equal(len(t.inspect("named:1")["layers"]), 1)


def check_git(t):
    work = repository(t)
    url = git_server(t) + "/repo.git"
    everything = ["Dockerfile", "a.txt", "sub"]
    equal(listing(t, url), everything)
    equal(t.run_image("context:1", "cat", "/ctx/a.txt"), "two")
    equal(listing(t, url + "#v1"), ["Dockerfile", "a.txt"])
    equal(t.run_image("context:1", "cat", "/ctx/a.txt"), "one")
    equal(listing(t, url + "#side"), everything)
    equal(listing(t, url + "#refs/heads/main"), everything)
    equal(listing(t, url + "#:sub"), ["Dockerfile", "b.txt"])
    equal(listing(t, url + "?branch=side&subdir=sub"), ["Dockerfile", "b.txt"])
    commit = git(work, "rev-parse", "v1")
    equal(listing(t, f"{url}#{commit}"), ["Dockerfile", "a.txt"])
    equal(listing(t, f"{url}#{commit[:10]}"), ["Dockerfile", "a.txt"])
    equal(listing(t, f"{url}?tag=v1&checksum={commit}"), ["Dockerfile", "a.txt"])
    done = t.build(f"{url}?tag=v1&checksum={'0' * 40}", status=1)
    contains(done.err, f"is {commit}, expected")
    done = t.build(url + "#no-such-branch", status=1)
    contains(done.err, "no-such-branch")
    done = t.build(url + "#:no/such", status=1)
    contains(done.err, "no/such")
    done = t.build(url + "?colour=red", status=1)
    contains(done.err, 'unexpected query "colour"')
    equal(listing(t, "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", url), [".git", *everything])


def check_git_daemonless_protocols(t):
    repository(t)
    done = t.build("git://127.0.0.1:9/repo.git", status=1)
    contains(done.err, "cannot fetch")


def check_git_token(t):
    import base64
    repository(t)
    token = "ghp_0123456789abcdefghij"
    wanted = "basic " + base64.b64encode(("x-access-token:" + token).encode()).decode()
    url = git_server(t, wanted)
    done = t.build(url + "/repo.git", status=1)
    contains(done.err, "cannot fetch")
    done = t.build("-t", "token:1", "--secret", "id=GIT_AUTH_TOKEN,env=TOKEN", url + "/repo.git", env={"TOKEN": token})
    expect(token not in done.err, "the token is shown")
    context = t.context(f"FROM scratch\nADD {url}/repo.git /repo\n")
    t.build("--secret", "id=GIT_AUTH_TOKEN,env=TOKEN", context, env={"TOKEN": token})
    from bench import search
    equal(search(t.store, token.encode()), [])
    equal(search(t.store, wanted.encode()), [])


def check_add_git(t):
    work = repository(t)
    url = git_server(t) + "/repo.git"
    commit = git(work, "rev-parse", "v1")
    place = t.home / "out"
    t.build("-o", place, t.context(f"FROM scratch\nADD {url}#v1 /plain\nADD --keep-git-dir=true {url}#v1 /kept\n"
                                    f"ADD --checksum={commit} {url}#v1 /checked\nADD {url}#:sub /sub\n"))
    equal(sorted(p.name for p in (place / "plain").iterdir()), ["Dockerfile", "a.txt"])
    expect((place / "kept/.git/HEAD").exists(), "--keep-git-dir kept nothing")
    equal(git(place / "kept", "rev-parse", "HEAD", env={"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}), commit)
    equal((place / "checked/a.txt").read_text(), "one")
    equal((place / "sub/b.txt").read_text(), "sub")
    # the same commit is the same step, with and without .git
    done = t.build(t.home / "context")
    contains(done.err, "(0 steps run")
    done = t.build(t.context(f"FROM scratch\nADD --checksum={'1' * 40} {url}#v1 /x\n", name="bad"), status=1)
    contains(done.err, "Dockerfile:2")
    contains(done.err, commit)


def check_add_url(t):
    (t.home / "www").mkdir()
    t.write("www/file.bin", "content")
    os.utime(t.home / "www/file.bin", (1400000000, 1400000000))
    (t.home / "www/a.tar").write_bytes(tar_of({"inside.txt": "in"}))
    url = t.serve(t.home / "www")
    place = t.home / "out"
    t.build("-o", place, t.context(f"FROM scratch\nADD {url}/file.bin /dir/\nADD --checksum={digest(b'content')} {url}/file.bin /checked\n"
                                    f"ADD {url}/a.tar /a.tar\nADD --unpack=true {url}/a.tar /unpacked/\n"))
    equal((place / "dir/file.bin").read_bytes(), b"content")
    equal(int((place / "dir/file.bin").stat().st_mtime), 1400000000)
    equal((place / "dir/file.bin").stat().st_mode & 0o777, 0o600)
    expect((place / "a.tar").is_file(), "an archive from a URL was unpacked unasked")
    equal((place / "unpacked/inside.txt").read_text(), "in")
    done = t.build(t.context(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {url}/file.bin /x\n", name="bad"), status=1)
    contains(done.err, "digest mismatch")
    contains(done.err, "Dockerfile:2")
    done = t.build(t.context(f"FROM scratch\nADD {url}/none /x\n", name="none"), status=1)
    contains(done.err, "404")
    contains(done.err, "Dockerfile:2")


def check_named_contexts(t):
    t.write("more/m.txt", "more")
    t.build("-t", "named:1", "-o", f"type=oci,tar=false,dest={t.home}/layout", "-o", "type=image", t.context("FROM BASE\nRUN echo image >/i\n", name="image"))
    repository(t)
    url = git_server(t) + "/repo.git"
    context = t.context("FROM scratch\nCOPY --from=dir m.txt /\nCOPY --from=img /i /from-image\nCOPY --from=layout /i /from-layout\nCOPY --from=code a.txt /\n")
    place = t.home / "out"
    t.build("--build-context", f"dir={t.home}/more", "--build-context", "img=docker-image://named:1", "--build-context",
            f"layout=oci-layout://{t.home}/layout", "--build-context", f"code={url}#v1", "-o", place, context)
    equal({p.name: p.read_text() for p in place.iterdir()},
          {"m.txt": "more", "from-image": "image\n", "from-layout": "image\n", "a.txt": "one"})
    t.build("--build-context", "base.test/base:1=docker-image://named:1", "-o", t.home / "replaced", t.context("FROM BASE\n", name="r"))
    equal((t.home / "replaced/i").read_text(), "image\n")
    done = t.build("--build-context", "dir", context, status=1)
    contains(done.err, "must be written NAME=SOURCE")


def check_epoch_of_a_context(t):
    def created(*arguments, **keywords):
        place = t.home / "epoch"
        shutil.rmtree(place, ignore_errors=True)
        t.build("-o", f"type=oci,tar=false,dest={place}", *arguments, **keywords)
        (_, _, config), = Layout(place).images()
        return config["created"]

    repository(t)
    url = git_server(t) + "/repo.git"
    env = {"SOURCE_DATE_EPOCH": "context"}
    equal(created(url, env=env), "2019-02-12T19:33:20Z", "the commit's time")
    plain = tar_of({"Dockerfile": "FROM scratch\nCOPY a.txt /\n", "a.txt": "a"})
    equal(created("--build-arg", "SOURCE_DATE_EPOCH=context", "-", stdin=plain), "2017-07-14T02:40:00Z", "the newest file's")
    context = t.context("ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY a.txt /\n", a_txt="a")
    os.utime(context / "a.txt", (1450000000, 1450000000))
    os.utime(context / "Dockerfile", (1440000000, 1440000000))
    equal(created(context), "2015-12-13T09:46:40Z", "the newest file's")
    equal(created("--build-arg", "SOURCE_DATE_EPOCH=5", context), "1970-01-01T00:00:05Z")
    done = t.build("--build-arg", "SOURCE_DATE_EPOCH=tomorrow", context, status=1)
    contains(done.err, "tomorrow")
