"""train: variables, arguments, files, exit status and signals; no container and no framework."""
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.dont_write_bytecode = True  # artifacts/ is copied into images as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "training"))
from dlc_training import hosts, s3  # noqa: E402

SHOW = """
import json, os, sys
print(json.dumps({"arguments": sys.argv, "folder": os.getcwd(), "variables": {k: v for k, v in os.environ.items() if k.startswith("SM_")}}))
"""


def failure(job):
    return (job.base / "output" / "failure").read_text(encoding="utf-8")


def test_arguments_and_variables(job):
    done = job(SHOW, {"epochs": "3", "lr": "0.5", "name": '"a b"', "plain": "x; rm y", "deep": '{"k": 1}', "n": "true"})
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    expected = ["train.py", "--deep", "k=1", "--epochs", "3", "--lr", "0.5", "-n", "True", "--name", "a b", "--plain", "x; rm y"]
    assert shown["arguments"] == expected
    assert shown["folder"] == str(job.base / "code")
    variables = shown["variables"]
    assert variables["SM_MODEL_DIR"] == str(job.base / "model")
    assert variables["SM_CHANNEL_TRAINING"] == str(job.base / "input" / "data" / "training")
    assert json.loads(variables["SM_CHANNELS"]) == ["training"]
    assert variables["SM_HP_LR"] == "0.5"
    assert json.loads(variables["SM_HPS"])["deep"] == {"k": 1}
    assert json.loads(variables["SM_TRAINING_ENV"])["hyperparameters"]["epochs"] == 3
    assert (job.base / "output" / "success").exists()
    assert not (job.base / "output" / "failure").exists()


def test_a_script_that_fails(job):
    done = job("import sys\nprint('the reason', file=sys.stderr)\nsys.exit(7)")
    assert done.returncode == 7
    assert failure(job) == "train.py ended with exit status 7:\nthe reason"
    assert "the reason" in done.stderr


def test_a_script_that_is_killed(job):
    done = job("import os\nos.kill(os.getpid(), 9)")
    assert done.returncode == 137
    assert failure(job) == "train.py ended with signal SIGKILL (out of memory?)"


@pytest.mark.parametrize("status", [0, 7])
@pytest.mark.parametrize("taker", ["reader gone", "full disk"])
def test_nobody_takes_stderr(job, taker, status):
    script = f"import sys\nfor i in range(5000): print('x' * 70, file=sys.stderr)\nprint('last', file=sys.stderr)\nsys.exit({status})"
    command, environment = job.prepare(script)
    if taker == "full disk":
        errors = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, errors = os.pipe()
        os.close(reader)
    try:
        done = subprocess.run(command, env=environment, stderr=errors, timeout=60, check=False)
    finally:
        os.close(errors)
    assert done.returncode == status
    if status:
        assert failure(job).endswith("x\nlast")
    else:
        assert (job.base / "output" / "success").exists()


def test_stderr_that_does_not_block_gets_all(job):
    command, environment = job.prepare("import sys\nfor i in range(5000): print('x' * 70, file=sys.stderr)")
    reader, errors = os.pipe()
    os.set_blocking(errors, False)
    with subprocess.Popen(command, env=environment, stderr=errors) as process:
        os.close(errors)
        time.sleep(0.5)  # the pipe is full by then
        with open(reader, encoding="utf-8") as file:
            assert file.read().count("x" * 70 + "\n") == 5000
        assert process.wait(60) == 0


def test_an_earlier_jobs_files_go(job):
    assert job("raise SystemExit(7)").returncode == 7
    assert job("").returncode == 0
    assert [path.name for path in (job.base / "output").iterdir() if path.is_file()] == ["success"]
    assert job("raise SystemExit(8)").returncode == 8
    assert failure(job) == "train.py ended with exit status 8"
    assert not (job.base / "output" / "success").exists()


def test_a_failure_file_that_does_not_fit(job):
    # A limit on the size of files, in the place of a full disk.
    command, environment = job.prepare("raise SystemExit(7)")
    limited = ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *command]
    done = subprocess.run(limited, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7
    assert f"train: {job.base / 'output' / 'failure'} cannot be written: " in done.stderr
    assert not (job.base / "output" / "failure").exists()


def test_a_failure_file_of_the_script_stays(job):
    done = job("import os, sys\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('mine')\nsys.exit(1)")
    assert done.returncode == 1
    assert failure(job) == "mine"


def test_sigterm_reaches_the_script(job):
    script = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"saved\\n"), sys.exit(0)))
print("ready", flush=True)
while True: time.sleep(0.05)
"""
    command, environment = job.prepare(script)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "saved\n"
    assert process.wait(20) == 0


def test_sigterm_reaches_what_a_shell_script_runs(job):
    script = "#!/bin/sh\npython3 -c 'import time; print(\"ready\", flush=True); time.sleep(60)'\n"
    command, environment = job.prepare(script, program="train.sh")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stop_while_hosts_are_awaited(job, number):
    hosts = {"current_host": "localhost", "hosts": ["localhost", "algo-2.invalid"]}
    command, environment = job.prepare(SHOW, resources=hosts)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert "waiting for algo-2.invalid" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert "Traceback" not in process.stderr.read()
    assert failure(job) == f"stopped by {number.name} before the program ran"


def test_a_signal_ends_a_slow_look_up(monkeypatch):
    def stop(*_):
        raise InterruptedError("stopped")

    monkeypatch.setattr(hosts, "resolves", lambda _: time.sleep(20))
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        with pytest.raises(InterruptedError):
            hosts.resolves_at_once("algo-1")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 10


def test_stop_while_packages_are_installed(job):
    command, environment = job.prepare(SHOW)
    (job.base / "code" / "requirements.txt").write_text("", encoding="utf-8")
    # In pip's place, which would have to be kept busy.
    (job.base / "code" / "pip.py").write_text("import time\nopen('../begun', 'w')\ntime.sleep(60)", encoding="utf-8")
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while not (job.base / "begun").exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert failure(job) == "stopped by SIGTERM before the program ran"


def test_no_program(job):
    done = job(None, {"sagemaker_program": "null"})
    assert done.returncode == 1
    assert "sagemaker_program" in failure(job)
    assert "SAGEMAKER_PROGRAM" in done.stderr


def test_a_program_that_is_not_there(job):
    done = job("", {"sagemaker_program": '"other.py"'})
    assert done.returncode == 1
    assert failure(job) == f"there is no other.py in {job.base / 'code'}; it has: train.py"


def test_a_program_outside_of_the_code(job):
    done = job("", {"sagemaker_program": '"../../../bin/sh"'})
    assert done.returncode == 1
    assert "must be a path inside" in failure(job)


def test_a_host_that_does_not_resolve(job):
    hosts = {"current_host": "localhost", "hosts": ["localhost", "algo-2.invalid"]}
    done = job(SHOW, resources=hosts, variables={"DLC_HOSTS_TIMEOUT": "2"})
    assert done.returncode == 1
    assert "waiting for algo-2.invalid to resolve" in done.stderr
    assert "do not resolve to an address after 2 s: algo-2.invalid" in failure(job)


@pytest.mark.parametrize("seconds", ["soon", "nan", "-1"])
def test_a_time_for_hosts_that_is_none(job, seconds):
    done = job(SHOW, variables={"DLC_HOSTS_TIMEOUT": seconds})
    assert (done.returncode, failure(job)) == (1, f"DLC_HOSTS_TIMEOUT is {seconds!r}, not a number of seconds")


def test_a_config_that_is_broken(job):
    command, environment = job.prepare(SHOW)
    (job.base / "input" / "config" / "hyperparameters.json").write_text("{", encoding="utf-8")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hyperparameters.json cannot be read" in failure(job)


@pytest.mark.parametrize(
    "first, expected",
    [("", "run.sh 1"), ("#!/bin/sh -e", "run.sh 1"), ("#!/usr/bin/env python3", "python"), ("#!/usr/bin/python3 -I", "python")],
)
def test_a_script_that_is_not_executable(job, first, expected):
    both = first + "\n'echo' ${0##*/} $2\n" if expected != "python" else first + "\nprint('python')\n"
    command, environment = job.prepare(both, {"n": "1"}, program="run.sh")
    path = job.base / "code" / "run.sh"
    path.chmod(0o644)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, expected + "\n"), done.stderr
    assert path.stat().st_mode & 0o777 == 0o644  # the code may be mounted read-only: nothing in it is touched


def test_code_from_a_folder_with_links(job, tmp_path):
    code, outside = tmp_path / "submitted", tmp_path / "outside"
    (code / "package").mkdir(parents=True)
    outside.mkdir()
    (outside / "shared.py").write_text("VALUE = 'shared'", encoding="utf-8")
    (code / "package" / "there.py").write_text("VALUE = 'there'", encoding="utf-8")
    (code / "train.py").write_text("import here, shared, folder.shared\nprint(here.VALUE, shared.VALUE)", encoding="utf-8")
    links = {".#train.py": "user@host.1234", "here.py": "package/there.py", "shared.py": "../outside/shared.py"}
    for name, target in {**links, "folder": "../outside", "package/loop": "."}.items():
        (code / name).symlink_to(target)
    done = job(None, {"sagemaker_submit_directory": json.dumps(str(code))})
    assert (done.returncode, done.stdout) == (0, "there shared\n"), done.stderr
    copied = job.base / "code"
    assert os.readlink(copied / ".#train.py") == "user@host.1234"
    assert os.readlink(copied / "here.py") == "package/there.py"
    assert not (copied / "shared.py").is_symlink()
    assert "has code already" not in done.stderr


def test_code_that_is_there_is_used_with_a_word(job, tmp_path):
    done = job("print('old')", {"sagemaker_submit_directory": json.dumps(str(tmp_path))})
    assert (done.returncode, done.stdout) == (0, "old\n")
    assert f"{job.base / 'code'} has code already, which is used; {tmp_path} is not looked at" in done.stderr


def test_code_that_cannot_be_copied(job, tmp_path):
    (tmp_path / "submitted").mkdir()
    os.mkfifo(tmp_path / "submitted" / "pipe")
    done = job(None, {"sagemaker_submit_directory": json.dumps(str(tmp_path / "submitted"))})
    assert done.returncode == 1
    assert "cannot be copied" in failure(job) and "Traceback" not in done.stderr


def refused(job, words, hyperparameters=None, resources=None, inputs=None):
    """The job fails with a message, in the log and in failure, that has these words; no traceback."""
    command, environment = job.prepare("print('ran')", hyperparameters, resources)
    if inputs:
        (job.base / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(inputs), encoding="utf-8")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"train: {failure(job)}\n"
    assert words in failure(job)
    assert "Traceback" not in failure(job)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("a", "x\0y", "the hyperparameter 'a' is 'x\\x00y'"),
        ("a", '{"k": "\\u0000"}', "the hyperparameter 'a'"),
        ("a", "x\ud800", "the hyperparameter 'a' is 'x\\ud800'"),
        ("a\0b", "1", "the hyperparameter 'a\\x00b'"),
        ("a=b", "1", "'SM_HP_A=B' cannot be a variable"),
        ("sagemaker_program", '"a\0.py"', "hyperparameter 'sagemaker_program' is"),
        ("sagemaker_submit_directory", '"/a\0"', "hyperparameter 'sagemaker_submit_directory' is"),
        ("sagemaker_mpi_enabled", "perhaps", "sagemaker_mpi_enabled is 'perhaps': it must be true or false"),
        ("sagemaker_torch_distributed_enabled", "[1]", "it must be true or false"),
    ],
)
def test_a_hyperparameter_that_cannot_be(job, name, value, words):
    refused(job, words, {name: value})


@pytest.mark.parametrize("value", ["two", "-1", "1.5", "true", "[2]", "NaN"])
@pytest.mark.parametrize(
    "launcher, name",
    [
        ("sagemaker_torch_distributed_enabled", "sagemaker_nproc_per_node"),
        ("sagemaker_mpi_enabled", "sagemaker_mpi_num_of_processes_per_host"),
        ("sagemaker_mpi_enabled", "sagemaker_mpi_num_processes"),
    ],
)
def test_a_number_that_is_none(job, value, launcher, name, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "mpirun").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "mpirun").chmod(0o755)
    refused(job, f"{name} is ", {launcher: "true", name: value})


@pytest.mark.parametrize(
    "resources, words",
    [
        ({"hosts": ["localhost", 3]}, "3 in hosts"),
        ({"hosts": ["localhost", None]}, "None in hosts"),
        ({"hosts": ["localhost", "h\u00f6st"]}, "in hosts is no name of a host"),
        ({"hosts": ["localhost", ""]}, "'' in hosts"),
        ({"hosts": ["localhost", "a b\0"]}, "in hosts"),
        ({"hosts": "localhost"}, "must have hosts"),
        ({"instance_groups": {"a": 1}}, "instance_groups must be"),
        ({"instance_groups": ["a"]}, "instance_groups must be"),
        ({"instance_groups": [{"hosts": []}]}, "instance_groups must be"),
        ({"instance_groups": [{"instance_group_name": ["a"]}]}, "instance_groups must be"),
        ({"instance_groups": [{"instance_group_name": "a", "hosts": "localhost"}]}, "instance_groups must be"),
        ({"current_group_name": ["a"]}, "current_group_name must be text"),
        ({"network_interface_name": "a\0"}, "SM_NETWORK_INTERFACE_NAME"),
    ],
)
def test_resources_that_cannot_be(job, resources, words):
    refused(job, words, None, {"current_host": "localhost", "hosts": ["localhost"], **resources})


def test_torch_distributed_with_a_shell_script(job):
    done = job("#!/bin/sh\n", {"sagemaker_torch_distributed_enabled": "true"}, program="train.sh")
    assert (done.returncode, failure(job)) == (
        1,
        "sagemaker_torch_distributed_enabled is set: the program must be Python's, not train.sh",
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_job_whose_hosts_have_no_port(job, host, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "mpirun").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "mpirun").chmod(0o755)
    resources = {"current_host": host, "hosts": ["localhost", "127.0.0.1"]}
    done = job("", {"sagemaker_mpi_enabled": "true"}, resources, variables={"DLC_SSH_PORT": "ssh"})
    assert (done.returncode, failure(job)) == (1, "DLC_SSH_PORT is 'ssh', not a port")


def test_a_channel_that_cannot_be(job):
    refused(job, "'SM_CHANNEL_A=B' cannot be a variable", inputs={"a=b": {}})


@pytest.mark.parametrize("value", ["false", "False", '"False"', "FALSE", "0", '"0"', "", "null"])
def test_launchers_that_are_off(job, value):
    names = ("sagemaker_mpi_enabled", "sagemaker_torch_distributed_enabled", "sagemaker_parameter_server_enabled")
    done = job("print('alone')", {name: value for name in names})
    assert (done.returncode, done.stdout) == (0, "alone\n"), done.stderr


@pytest.mark.parametrize("value", ["true", "True", '"TRUE"', "1", '"1"'])
def test_launchers_that_are_on(job, value):
    done = job("", {"sagemaker_parameter_server_enabled": value})
    assert done.returncode == 1
    assert "parameter servers, which this image does not have" in failure(job)


def test_code_from_an_archive_and_what_leads_out_of_it(job, tmp_path):
    import io
    import tarfile

    def archive(name, member, text):
        with tarfile.open(tmp_path / name, "w:gz") as tar:
            entry = tarfile.TarInfo(member)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        return json.dumps(str(tmp_path / name))

    done = job(None, {"sagemaker_submit_directory": archive("good.tar.gz", "train.py", b"print('from the archive')")})
    assert (done.returncode, done.stdout) == (0, "from the archive\n")
    for path in (job.base / "code").iterdir():
        path.unlink()
    done = job(None, {"sagemaker_submit_directory": archive("bad.tar.gz", "../escaped.py", b"")})
    assert done.returncode == 1
    assert "cannot be unpacked" in failure(job)
    assert not (job.base / "escaped.py").exists()


def test_signature_of_awss_own_example():
    # "GET Object" of AWS's documentation of Signature Version 4 in S3.
    now = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
    keys = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    headers = s3.signed_headers(url, "us-east-1", keys, now, {"range": "bytes=0-9"})
    assert headers["Authorization"].endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
