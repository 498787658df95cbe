"""Training and inference on this machine, as SageMaker does it: `train` with /opt/ml, then `serve` with the model it wrote."""
import ast
import contextlib
import json
import re
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

REQUIRED_ACCURACY = 0.95
SCRIPT = "tensorflow/sagemaker/train.py"
PING_SECONDS = 240  # what SageMaker waits


def prepare(base, script, hyperparameters):
    """/opt/ml of a training job: the script is the user's code, hyperparameters are text as SageMaker passes them."""
    for folder in ("code", "input/config", "model", "output"):
        (base / folder).mkdir(parents=True)
    (base / "code" / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    config = base / "input" / "config"
    values = {"sagemaker_program": script.name, **{key: str(value) for key, value in hyperparameters.items()}}
    (config / "hyperparameters.json").write_text(json.dumps(values), encoding="utf-8")
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}), encoding="utf-8")
    (config / "inputdataconfig.json").write_text("{}", encoding="utf-8")


def train(image, base, script, **hyperparameters):
    prepare(base, script, hyperparameters)
    image.run("train", options=("-v", f"{base}:/opt/ml"), timeout=600)
    assert (base / "output" / "success").exists()
    assert not (base / "output" / "failure").exists()
    return json.loads((base / "output" / "data" / "held_out.json").read_text(encoding="utf-8"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Endpoint:
    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def request(self, path, body=None, headers=None):
        """(status, body)"""
        request = urllib.request.Request(self.address + path, data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path, value):
        status, body = self.request(path, json.dumps(value).encode(), {"Content-Type": "application/json"})
        assert status == 200, body
        return json.loads(body)

    def wait_until_ready(self, process):
        """Seconds until /ping says 200."""
        start = time.monotonic()
        while time.monotonic() - start < PING_SECONDS:
            assert process.poll() is None, "serve ended"
            with contextlib.suppress(OSError):
                if self.request("/ping") == (200, b""):
                    return time.monotonic() - start
            time.sleep(0.05)
        raise AssertionError(f"no 200 from /ping in {PING_SECONDS} s")


@contextlib.contextmanager
def served(image, model, *options):
    port = free_port()
    command = image.command(
        "serve", options=("-v", f"{model}:/opt/ml/model:ro", "-e", f"SAGEMAKER_BIND_TO_PORT={port}", *options)
    )
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        endpoint = Endpoint(port)
        endpoint.seconds = endpoint.wait_until_ready(process)
        yield endpoint
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def to_npy(rows):
    """The bytes of a .npy file of float32: Debian's Python has no numpy."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    header += " " * (-(len(header) + 11) % 64) + "\n"
    values = [value for row in rows for value in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}f", *values)


def from_npy(body):
    assert body[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", body[8:10])
    header = ast.literal_eval(body[10 : 10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    rows, columns = header["shape"]
    values = struct.unpack(f"<{rows * columns}f", body[10 + length :])
    return [values[row * columns : (row + 1) * columns] for row in range(rows)]


def same(found, expected):
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected):
        assert len(row) == len(wanted)
        assert max(abs(value - other) for value, other in zip(row, wanted)) < 1e-5


def digits_of(scores):
    return [max(range(len(row)), key=row.__getitem__) for row in scores]


def test_saved_model_is_trained_and_served(tensorflow_training, tensorflow_inference, container_tests, tmp_path):
    base = tmp_path / "ml"
    held_out = train(tensorflow_training, base, container_tests / SCRIPT, epochs=40)
    assert len(held_out["data"]) == 599
    assert held_out["accuracy"] >= REQUIRED_ACCURACY

    rows, labels, scores = held_out["data"], held_out["labels"], held_out["scores"]
    with served(tensorflow_inference, base / "model") as endpoint:
        # /invocations in every format; the whole held-out third gives the accuracy that training measured.
        status, body = endpoint.request(
            "/invocations", to_npy(rows), {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
        )
        assert status == 200, body
        answer = from_npy(body)
        same(answer, scores)
        right = sum(found == label for found, label in zip(digits_of(answer), labels))
        assert right / len(labels) == held_out["accuracy"]

        few, expected = rows[:5], scores[:5]
        same(endpoint.json("/invocations", few), expected)
        text = "\n".join(",".join(map(str, row)) for row in few)
        status, body = endpoint.request("/invocations", text.encode(), {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert status == 200, body
        same([[float(cell) for cell in line.split(",")] for line in body.decode().splitlines()], expected)

        # TensorFlow Serving's paths: rows and columns.
        same(endpoint.json("/v1/models/model:predict", {"instances": few})["predictions"], expected)
        same(endpoint.json("/v1/models/model/versions/1:predict", {"inputs": {"pixels": few}})["outputs"], expected)
        status, body = endpoint.request("/v1/models/model")
        assert status == 200 and json.loads(body)["model_version_status"][0]["state"] == "AVAILABLE"
        status, body = endpoint.request("/v1/models/model/metadata")
        signature = json.loads(body)["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert [dim["size"] for dim in signature["inputs"]["pixels"]["tensor_shape"]["dim"]] == ["-1", "64"]

        # Rows of the wrong length are the client's error and harm nobody after it.
        status, body = endpoint.request("/invocations", b"[[1, 2, 3]]", {"Content-Type": "application/json"})
        assert status == 400, body
        same(endpoint.json("/invocations", few), expected)


def test_keras_file_is_trained_and_served(tensorflow_training, tensorflow_inference, container_tests, tmp_path):
    base = tmp_path / "ml"
    held_out = train(tensorflow_training, base, container_tests / SCRIPT, epochs=40, format="keras")
    assert held_out["accuracy"] >= REQUIRED_ACCURACY
    assert [path.name for path in (base / "model").iterdir()] == ["digits.keras"]
    with served(tensorflow_inference, base / "model", "-e", "SAGEMAKER_MODEL_SERVER_WORKERS=1") as endpoint:
        same(endpoint.json("/invocations", held_out["data"][:20]), held_out["scores"][:20])


def test_handler_of_the_model_is_used(tensorflow_training, tensorflow_inference, container_tests, tmp_path):
    base = tmp_path / "ml"
    held_out = train(tensorflow_training, base, container_tests / SCRIPT, epochs=5)
    code = base / "model" / "code"
    code.mkdir()
    (code / "inference.py").write_text(
        "import json\n\n\ndef output_fn(prediction, accept):\n"
        "    return json.dumps({'digits': prediction.argmax(axis=1).tolist()}), 'application/json'\n",
        encoding="utf-8",
    )
    with served(tensorflow_inference, base / "model", "-e", "SAGEMAKER_MODEL_SERVER_WORKERS=1") as endpoint:
        assert endpoint.json("/invocations", held_out["data"]) == {"digits": digits_of(held_out["scores"])}


def test_import_warns_of_nothing(tensorflow_training, tensorflow_inference):
    for image in (tensorflow_training, tensorflow_inference):
        done = image.run("python3", "-c", "import tensorflow as tf; print(tf.__version__)")
        assert re.fullmatch(r"2\.\d+\.\d+\n", done.stdout)
        # TensorFlow tells on stderr how it was built (I0000 ...); W, E and F are what somebody would have to look at.
        assert not re.search(r"^[WEF]\d{4} |Traceback|Error", done.stderr, re.MULTILINE), done.stderr


def test_threads_follow_the_quota(tensorflow_training):
    # TensorFlow itself looks at the CPU set only.
    script = "import os, tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads(), os.environ['TF_NUM_INTRAOP_THREADS'])"
    assert tensorflow_training.run("python3", "-c", script, options=("-e", "OMP_NUM_THREADS=1")).stdout == "0 1\n"


def test_inference_has_no_training_extras(tensorflow_inference):
    tensorflow_inference.run("python3", "-c", "import sklearn", status=1)


def test_what_was_trimmed_can_be_named(tensorflow_inference):
    """Headers are gone, and what a user may call is there."""
    script = "import tensorflow as tf, os; print(os.path.exists(tf.sysconfig.get_include())); tf.lite.Interpreter; tf.profiler.experimental.Profile"
    assert tensorflow_inference.run("python3", "-c", script).stdout == "False\n"
