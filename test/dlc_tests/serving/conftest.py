"""Starts the model server and train as processes of this machine, without containers and without a framework.

Debian's python3 runs them (python3-h11, python3-numpy, python3-pip): in a virtual environment pip has no user scheme.
"""
import os
import pathlib
import resource
import socket
import subprocess
import sys

import pytest
from containers import make_job
from endpoints import Endpoint, free_port

ROOT = pathlib.Path(__file__).resolve().parents[3]
SERVING = ROOT / "artifacts" / "serving"
TRAINING = ROOT / "artifacts" / "training"


class Server(Endpoint):
    """A running model server."""

    def __init__(self, model_dir, log, directory=None, modules=None, files=None, **variables):
        """`directory`: where it runs. `modules`: a folder that comes first on its module path. `files`: limits of open files."""
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{modules}:{SERVING}" if modules else str(SERVING),
            "PYTHONDONTWRITEBYTECODE": "1",  # artifacts/ is copied into images as it is
            "DLC_FRAMEWORK": "none",
            "SM_MODEL_DIR": str(model_dir),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **variables,
        }
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, files)) if files else None
        super().__init__([sys.executable, "-P", "-m", "dlc_serving"], port, log, env=environment, cwd=directory, preexec_fn=limit)

    def raw(self, data, half_close=False):
        """All that the server answers to these bytes until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


@pytest.fixture
def model(tmp_path):
    """Writes code/inference.py of a model; the folder."""

    def write(code, folder=tmp_path / "model", **files):
        (folder / "code").mkdir(parents=True, exist_ok=True)
        (folder / "code" / "inference.py").write_text(code, encoding="utf-8")
        for name, text in files.items():
            (folder / "code" / name).write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def serve(tmp_path):
    """Starts servers, and ends those that a test leaves running."""
    servers = []

    def start(model_dir, **variables):
        servers.append(Server(model_dir, tmp_path / f"server-{len(servers)}.log", **variables))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def job(tmp_path):
    """Runs `train` on a made-up /opt/ml; the finished process. Its folder is `job.base`."""
    base = tmp_path / "ml"

    def prepare(script, hyperparameters=None, resources=None, program="train.py"):
        # A host that does not resolve would be added to this machine's /etc/hosts.
        resources = resources or {"current_host": "localhost", "hosts": ["localhost"]}
        make_job(base, {} if script is None else {program: script}, hyperparameters, resources, program)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TRAINING), "SAGEMAKER_BASE_DIR": str(base)}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return [sys.executable, "-m", "dlc_training"], environment

    def run(*arguments, variables=None, timeout=60, **keywords):
        command, environment = prepare(*arguments, **keywords)
        environment.update(variables or {})
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)

    run.prepare = prepare
    run.base = base
    return run
