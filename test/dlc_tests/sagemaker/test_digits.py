"""SageMaker's contract with real containers: a digits model trained through `train`, and served through `serve`.

For each framework with a training and an inference image among --images. A framework joins by a folder
container_tests/FRAMEWORK/sagemaker whose train.py takes --epochs and --seed, writes its model to SM_MODEL_DIR, and
held_out.json (accuracy, data, scores) to SM_OUTPUT_DATA_DIR.
"""
import contextlib
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time

from containers import HERE, images_of

REQUIRED_ACCURACY = 0.95
START_SECONDS = 240  # SageMaker's limit for the first 200 of /ping
STOP_SECONDS = 30


def frameworks(config_images, container_tests):
    """(framework, training image, inference image)"""
    for folder in sorted(container_tests.glob("*/sagemaker")):
        name = folder.parent.name
        training = next((image for image in config_images if f"{name}-training" in image), None)
        inference = next((image for image in config_images if f"{name}-inference" in image), None)
        if training and inference:
            yield name, training, inference


def pytest_generate_tests(metafunc):
    if "framework" in metafunc.fixturenames:
        found = list(frameworks(images_of(metafunc.config), HERE / "container_tests"))
        metafunc.parametrize("framework", found, ids=[entry[0] for entry in found], scope="module")


def make_job(base, script_folder, hyperparameters, program="train.py"):
    config = base / "input" / "config"
    for folder in (config, base / "input" / "data" / "training", base / "output", base / "model"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(script_folder, base / "code", dirs_exist_ok=True)
    values = {"sagemaker_program": json.dumps(program), **hyperparameters}
    (config / "hyperparameters.json").write_text(json.dumps(values), encoding="utf-8")
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}), encoding="utf-8")
    (config / "inputdataconfig.json").write_text('{"training": {"TrainingInputMode": "File"}}', encoding="utf-8")
    return base


def run_train(program, image, base, *options):
    command = [program, "run", "--rm", "-v", f"{base}:/opt/ml", *options, image, "train"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)


@contextlib.contextmanager
def served(program, image, model_dir, *options):
    """The port and process of a container started in SageMaker's way: the model read-only, SIGTERM and 30 seconds at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "run", "--rm", "-v", f"{model_dir}:/opt/ml/model:ro", "-e", f"SAGEMAKER_BIND_TO_PORT={port}"]
    process = subprocess.Popen([*command, *options, image, "serve"], stdin=subprocess.DEVNULL)
    try:
        yield port, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def request(port, method, path, body=None, headers=None):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def wait_for_ping(port, process):
    """Seconds to the first 200; before it nothing but a refused connection or 503 with an empty body."""
    start = time.monotonic()
    while time.monotonic() - start < START_SECONDS:
        assert process.poll() is None
        try:
            status, body = request(port, "GET", "/ping")
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        assert body == b""
        if status == 200:
            return time.monotonic() - start
        assert status == 503
        time.sleep(0.05)
    raise AssertionError("no 200 from /ping")


def test_training_and_serving(framework, program, container_tests, tmp_path):
    name, training, inference = framework
    base = make_job(tmp_path, container_tests / name / "sagemaker", {"epochs": "60", "seed": "7"})
    done = run_train(program, training, base)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["accuracy"] >= REQUIRED_ACCURACY
    assert result["channel"] == "/opt/ml/input/data/training"
    assert (base / "output" / "success").exists()
    held_out = json.loads((base / "output" / "data" / "held_out.json").read_text(encoding="utf-8"))
    with served(program, inference, base / "model") as (port, process):
        seconds = wait_for_ping(port, process)
        print(f"{name}: /ping 200 after {seconds:.1f} s")
        body = json.dumps(held_out["data"])
        status, answer = request(port, "POST", "/invocations", body, {"Content-Type": "application/json"})
        assert status == 200, answer
        scores = json.loads(answer)
        assert len(scores) == len(held_out["scores"])
        worst = max(abs(a - b) for left, right in zip(scores, held_out["scores"]) for a, b in zip(left, right))
        assert worst < 1e-3
        rows = "\n".join(",".join(map(str, row)) for row in held_out["data"][:5])
        status, answer = request(port, "POST", "/invocations", rows, {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert status == 200
        assert len(answer.splitlines()) == 5
        assert request(port, "POST", "/invocations", "x", {"Content-Type": "image/png"})[0] == 415
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - start < STOP_SECONDS


def test_a_failing_script(framework, program, tmp_path):
    _, training, _ = framework
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "train.py").write_text("import sys; sys.exit('wrong data')", encoding="utf-8")
    base = make_job(tmp_path / "ml", scripts, {})
    assert run_train(program, training, base).returncode == 1
    assert (base / "output" / "failure").read_text(encoding="utf-8") == "train.py ended with exit status 1:\nwrong data"


def test_sigterm_reaches_the_script(framework, program, tmp_path):
    _, training, _ = framework
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "train.py").write_text(
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nprint('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n",
        encoding="utf-8",
    )
    base = make_job(tmp_path / "ml", scripts, {})
    command = [program, "run", "--rm", "-v", f"{base}:/opt/ml", training, "train"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert (base / "output" / "success").exists()


def test_a_host_that_does_not_resolve(framework, program, tmp_path):
    _, training, _ = framework
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "train.py").write_text("print('ran')", encoding="utf-8")
    base = make_job(tmp_path / "ml", scripts, {})
    hosts = {"current_host": "localhost", "hosts": ["localhost", "algo-2.invalid"]}
    (base / "input" / "config" / "resourceconfig.json").write_text(json.dumps(hosts), encoding="utf-8")
    done = run_train(program, training, base, "-e", "DLC_HOSTS_TIMEOUT=3", "-e", "DLC_SSH=0")
    assert done.returncode == 1
    assert "algo-2.invalid" in (base / "output" / "failure").read_text(encoding="utf-8")
    assert "ran" not in done.stdout
