"""Starts the model server and train as processes of this machine, without containers and without a framework.

Debian's python3 runs them (python3-h11, python3-numpy, python3-pip): in a virtual environment pip has no user scheme.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SERVING = ROOT / "artifacts" / "serving"
TRAINING = ROOT / "artifacts" / "training"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running model server."""

    def __init__(self, model_dir, log, **variables):
        self.port = free_port()
        self.log = log
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SERVING),
            "PYTHONDONTWRITEBYTECODE": "1",  # artifacts/ is copied into images as it is
            "DLC_FRAMEWORK": "none",
            "SM_MODEL_DIR": str(model_dir),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **variables,
        }
        with open(log, "wb") as file:
            command = [sys.executable, "-m", "dlc_serving"]
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=file, stdout=file)

    def request(self, method, path, body=None, headers=None, timeout=30):
        """(status, body, headers)"""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())

    def invoke(self, body, content_type="application/json", accept=None, path="/invocations"):
        headers = {"Content-Type": content_type}
        if accept:
            headers["Accept"] = accept
        return self.request("POST", path, body, headers)

    def ping(self):
        try:
            return self.request("GET", "/ping")[0]
        except OSError:
            return None

    def wait(self, status=200, seconds=20):
        until = time.monotonic() + seconds
        while self.ping() != status:
            assert time.monotonic() < until, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.05)
        return self

    def wait_for_workers(self, state, seconds=20):
        """Until /ping says that so many workers are ready, as in "1/2"."""
        until = time.monotonic() + seconds
        while self.wait().request("GET", "/ping")[2]["X-DLC-Workers"] != state:
            assert time.monotonic() < until, self.text()
            time.sleep(0.05)
        return self

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

    def text(self):
        return pathlib.Path(self.log).read_text(encoding="utf-8")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


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
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()


@pytest.fixture
def job(tmp_path):
    """Runs `train` on a made-up /opt/ml; the finished process. Its folder is `job.base`."""
    base = tmp_path / "ml"

    def prepare(script, hyperparameters=None, resources=None, program="train.py"):
        for folder in ("input/config", "input/data/training", "code"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        config = base / "input" / "config"
        values = {"sagemaker_program": json.dumps(program), **(hyperparameters or {})}
        (config / "hyperparameters.json").write_text(json.dumps(values), encoding="utf-8")
        hosts = resources or {"current_host": "localhost", "hosts": ["localhost"]}
        (config / "resourceconfig.json").write_text(json.dumps(hosts), encoding="utf-8")
        (config / "inputdataconfig.json").write_text('{"training": {"TrainingInputMode": "File"}}', encoding="utf-8")
        if script is not None:
            (base / "code" / program).write_text(script, encoding="utf-8")
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
