"""PyTorch on this machine in SageMaker's way: `train` with a real /opt/ml, `serve` by the inference image of what it wrote."""
import io
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy
import pytest

REQUIRED_ACCURACY = 0.95
START_LIMIT = 240  # SageMaker gives an endpoint four minutes
STOP_LIMIT = 30  # and 30 s from SIGTERM to SIGKILL


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def job(tmp_path, container_tests):
    """/opt/ml of a training job as SageMaker lays it out; every hyperparameter is text."""
    ml = tmp_path / "ml"
    config = ml / "input" / "config"
    config.mkdir(parents=True)
    for folder in ("code", "model", "output/data", "input/data"):
        (ml / folder).mkdir(parents=True)
    for script in (container_tests / "pytorch").glob("*.py"):
        shutil.copy(script, ml / "code")
    write_json(
        config / "hyperparameters.json",
        {"sagemaker_program": '"train_digits.py"', "sagemaker_submit_directory": '"/opt/ml/code"', "epochs": "60"},
    )
    write_json(config / "inputdataconfig.json", {})
    write_json(
        config / "resourceconfig.json", {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    )
    return ml


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Endpoint:
    """An inference container started as SageMaker starts it: read-only model, `serve`."""

    def __init__(self, container, model):
        self.port = free_port()
        options = ("-v", f"{model}:/opt/ml/model:ro", "-e", f"SAGEMAKER_BIND_TO_PORT={self.port}")
        self.started = time.monotonic()
        self.process = subprocess.Popen(container.command("serve", options=options), stdin=subprocess.DEVNULL)

    def request(self, path, body=None, headers=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wait(self):
        """Until /ping is 200; how long that took."""
        while time.monotonic() - self.started < START_LIMIT:
            assert self.process.poll() is None, "the server ended"
            try:
                if self.request("/ping")[0] == 200:
                    return time.monotonic() - self.started
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.05)
        raise AssertionError("/ping was not 200 in time")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_LIMIT)


@pytest.fixture
def endpoint(request):
    started = []

    def start(container, model):
        started.append(Endpoint(container, model))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(timeout=60)


def trained(container, ml):
    done = container.run("train", options=("-v", f"{ml}:/opt/ml"))
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def test_what_train_wrote_is_served(pytorch_training, pytorch_inference, job, endpoint):
    result = trained(pytorch_training, job)
    assert result["rows"] == 599
    assert result["trained_on"] == 1198
    assert result["accuracy"] >= REQUIRED_ACCURACY
    assert not (job / "output" / "failure").exists()

    held_out = numpy.load(job / "output" / "data" / "held_out.npz")
    server = endpoint(pytorch_inference, job / "model")
    print(f"/ping 200 after {server.wait():.2f} s")

    body = io.BytesIO()
    numpy.save(body, held_out["data"])
    status, answer = server.request(
        "/invocations", body.getvalue(), {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    )
    assert status == 200, answer
    scores = numpy.load(io.BytesIO(answer))
    assert numpy.abs(scores - held_out["scores"]).max() < 1e-4
    assert float((scores.argmax(axis=1) == held_out["labels"]).mean()) == pytest.approx(result["accuracy"], abs=1e-6)

    rows = held_out["data"][:3]
    status, answer = server.request(
        "/invocations", json.dumps(rows.tolist()).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    assert status == 200, answer
    assert numpy.abs(numpy.array(json.loads(answer)) - held_out["scores"][:3]).max() < 1e-4

    text = "\n".join(",".join(str(value) for value in row) for row in rows)
    status, answer = server.request("/invocations", text.encode(), {"Content-Type": "text/csv", "Accept": "application/json"})
    assert status == 200, answer
    assert numpy.abs(numpy.array(json.loads(answer)) - held_out["scores"][:3]).max() < 1e-4

    assert server.request("/invocations", b"x", {"Content-Type": "image/tiff"})[0] == 415
    assert server.stop() == 0


def test_handlers_of_the_user(pytorch_training, pytorch_inference, job, endpoint, container_tests):
    trained(pytorch_training, job)
    code = job / "model" / "code"
    code.mkdir()
    shutil.copy(container_tests / "pytorch" / "inference.py", code)
    server = endpoint(pytorch_inference, job / "model")
    server.wait()
    held_out = numpy.load(job / "output" / "data" / "held_out.npz")
    status, answer = server.request(
        "/invocations", json.dumps(held_out["data"][:20].tolist()).encode(), {"Content-Type": "application/json"}
    )
    assert status == 200, answer
    assert json.loads(answer) == {"digits": held_out["scores"][:20].argmax(axis=1).tolist()}
    assert server.stop() == 0


def test_a_failing_script_leaves_its_reason_and_status(pytorch_training, job):
    (job / "code" / "train_digits.py").write_text("import torch\ntorch.zeros(2) @ torch.zeros(3)\n", encoding="utf-8")
    pytorch_training.run("train", options=("-v", f"{job}:/opt/ml"), status=1)
    assert "RuntimeError" in (job / "output" / "failure").read_text(encoding="utf-8")


def test_import_says_nothing(pytorch_training, pytorch_inference):
    for image in (pytorch_training, pytorch_inference):
        done = image.run("python3", "-c", "import torch; print(torch.__version__.split('+')[0])")
        assert f":{done.stdout.strip()}-" in image.image
        assert done.stderr == ""


def test_matrix_products_use_an_optimised_library(pytorch_training, pytorch_inference):
    """The reference BLAS gives about 2 GFLOP/s; every optimised one at least ten times that on one core."""
    script = (
        "import time, torch; torch.set_num_threads(1); a = torch.randn(1024, 1024); a @ a\n"
        "begin = time.perf_counter(); [a @ a for _ in range(5)]\n"
        "print(5 * 2 * 1024**3 / (time.perf_counter() - begin) / 1e9)"
    )
    for image in (pytorch_training, pytorch_inference):
        assert float(image.run("python3", "-c", script).stdout) > 8


def test_inference_has_no_training_extras(pytorch_inference):
    pytorch_inference.run("python3", "-c", "import sklearn", status=1)
