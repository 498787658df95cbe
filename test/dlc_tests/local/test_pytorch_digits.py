"""PyTorch on this machine in SageMaker's way: `train` with a real /opt/ml, `serve` by the inference image of what it wrote."""
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

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

    def scores(self, body, content_type):
        status, answer = self.request("/invocations", body, {"Content-Type": content_type, "Accept": "application/json"})
        assert status == 200, answer
        return json.loads(answer)

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


def digit_of(scores):
    return scores.index(max(scores))


def largest_difference(first, second):
    assert len(first) == len(second)
    return max(abs(a - b) for rows in zip(first, second) for a, b in zip(*rows))


def trained(container, ml):
    done = container.run("train", options=("-v", f"{ml}:/opt/ml"))
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def test_what_train_wrote_is_served(pytorch_training, pytorch_inference, job, endpoint):
    result = trained(pytorch_training, job)
    assert result["rows"] == 599
    assert result["trained_on"] == 1198
    assert result["accuracy"] >= REQUIRED_ACCURACY
    assert not (job / "output" / "failure").exists()

    held_out = json.loads((job / "output" / "data" / "held_out.json").read_text())
    server = endpoint(pytorch_inference, job / "model")
    print(f"/ping 200 after {server.wait():.2f} s")

    array = (job / "output" / "data" / "held_out.npy").read_bytes()
    scores = server.scores(array, "application/x-npy")
    assert largest_difference(scores, held_out["scores"]) < 1e-4
    right = sum(digit_of(row) == label for row, label in zip(scores, held_out["labels"]))
    assert right / len(scores) == pytest.approx(result["accuracy"], abs=1e-6)

    rows = held_out["data"][:3]
    scores = server.scores(json.dumps(rows).encode(), "application/json")
    assert largest_difference(scores, held_out["scores"][:3]) < 1e-4
    scores = server.scores("\n".join(",".join(map(str, row)) for row in rows).encode(), "text/csv")
    assert largest_difference(scores, held_out["scores"][:3]) < 1e-4

    assert server.request("/invocations", b"x", {"Content-Type": "image/tiff"})[0] == 415
    assert server.stop() == 0


def test_handlers_of_the_user(pytorch_training, pytorch_inference, job, endpoint, container_tests):
    trained(pytorch_training, job)
    code = job / "model" / "code"
    code.mkdir()
    shutil.copy(container_tests / "pytorch" / "inference.py", code)
    server = endpoint(pytorch_inference, job / "model")
    server.wait()
    held_out = json.loads((job / "output" / "data" / "held_out.json").read_text())
    body = json.dumps(held_out["data"][:20]).encode()
    status, answer = server.request("/invocations", body, {"Content-Type": "application/json"})
    assert status == 200, answer
    assert json.loads(answer) == {"digits": [digit_of(row) for row in held_out["scores"][:20]]}
    assert server.stop() == 0


def test_a_failing_script_leaves_its_reason_and_status(pytorch_training, job):
    (job / "code" / "train_digits.py").write_text("import torch\ntorch.zeros(2) @ torch.zeros(3)\n", encoding="utf-8")
    pytorch_training.run("train", options=("-v", f"{job}:/opt/ml"), status=1)
    assert "RuntimeError" in (job / "output" / "failure").read_text(encoding="utf-8")


def test_import_says_nothing(pytorch_training, pytorch_inference):
    for image in (pytorch_training, pytorch_inference):
        done = image.run("python3", "-c", "import torch")
        assert done.stdout + done.stderr == ""


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
