"""A job of two hosts: two containers, each in a network namespace of its own, joined by a veth pair."""
import contextlib
import json
import os
import subprocess
import threading

import pytest
from containers import make_job

HOSTS = {"algo-1": "10.213.77.1", "algo-2": "10.213.77.2"}
# Each process tells one line: where it runs, what all ranks add up to (through MPI itself), and what ssh would lose.
MPI = """
import ctypes, json, os, socket, subprocess, sys
rank, size = (int(os.environ[f"OMPI_COMM_WORLD_{name}"]) for name in ("RANK", "SIZE"))
mpi = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)
mine, total = ctypes.c_double(rank + 1), ctypes.c_double()
handles = [ctypes.byref(ctypes.c_char.in_dll(mpi, f"ompi_mpi_{name}")) for name in ("double", "op_sum", "comm_world")]
mpi.MPI_Init(None, None)
mpi.MPI_Allreduce(ctypes.byref(mine), ctypes.byref(total), 1, *handles)
mpi.MPI_Finalize()
beside = subprocess.run([sys.executable, "-c", "import beside; print(beside.NAME)"], cwd="/", capture_output=True, text=True).stdout.strip()
line = {"rank": rank, "size": size, "host": socket.gethostname(), "sum": total.value, "beside": beside, "arguments": sys.argv[1:]}
line["language"] = os.environ.get("LANG")
line.update({"threads": os.environ.get("OMP_NUM_THREADS"), "ssh": "SSH_CONNECTION" in os.environ})
os.write(1, (json.dumps(line) + "\\n").encode())
"""
TORCH = """
import json, os, socket, torch, torch.distributed as group
os.environ["GLOO_SOCKET_IFNAME"] = "dlc0"
group.init_process_group("gloo")
total = torch.tensor([group.get_rank() + 1.0])
group.all_reduce(total)
os.write(1, (json.dumps({"rank": group.get_rank(), "host": socket.gethostname(), "sum": total.item()}) + "\\n").encode())
group.destroy_process_group()  # PyTorch 2 may abort a process that ends without
"""
TENSORFLOW = """
import json, os, socket, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
@tf.function
def step():
    context = tf.distribute.get_replica_context()
    index = tf.cast(context.replica_id_in_sync_group, tf.float32)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, index + 1.0)
total = float(strategy.experimental_local_results(strategy.run(step))[0])
rank = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
os.write(1, (json.dumps({"rank": rank, "host": socket.gethostname(), "sum": total}) + "\\n").encode())
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def namespaces():
    """{host: network namespace}, in which each host has the interface dlc0."""
    names = {host: f"dlc-test-{os.getpid()}-{index}" for index, host in enumerate(HOSTS)}
    first, second = names.values()
    try:
        for name in names.values():
            ip("netns", "add", name)
        ip("link", "add", "dlc0", "netns", first, "type", "veth", "peer", "name", "dlc0", "netns", second)
        for host, name in names.items():
            ip("-n", name, "address", "add", f"{HOSTS[host]}/24", "dev", "dlc0")
            for device in ("lo", "dlc0"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine makes no network namespaces: {getattr(error, 'stderr', None) or error}")
    finally:
        for name in names.values():
            with contextlib.suppress(OSError):
                subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def run_job(framework, namespaces, base, scripts, hyperparameters, late=None):
    """{host: (exit status, lines of JSON that it printed, all of its output)}. `late`: on that host `train` begins eight seconds after its sshd."""
    started = {}
    try:
        for host, name in namespaces.items():
            make_job(base / host, scripts, hyperparameters, {"current_host": host, "hosts": list(HOSTS), "network_interface_name": "dlc0"})
            options = ["--hostname", host, "-v", f"{base / host}:/opt/ml", "-e", "TRAINING_JOB_ARN=arn:aws:sagemaker:of:this:test"]
            options += [word for other, address in HOSTS.items() for word in ("--add-host", f"{other}:{address}")]
            train = ["bash", "-c", "sleep 8 && exec train"] if host == late else ["train"]
            # Not `ip netns exec`: that mounts another /sys, without the control groups that the runtime needs.
            command = ["nsenter", f"--net=/run/netns/{name}", *framework.training.command(*train, options=options)]
            with open(base / f"{host}.log", "w", encoding="utf-8") as log:
                started[host] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        statuses = {host: process.wait(300) for host, process in started.items()}
    finally:
        for process in started.values():
            if process.poll() is None:
                process.terminate()
                process.wait(60)
    texts = {host: (base / f"{host}.log").read_text(encoding="utf-8") for host in started}
    lines = {host: [json.loads(line) for line in text.splitlines() if line.startswith("{")] for host, text in texts.items()}
    return {host: (statuses[host], lines[host], texts[host]) for host in started}


def written(base, host, name):
    return (base / host / "output" / name).read_text(encoding="utf-8")


# TensorFlow's hosts talk by TF_CONFIG; its images have no MPI.
has_mpi = pytest.mark.only("mxnet", "pytorch")
MPI_SETTINGS = {"sagemaker_mpi_enabled": "true", "sagemaker_mpi_num_of_processes_per_host": "2"}


@has_mpi
def test_mpi(framework, namespaces, tmp_path):
    scripts = {"train.py": MPI, "beside.py": "NAME = 'found'"}
    custom = {"sagemaker_mpi_custom_mpi_options": '"-x LANG=of-the-user"'}
    done = run_job(framework, namespaces, tmp_path, scripts, {**MPI_SETTINGS, **custom, "name": '"a b"'})
    status, lines, text = done["algo-1"]
    assert status == 0, text
    assert [(line["rank"], line["host"]) for line in sorted(lines, key=lambda line: line["rank"])] == [
        (0, "algo-1"), (1, "algo-1"), (2, "algo-2"), (3, "algo-2"),
    ]
    assert [line["ssh"] for line in lines if line["host"] == "algo-2"] == [True, True]
    assert {line["size"] for line in lines} == {4} and {line["sum"] for line in lines} == {10.0}
    assert {(line["beside"], line["language"]) for line in lines} == {("found", "of-the-user")}
    assert all(tuple(line["arguments"]) == ("--name", "a b") for line in lines)
    assert len({line["threads"] for line in lines}) == 1 and lines[0]["threads"]
    assert done["algo-2"][0] == 0, done["algo-2"][2]
    assert [written(tmp_path, host, "success") for host in HOSTS] == ["", ""]


@has_mpi
def test_mpi_when_a_process_on_the_other_host_fails(framework, namespaces, tmp_path):
    script = "import os, sys\nif os.environ['OMPI_COMM_WORLD_RANK'] == '3': sys.exit('of rank 3')\n"
    done = run_job(framework, namespaces, tmp_path, {"train.py": script}, MPI_SETTINGS)
    assert done["algo-1"][0] == 1, done["algo-1"][2]
    assert written(tmp_path, "algo-1", "failure").startswith("train.py ended with exit status 1:\n")
    assert "of rank 3" in done["algo-1"][2]
    assert done["algo-2"][0] == 0, done["algo-2"][2]


@has_mpi
@pytest.mark.parametrize("late", HOSTS)
def test_mpi_when_a_host_is_late(framework, namespaces, tmp_path, late):
    """As one that installs more packages: mpirun starts nothing before it is ready, and it does not miss a short job."""
    script = "import os\nos.write(1, (b'{\"prepared\": %d}\\n' % os.path.isdir('/opt/ml/output/data')))\n"
    done = run_job(framework, namespaces, tmp_path, {"train.py": script}, MPI_SETTINGS, late)
    for host in HOSTS:
        assert done[host][0] == 0, done[host][2]
        assert written(tmp_path, host, "success") == ""
    assert done["algo-1"][1] == [{"prepared": 1}] * 4


@has_mpi
def test_mpi_when_the_network_fails_for_a_while(framework, namespaces, tmp_path):
    scripts = {"train.py": "import time; time.sleep(16); print('{}')"}
    cut = [threading.Timer(at, ip, ("-n", namespaces["algo-2"], "link", "set", "dlc0", state)) for at, state in ((7, "down"), (13, "up"))]
    for timer in cut:
        timer.start()
    done = run_job(framework, namespaces, tmp_path, scripts, MPI_SETTINGS)
    assert "does not answer" in done["algo-2"][2]
    for host in HOSTS:
        assert done[host][0] == 0, done[host][2]
    assert done["algo-1"][1] == [{}] * 4


OWN_LAUNCHERS = {
    "pytorch": (TORCH, "sagemaker_torch_distributed_enabled"),
    "tensorflow": (TENSORFLOW, "sagemaker_multi_worker_mirrored_strategy_enabled"),
}


@pytest.mark.only(*OWN_LAUNCHERS)
def test_the_launcher_of_the_framework(framework, namespaces, tmp_path):
    script, setting = OWN_LAUNCHERS[framework.name]
    done = run_job(framework, namespaces, tmp_path, {"train.py": script}, {setting: "true"})
    for rank, host in enumerate(HOSTS):
        status, lines, text = done[host]
        assert status == 0, text
        assert lines == [{"rank": rank, "host": host, "sum": 3.0}]
        assert written(tmp_path, host, "success") == ""
