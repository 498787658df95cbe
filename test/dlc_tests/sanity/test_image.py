"""What must hold in every image."""
import json
import signal
import subprocess

import pytest

CACHES = """
import glob, os
found = [p for p in ("/root/.cache", "/root/.bash_history", "/root/.viminfo", "/var/log/dpkg.log",
                     "/var/cache/ldconfig/aux-cache") if os.path.exists(p)]
for pattern in ("/tmp/*", "/var/tmp/*", "/var/lib/apt/lists/*_*", "/var/cache/apt/*.bin",
                "/var/cache/apt/archives/*.deb", "/var/log/apt/*"):
    found += glob.glob(pattern)
print(found)
"""

STALE_BYTECODE = """
import importlib.util, pathlib, sys
stale = []
for root in [p for p in sys.path if p]:
    for pyc in pathlib.Path(root).rglob("__pycache__/*." + sys.implementation.cache_tag + ".pyc"):
        head = pyc.read_bytes()[:16]
        flags = int.from_bytes(head[4:8], "little")
        source = pathlib.Path(importlib.util.source_from_cache(str(pyc)))
        if not source.exists():
            stale.append(str(pyc))
        elif flags & 1:
            if head[8:16] != importlib.util.source_hash(source.read_bytes()):
                stale.append(str(pyc))
        elif int.from_bytes(head[8:12], "little") != int(source.stat().st_mtime) & 0xFFFFFFFF:
            stale.append(str(pyc))
print(sorted(set(stale))[:10])
"""


def test_pip_check(container):
    assert container.run("python3", "-m", "pip", "check").stdout == "No broken requirements found.\n"


def test_no_caches(container):
    assert container.run("python3", "-c", CACHES).stdout.splitlines()[-1] == "[]"


def test_bytecode_is_valid(container):
    assert container.run("python3", "-c", STALE_BYTECODE).stdout.splitlines()[-1] == "[]"


def test_no_trace_of_the_builder(container):
    done = container.run("sh", "-c", "ls /usr/local/share/ca-certificates; cat /etc/machine-id 2>/dev/null || true")
    assert done.stdout.strip() == ""


def test_bundle_holds_the_distribution_certificates_only(container):
    script = "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; grep -vc '^[#!]' /etc/ca-certificates.conf"
    held, listed = container.run("sh", "-c", script, options=("--host-certs", "off")).stdout.split()
    assert held == listed


def test_entrypoint_keeps_quoting(container):
    done = container.run("printf", "%s|", "a b", "", "$HOME", "'\"")
    assert done.stdout == "a b||$HOME|'\"|"


def test_entrypoint_keeps_all_variables(container):
    # What is no name to a shell is one to programs. BASH_ENV must not be read by the entrypoint, only handed on.
    given = {"my.var": "1", "a-b": "x y", "BASH_ENV": "/nowhere", "BASH_FUNC_f%%": "() { echo f; }", "A": ""}
    options = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    shown = container.json("python3", "-c", "import json, os; print(json.dumps(dict(os.environ)))", options=options)
    assert {name: shown.get(name) for name in given} == given


def test_an_ordinary_user_runs_it(container):
    options = ("-u", "1000:1000")
    done = container.run("true", options=options)
    assert (done.stdout, done.stderr) == ("", "")
    packages = {"mxnet": "mxnet", "pytorch": "torch", "tensorflow": "tensorflow"}
    package = next(package for name, package in packages.items() if name in container.image)
    if package == "mxnet" and "-gpu-" in container.image:
        package = "numpy"  # MXNet for the GPU cannot be imported without the host's driver, whoever asks
    assert container.run("python3", "-c", f"import {package}; print('imported')", options=options).stdout.endswith("imported\n")


def test_zeros_take_no_memory_before_they_are_touched(container):
    """An allocator may clear all at once: the container would be killed."""
    script = 'import numpy as np; zeros = np.zeros(4 << 30, "u1"); zeros[::1 << 30] = 1; print(zeros[:2], zeros[-1])'
    assert container.run("python3", "-c", script, options=("-m", "1g")).stdout == "[1 0] 0\n"


def test_exit_status_is_passed_on(container):
    container.run("sh", "-c", "exit 41", status=41)


def test_signals_reach_the_program(container):
    # Short naps: Python may take a signal just before a long one begins, and would see it at its end only.
    script = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(43)); print('ready', flush=True)\n"
        "while True: time.sleep(0.05)"
    )
    process = subprocess.Popen(
        container.command("python3", "-c", script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 43


def test_threads_are_set(container):
    assert int(container.run("sh", "-c", "echo $OMP_NUM_THREADS").stdout) >= 1
    assert container.run("sh", "-c", "echo $OMP_NUM_THREADS", options=("-e", "OMP_NUM_THREADS=3")).stdout == "3\n"


def test_idle_threads_sleep_in_a_server(container):
    """Two processes whose OpenMP threads spin keep one another from running: a prediction took 400 times as long."""
    if "inference" not in container.image:
        pytest.skip("a training job has its CPUs to itself")
    assert container.run("sh", "-c", "echo $OMP_WAIT_POLICY").stdout == "PASSIVE\n"
    assert container.run("sh", "-c", "echo $OMP_WAIT_POLICY", options=("-e", "OMP_WAIT_POLICY=ACTIVE")).stdout == "ACTIVE\n"


# Prints the file and the kernels of each OpenBLAS that numpy or a framework has loaded.
OPENBLAS = """
import ctypes, importlib, re, sys
for module in ("numpy", "mxnet", "torch"):
    try:
        importlib.import_module(module)
    except (ImportError, OSError):
        pass
for path in sorted(set(re.findall(r"/\\S*openblas\\S*", open("/proc/self/maps").read()))):
    library = ctypes.CDLL(path)
    for name in ("openblas_get_corename", "openblas_get_corename64_", "scipy_openblas_get_corename64_"):
        if hasattr(library, name):
            function = getattr(library, name)
            function.restype = ctypes.c_char_p
            print(path, function().decode())
"""


def test_openblas_has_the_kernels_of_the_processor(container):
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        flags = next((line.split() for line in cpuinfo if line.startswith("flags")), [])
    if "avx2" not in flags:
        pytest.skip("a processor without AVX2")
    cores = dict(line.split() for line in container.run("python3", "-c", OPENBLAS).stdout.splitlines())
    assert not set(cores.values()) & {"Prescott", "Core2", "Nehalem", "Sandybridge", "Barcelona"}, cores
    # Who sets it, even to nothing, is left alone.
    script = "echo ${OPENBLAS_CORETYPE-unset}"
    assert container.run("sh", "-c", script, options=("-e", "OPENBLAS_CORETYPE=Haswell")).stdout == "Haswell\n"
    assert container.run("sh", "-c", script, options=("-e", "OPENBLAS_CORETYPE=")).stdout == "\n"


def test_image_information(container):
    information = json.loads(container.run("deep_learning_container.py", "--json").stdout)
    assert information["framework"] in container.image
    assert information["framework_version"] in container.image
    assert information["container_type"] in container.image
    container.run("deep_learning_container.py", "--framework", "none", status=1)
