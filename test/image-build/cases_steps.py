"""What RUN steps get: secrets, agents, devices, privileges, networks, limits; and a look into a failed one."""
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess
import tempfile

from bench import PROGRAM, Skip, contains, equal, expect, search

CDI = pathlib.Path("/etc/cdi")


def check_a_shell_in_the_failed_step(t):
    context = t.context("FROM BASE\nENV MODE=fast\nWORKDIR /work\nUSER 7:8\nRUN --mount=type=tmpfs,target=/scratch touch /tmp/left && exit 9\n")
    done = t.build("--on-failure", "shell=pwd; id -u; id -g; echo $MODE; ls /tmp; mount | grep -c ' /scratch '", context, status=1)
    equal(done.out, "/work\n7\n8\nfast\nleft\n1\n")
    contains(done.err, "did not complete successfully: exit code: 9")
    contains(done.err, "Dockerfile:5")
    done = t.build("--on-failure", "shell", context, status=1)
    contains(done.err, "--on-failure shell needs a terminal")
    expect("RUN" not in done.err, "it built something")
    done = t.build("--on-failure", "editor", context, status=1)
    contains(done.err, "shell or shell=COMMAND")
    t.build("--on-failure", "shell=true", t.context("FROM BASE\nRUN true\n", name="good"))


def check_a_shell_at_a_terminal(t):
    context = t.context("FROM BASE\nRUN echo kept >/tmp/state && false\n")
    ours, theirs = pty.openpty()
    from bench import PROGRAM
    process = subprocess.Popen([PROGRAM, "image", "build", "--host-certs", "off", "--on-failure", "shell", str(context)],
                               stdin=theirs, stdout=theirs, stderr=theirs, env=t.environment(TERM="xterm"), start_new_session=True)
    os.close(theirs)
    os.write(ours, b"cat /tmp/state; echo $((40+2))\nexit\n")
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    equal(process.wait(timeout=120), 1)
    contains(seen.decode("utf-8", "replace"), "kept")
    contains(seen.decode("utf-8", "replace"), "42")


def check_secrets_leave_nothing(t):
    t.fresh_store()
    value, other = "s3cr3t-in-a-file-90210", "s3cr3t-in-a-variable-31337"
    t.write("secret.txt", value)
    context = t.context("FROM BASE\nRUN --mount=type=secret,id=f --mount=type=secret,id=v,env=TOKEN test -s /run/secrets/f && test -n \"$TOKEN\" && "
                        "cat /run/secrets/f && echo $TOKEN && env && echo done >/result\n"
                        "RUN env >/environment; test ! -e /run/secrets/f\n")
    done = t.build("-t", "secret:1", "--secret", f"id=f,src={t.home}/secret.txt", "--secret", "id=v,env=TOKEN_HERE", "--metadata-file",
                   t.home / "meta.json", "--cache-to", f"type=local,dest={t.home}/cache,mode=max", "-o", "type=image", "-o",
                   f"type=oci,dest={t.home}/image.tar", context, env={"TOKEN_HERE": other})
    for secret in (value, other):
        expect(secret not in done.err, "a secret is shown")
        equal(search(t.store, secret.encode()), [], "in the store")
        equal(search(t.home / "cache", secret.encode()), [], "in the cache")
        equal([f for f in search(t.home, secret.encode()) if not f.endswith("secret.txt")], [], "elsewhere")
    # another value is the same step; a step that must have one says so
    t.write("secret.txt", "another-value-entirely")
    done = t.build("--secret", f"id=f,src={t.home}/secret.txt", "--secret", "id=v,env=TOKEN_HERE", context, env={"TOKEN_HERE": other})
    contains(done.err, "(0 steps run")
    done = t.build(t.context("FROM BASE\nRUN --mount=type=secret,id=none,required true\n", name="required"), status=1)
    contains(done.err, "secret none: not found")
    contains(done.err, "Dockerfile:2")
    done = t.build("--secret", "id=x,env=NOT_SET_ANYWHERE", context, status=1)
    contains(done.err, "NOT_SET_ANYWHERE is not set")


class Agent:
    def __init__(self, t):
        if not shutil.which("ssh-agent"):
            raise Skip("no ssh-agent")
        done = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True)
        self.socket = re.search(r"SSH_AUTH_SOCK=([^;]+)", done.stdout)[1]
        self.pid = int(re.search(r"SSH_AGENT_PID=(\d+)", done.stdout)[1])
        t.closers.append(lambda: os.kill(self.pid, 15))
        self.key = t.home / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-key", "-f", str(self.key)], check=True)
        subprocess.run(["ssh-add", "-q", str(self.key)], env={"SSH_AUTH_SOCK": self.socket, "PATH": os.environ["PATH"]}, check=True)
        self.public = (t.home / "key.pub").read_text().split()[1]


def program_with_libraries(t, name, context):
    """Copies a program of this host with its libraries into a context."""
    path = shutil.which(name)
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    for source in [path, *re.findall(r"(/\S+) \(", listed)]:
        target = context / "root" / source.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def check_agent(t):
    agent = Agent(t)
    t.fresh_store()
    context = t.context("FROM BASE\nCOPY root /\nRUN --mount=type=ssh ssh-add -L >/keys && env | grep SSH_AUTH_SOCK\n"
                        "RUN test -z \"$SSH_AUTH_SOCK\"\nRUN --mount=type=ssh,id=second,target=/agent SSH_AUTH_SOCK=/agent ssh-add -L >/again\n")
    program_with_libraries(t, "ssh-add", context)
    done = t.build("-t", "agent:1", "--ssh", "default", "--ssh", f"second={agent.socket}", context, env={"SSH_AUTH_SOCK": agent.socket})
    contains(t.run_image("agent:1", "cat", "/keys"), agent.public)
    contains(t.run_image("agent:1", "cat", "/again"), agent.public)
    equal(search(t.store, agent.socket.encode()), [], "the socket's path")
    private = agent.key.read_text().splitlines()[2]
    equal(search(t.store, private.encode()), [])
    expect(agent.socket not in done.err, "the socket's path is shown")
    done = t.build(t.context("FROM BASE\nRUN --mount=type=ssh,required true\n", name="required"), status=1)
    contains(done.err, "unset ssh forward key default")
    done = t.build("--ssh", "default", context, status=1)
    contains(done.err, "SSH_AUTH_SOCK is not set")


def check_agent_of_a_user(t):
    """The socket has the owner and mode that the mount says, and answers who may open it."""
    agent = Agent(t)
    t.fresh_store()
    context = t.context("FROM BASE\nCOPY root /\nUSER 1234:55\n"
                        "RUN --mount=type=ssh,uid=1234,gid=55,mode=0640 stat -c '%u %g %a' $SSH_AUTH_SOCK >/tmp/what && ssh-add -L >/tmp/keys\n"
                        "RUN --mount=type=ssh ! ssh-add -L >/tmp/refused 2>&1\n")
    program_with_libraries(t, "ssh-add", context)
    t.build("-t", "user-agent:1", "--ssh", f"default={agent.socket}", context)
    equal(t.run_image("user-agent:1", "cat", "/tmp/what"), "1234 55 640\n")
    contains(t.run_image("user-agent:1", "cat", "/tmp/keys"), agent.public)
    contains(t.run_image("user-agent:1", "cat", "/tmp/refused"), "Permission denied")


def agents():
    return set(subprocess.run(["pgrep", "-x", "ssh-agent"], capture_output=True, text=True).stdout.split())


def check_agent_of_keys(t):
    """--ssh ID=KEY: an agent of the build's own, gone with it."""
    agent = Agent(t)
    t.fresh_store()
    context = t.context("FROM BASE\nCOPY root /\nRUN --mount=type=ssh ssh-add -L >/keys; ls /run/buildkit\n")
    program_with_libraries(t, "ssh-add", context)
    other = t.home / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "other", "-f", str(other)], check=True)
    other.chmod(0o644)  # as Docker, which does not mind
    before = agents()
    t.build("-t", "keys:1", "--ssh", f"default={agent.key},{other}", context)
    keys = t.run_image("keys:1", "cat", "/keys")
    contains(keys, agent.public)
    contains(keys, other.with_suffix(".pub").read_text().split()[1])
    equal(search(t.store, agent.key.read_text().splitlines()[2].encode()), [])
    equal(agents() - before, set(), "an agent is left")
    locked = t.home / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    contains(t.build("--ssh", f"default={locked}", context, status=1).err, "needs its passphrase\n  add it to an agent")
    contains(t.build("--ssh", f"default={context}/Dockerfile", context, status=1).err, "is not a private key that ssh-add")
    contains(t.build("--ssh", "default=/no/such/key", context, status=1).err, '"/no/such/key" is neither a key file nor')
    contains(t.build("--ssh", f"a={other},,", context, status=1).err, '"" is neither a key file nor')
    contains(t.build("--ssh", f"a={agent.socket},{other}", context, status=1).err, "the socket of an agent, which stands alone")
    contains(t.build("--ssh", f"a={other}", "--ssh", f"a={other}", context, status=1).err, "a is given twice")


def check_git_over_ssh(t):
    """A real agent and a stand-in for ssh that proves the key by asking the agent, then serves the repository."""
    import cases_contexts
    agent = Agent(t)
    cases_contexts.repository(t)
    t.write("ssh", "#!/bin/sh\nssh-add -L | grep -q test-key || { echo 'no key' >&2; exit 255; }\n"
                   "while [ $# -gt 1 ]; do shift; done\nexec sh -c \"$1\"\n", 0o755)
    env = {"GIT_SSH_COMMAND": str(t.home / "ssh"), "GIT_SSH_VARIANT": "simple"}
    url = f"ssh://git@127.0.0.1{t.home}/served/repo.git"
    context = t.context(f"FROM scratch\nADD {url}#v1 /repo\n")
    t.build("--ssh", f"default={agent.socket}", "-o", t.home / "out", context, env=env)
    equal((t.home / "out/repo/a.txt").read_text(), "one")
    done = t.build(context, status=1, env={**env, "SSH_AUTH_SOCK": agent.socket})
    contains(done.err, "--ssh default")
    t.write("stranger", "#!/bin/sh\nfor line in @@@@ '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @' @@@@ 'Go away.'; do\n"
                        "echo \"$line\" >&2; done; exit 255\n", 0o755)
    done = t.build(context, status=1, env={**env, "GIT_SSH_COMMAND": str(t.home / "stranger")})
    contains(done.err, "another key than the one in known_hosts")
    expect("--ssh default" not in done.err, done.err)
    # the user's own agent fetches the user's own context
    t.build("-t", "ssh-context:1", url, env={**env, "SSH_AUTH_SOCK": agent.socket})



class OrdinaryUser:
    """uid 4321 with subordinate ids, in a mount namespace in which /etc names it; a place of its own."""

    def __init__(self, t):
        if not shutil.which("newuidmap") or not pathlib.Path("/etc/subuid").exists():
            raise Skip("no subordinate ids here")
        self.t = t
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="dlc-user-", dir="/var/tmp"))
        t.closers.append(lambda: subprocess.run(["rm", "-rf", "--one-file-system", str(self.place)], check=False))
        self.program = shutil.copy(PROGRAM, self.place / "dlc")
        shutil.copytree(t.home / "served", self.place / "served")
        (self.place / "home").mkdir()
        for name, text in (("passwd", f"user:x:4321:4321::{self.place}/home:/bin/sh\n"), ("group", "user:x:4321:\n"),
                           ("subuid", "user:300000:65536\n"), ("subgid", "user:300000:65536\n")):
            (self.place / name).write_text((pathlib.Path("/etc") / name).read_text() + text)
        subprocess.run(["chown", "-R", "4321:4321", str(self.place)], check=True)
        self.place.chmod(0o755)

    def dlc(self, *arguments, env=None):
        binds = "".join(f"mount --bind {self.place}/{name} /etc/{name}; "
                        for name in ("passwd", "group", "subuid", "subgid"))
        run = shlex.join(["exec", "setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", str(self.program), *map(str, arguments)])
        given = {"PATH": os.environ["PATH"], "HOME": str(self.place / "home"), "NO_COLOR": "1", **(env or {})}
        return subprocess.run(["unshare", "-m", "sh", "-ec", binds + run], cwd=self.place, env=given, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=300)


def check_git_over_ssh_as_an_ordinary_user(t):
    """ssh reads the settings of the user that getuid(2) names: it must not be the user namespace's root."""
    import cases_contexts
    cases_contexts.repository(t)
    user = OrdinaryUser(t)
    ssh = user.place / "ssh"
    ssh.write_text(f"#!/bin/sh\nid -u >>{user.place}/home/who\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c \"$1\"\n")
    ssh.chmod(0o755)
    context = user.place / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM scratch\nADD ssh://git@127.0.0.1{user.place}/served/repo.git#v1 /repo\n")
    done = user.dlc("image", "build", "--progress", "plain", "-o", user.place / "home/out", context,
                    env={"GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple"})
    expect(done.returncode == 0, done.stderr)
    equal((user.place / "home/out/repo/a.txt").read_text(), "one")
    equal(set((user.place / "home/who").read_text().split()), {"4321"})
    equal((user.place / "home/out/repo/a.txt").stat().st_uid, 4321)


class CdiFile:
    """A file below /etc/cdi for as long as the test runs."""

    def __init__(self, t, name, text):
        made = not CDI.exists()
        CDI.mkdir(parents=True, exist_ok=True)
        self.path = CDI / name
        self.path.write_text(text)
        t.closers.append(lambda: (self.path.unlink(), made and not any(CDI.iterdir()) and CDI.rmdir()))


def check_devices(t):
    t.write("data/file", "from the host")
    CdiFile(t, f"dlc-test-{os.getpid()}.yaml", f"""cdiVersion: "0.6.0"
kind: "dlc.test/thing"
annotations:
  org.mobyproject.buildkit.device.class: everything
containerEdits:
  env:
    - SPEC=once
devices:
  - name: one
    containerEdits:
      env: [ONE=1]
      deviceNodes:
        - path: /dev/dlc-one
          hostPath: /dev/null
      mounts:
        - hostPath: {t.home}/data
          containerPath: /opt/data
          options: [ro, nosuid]
  - name: two
    annotations:
      org.mobyproject.buildkit.device.autoallow: "true"
    containerEdits:
      env: [TWO=2]
""")
    context = t.context("FROM BASE\nRUN --device=dlc.test/thing=one echo $ONE $SPEC >/seen && stat -c %F /dev/dlc-one >>/seen && cat /opt/data/file >>/seen\n")
    done = t.build(context, status=1)
    contains(done.err, "device dlc.test/thing=one is not allowed")
    contains(done.err, "Dockerfile:2")
    for right in ("device", "device=dlc.test/thing=one", "device=dlc.test/thing"):
        t.build("--no-cache", "--allow", right, "-t", "device:1", context)
    equal(t.run_image("device:1", "cat", "/seen"), "1 once\ncharacter special file\nfrom the host")
    place = t.home / "out"
    t.build("--allow", "device", "-o", place, context)
    expect(not (place / "opt/data").exists() and not (place / "dev/dlc-one").exists(), "a device left a trace in the image")
    for name, wanted in (("dlc.test/thing=two", "2"), ("dlc.test/thing=two,required", "2"), ("name=dlc.test/thing=two,required=true", "2")):
        t.build("--no-cache", "-t", "device:2", t.context(f"FROM BASE\nRUN --device={name} echo $TWO >/seen\n", name="two"))
        equal(t.run_image("device:2", "cat", "/seen"), wanted + "\n", name)
    for name, wanted in (("dlc.test/thing=*", "1 2"), ("dlc.test/thing=everything", "1 2"), ("dlc.test/thing", "1 ")):
        t.build("--no-cache", "--allow", "device", "-t", "device:3", t.context(f"FROM BASE\nRUN --device={name} echo \"$ONE $TWO\" >/seen\n", name="three"))
        equal(t.run_image("device:3", "cat", "/seen"), wanted + "\n", name)
    done = t.build(t.context("FROM BASE\nRUN --device=dlc.test/none=x,required true\n", name="none"), status=1)
    contains(done.err, 'required device "dlc.test/none=x" is not registered')
    done = t.build("--no-cache", t.context("FROM BASE\nRUN --device=dlc.test/none=x true\n", name="optional"))
    contains(done.err, 'the optional device "dlc.test/none=x" is not registered')
    done = t.build(t.context("FROM BASE\nRUN --device=gpu true\n", name="bad"), status=1)
    contains(done.err, 'invalid device "gpu"')


def check_a_wrong_cdi_file_harms_nobody(t):
    CdiFile(t, f"dlc-wrong-{os.getpid()}.json", '{"cdiVersion": "0.6.0", "kind": 5')
    done = t.build("--no-cache", t.context("FROM BASE\nRUN --device=dlc.test/none=x true\n"))
    contains(done.err, "dlc-wrong-")


def check_privileges(t):
    context = t.context("FROM BASE\nRUN --security=insecure mkdir /m && mount -t tmpfs none /m && touch /m/f && ls /m\n")
    done = t.build(context, status=1)
    contains(done.err, "security.insecure is not allowed")
    contains(done.err, "Dockerfile:2")
    t.build("--allow", "security.insecure", context)
    done = t.build(t.context("FROM BASE\nRUN --security=sandbox mkdir /m && mount -t tmpfs none /m\n", name="sandbox"), status=1)
    contains(done.err, "did not complete successfully")


def check_read_only_mounts_stay_unchanged(t):
    """Neither a mount point nor a working directory is made in what is mounted read-only: the user's context, say."""
    for name, step in (("point", "RUN --mount=type=bind,target=/src --mount=type=cache,target=/src/made true\n"),
                       ("workdir", "WORKDIR /src/made\nRUN --mount=type=bind,target=/src true\n")):
        context = t.context("FROM BASE\n" + step, name=name)
        before = sorted(context.iterdir())
        done = t.build(context, status=1)
        contains(done.err, "ERROR: failed to solve: ")
        expect(re.search("read-only file system|No such file or directory", done.err, re.I), done.err)
        equal(sorted(context.iterdir()), before)


def check_networks(t):
    interfaces = "cat /proc/net/dev | wc -l >/n"
    few = subprocess.run(["unshare", "-n", "sh", "-c", "wc -l </proc/self/net/dev"], capture_output=True, text=True, check=True).stdout.strip() + "\n"

    def lines(flag, *arguments):
        t.build("-t", "net:1", *arguments, t.context(f"FROM BASE\nRUN {flag} {interfaces}\n"))
        return t.run_image("net:1", "cat", "/n")

    host = subprocess.run("wc -l </proc/net/dev", shell=True, capture_output=True, text=True, check=True).stdout.strip() + "\n"
    equal(lines("--network=none"), few)
    equal(lines("--network=host"), host)
    equal(lines("--network=default"), host)
    equal(lines("", "--network", "none"), few)
    equal(lines("", "--network", "host"), host)
    done = t.build("--network", "none", t.context("FROM BASE\nRUN --network=host true\n", name="more"), status=1)
    contains(done.err, "network.host is not allowed")
    t.build("--network", "none", "--allow", "network.host", t.home / "more")
    done = t.build("--network", "bridge", t.home / "more", status=1)
    contains(done.err, "default, host or none")


def check_hosts_limits_and_shm(t):
    context = t.context("FROM BASE\nRUN grep box /etc/hosts >/f; ulimit -n >>/f; stat -f -c %b /dev/shm >>/f\n")
    t.build("-t", "limits:1", "--add-host", "box:10.1.2.3", "--add-host", "box6=[::1]", "--ulimit", "nofile=100:200", "--shm-size", "4m", context)
    text = t.run_image("limits:1", "cat", "/f")
    contains(text, "10.1.2.3\tbox" if "\t" in text else "10.1.2.3 box")
    contains(text, "::1")
    equal(text.split()[-2:], ["100", "1024"])
    for option, value, said in (("--add-host", "box", "HOST:IP"), ("--ulimit", "nofile=many", "is no number"), ("--shm-size", "big", "is no number"),
                                ("--ulimit", "nosuch=1", "nosuch")):
        contains(t.build(option, value, "--no-cache", context, status=1).err, said)
