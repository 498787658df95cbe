"""`serve` in real containers, as SageMaker starts them: one model in /opt/ml/model, read-only."""
import concurrent.futures
import io
import json
import struct
import threading
import time

import pytest
from endpoints import CSV, JSON, NPY, START_SECONDS, decoded, encoded, message, npy
from models import PACKAGE, add_code, damaged

MIB = 1024 * 1024
ERRORS = {
    # id: (method, path, content type, accept, body, status, what the message must say)
    "json": ("POST", "/invocations", JSON, None, "[1, ", 400, "not valid JSON"),
    "json empty": ("POST", "/invocations", JSON, None, "", 400, "not valid JSON"),
    "json ragged": ("POST", "/invocations", JSON, None, "[[1], [1, 2]]", 400, "rows of equal length"),
    "json text": ("POST", "/invocations", JSON, None, '{"a": "b"}', 400, "list of numbers"),
    "json words": ("POST", "/invocations", JSON, None, '[["a"]]', 400, "<U1"),
    "no utf-8": ("POST", "/invocations", JSON, None, b"\xff\xfe\xfa", 400, "not UTF-8"),
    "csv": ("POST", "/invocations", CSV, None, "1,b", 400, "CSV"),
    "csv empty": ("POST", "/invocations", CSV, None, "", 400, "empty"),
    "npy": ("POST", "/invocations", NPY, None, b"no array", 400, ".npy"),
    "path": ("GET", "/nowhere", None, None, None, 404, "there is no /nowhere"),
    "many models": ("GET", "/models", None, None, None, 404, "there is no /models"),
    "get": ("GET", "/invocations", None, None, None, 405, "POST is"),
    "put": ("PUT", "/ping", JSON, None, "[]", 405, "GET, HEAD is"),
    "post": ("POST", "/execution-parameters", JSON, None, "[]", 405, "GET, HEAD is"),
    "accept": ("POST", "/invocations", JSON, "image/png", "[1]", 406, "image/png"),
    "large": ("POST", "/invocations", JSON, None, b" " * (6 * MIB + 1), 413, f"larger than {6 * MIB} bytes"),
    "type": ("POST", "/invocations", "image/png", None, "x", 415, "image/png"),
}
# Counts the rows that came together; a value above 100 takes a second, one below 0 fails.
COUNTING = """
import time
import greeting
assert greeting.TEXT == "hello"
def model_fn(model_dir):
    try:
        open(model_dir + "/new", "w")
    except OSError:
        return "read-only"
def predict_fn(data, model):
    if (data < 0).any(): raise ValueError("negative")
    if (data > 100).any(): time.sleep(1.5)
    assert model == "read-only"
    return data * 0 + len(data)
"""


# Answers with the resident memory of the worker and of the server, in MiB.
MEMORY = """
import os
def model_fn(model_dir): return None
def predict_fn(data, model):
    data = data * 2 + 1
    pages = [int(open(f"/proc/{process}/statm").read().split()[1]) for process in ("self", os.getppid())]
    return [count // 256 for count in pages]
"""


def close(found, expected, distance=1e-3):
    assert len(found) == len(expected)
    assert max(abs(a - b) for left, right in zip(found, expected) for a, b in zip(left, right)) < distance


@pytest.mark.parametrize("accept", [JSON, CSV, NPY])
@pytest.mark.parametrize("kind", [JSON, CSV, NPY])
def test_predictions_in_every_type(endpoint, trained, kind, accept):
    status, body, headers = endpoint.invoke(encoded(trained.held_out["data"], kind), kind, accept)
    assert status == 200, body
    assert headers["Content-Type"] == accept
    close(decoded(body, accept), trained.held_out["scores"])


@pytest.mark.parametrize("dtype", ["<f8", "<f2", ">f4", "|u1", "<u2", "<u4", "<u8", ">i8", "|b1"])
def test_arrays_of_any_dtype(endpoint, trained, dtype):
    numpy = pytest.importorskip("numpy")
    rows, body = numpy.asarray(trained.held_out["data"][:2]).astype(dtype), io.BytesIO()
    numpy.save(body, rows)
    status, scores, _ = endpoint.invoke(body.getvalue(), NPY)
    assert status == 200, scores
    close(json.loads(scores), json.loads(endpoint.invoke(json.dumps(rows.astype("float32").tolist()))[1]))


def test_arrays_of_no_numbers(endpoint):
    header = b"{'descr': '|V0', 'fortran_order': False, 'shape': (10,), }\n"
    answer = endpoint.invoke(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header, NPY)
    assert answer[0] == 400 and "of numbers" in message(answer)
    assert endpoint.ping() == 200


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_rows_in_an_object(framework, endpoint, trained, form):
    status, answer = endpoint.json("POST", "/invocations", {form: trained.held_out["data"][:3]})
    assert status == 200, answer
    if framework.name == "tensorflow":  # as SageMaker's own images answer
        answer = answer[{"instances": "predictions", "inputs": "outputs"}[form]]
    close(answer, trained.held_out["scores"][:3])


@pytest.mark.parametrize("case", ERRORS)
def test_what_the_client_does_wrong(endpoint, case):
    method, path, kind, accept, body, status, words = ERRORS[case]
    headers = {name: value for name, value in (("Content-Type", kind), ("Accept", accept)) if value}
    answer = endpoint.request(method, path, body, headers)
    assert answer[0] == status
    assert words in message(answer)
    if status == 405:
        assert answer[2]["Allow"] in ("POST", "GET, HEAD")
    assert endpoint.ping() == 200


def test_rows_of_a_wrong_length_harm_nobody(endpoint, trained):
    answer = endpoint.invoke("[[1, 2, 3]]")
    assert answer[0] in (400, 500)
    assert message(answer)
    assert endpoint.invoke(encoded(trained.held_out["data"][:1], JSON))[0] == 200


def test_ping_and_execution_parameters(endpoint):
    status, body, headers = endpoint.request("GET", "/ping")
    assert (status, body) == (200, b"")
    workers = headers["X-DLC-Workers"].partition("/")[2]
    endpoint.wait_for_workers(f"{workers}/{workers}", 120)
    status, value = endpoint.json("GET", "/execution-parameters")
    assert (status, value) == (200, {"MaxConcurrentTransforms": int(workers), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6})


def test_other_frameworks_have_no_paths_of_tensorflow(framework, endpoint):
    answer = endpoint.request("GET", "/v1/models/model")
    if framework.name == "tensorflow":
        assert answer[0] == 200
    else:
        assert answer[0] == 404 and "not a TensorFlow SavedModel" in message(answer)


def test_code_packages_batches_and_a_stop_that_finishes_what_runs(serve, tmp_path):
    model = add_code(tmp_path / "model", {"entry.py": COUNTING, **PACKAGE})
    batches = {"DLC_BATCH_SIZE": "4", "DLC_BATCH_DELAY_MS": "2000", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    server = serve(model, SAGEMAKER_PROGRAM="entry.py", **batches).wait(seconds=START_SECONDS)

    def answers(*bodies):
        with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
            return [(status, status == 200 and json.loads(body)) for status, body, _ in pool.map(server.invoke, bodies)]

    assert answers("[[1]]", "[[2], [3]]", "[[4]]", "[[5]]") == [(200, [[5]]), (200, [[5], [5]]), (200, [[5]]), (200, [[5]])]
    assert [status for status, _ in answers("[[1]]", "[[-1]]", "[[2]]", "[1, ")] == [200, 500, 200, 400]

    late = []
    thread = threading.Thread(target=lambda: late.append(server.invoke("[[101]]")))
    thread.start()
    time.sleep(2.5)  # it is in the worker now
    assert server.stop() == 0
    thread.join()
    assert late[0][:2] == (200, b"[[1]]")
    assert server.ping() is None


def test_memory_levels_out(serve, tmp_path):
    """An allocator that keeps free memory and does not find it again took 10 MiB more with each of these requests."""
    server = serve(add_code(tmp_path, {"inference.py": MEMORY}), SAGEMAKER_MODEL_SERVER_WORKERS="2", DLC_QUEUE_SIZE="4")
    server.wait(seconds=START_SECONDS).wait_for_workers("2/2", 120)
    body = npy([0] * (15 << 20))

    def highest(requests):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: server.invoke(body, NPY), range(requests)))
        assert {status for status, _, _ in answers} == {200}
        return [max(values) for values in zip(*(json.loads(answer) for _, answer, _ in answers))]

    before, after = highest(20), highest(60)
    assert all(late - early < 150 for early, late in zip(before, after)), (before, after)


def test_a_model_that_is_loaded_when_the_stop_comes(serve, tmp_path):
    server = serve(add_code(tmp_path, {"inference.py": "import time\ndef model_fn(d): time.sleep(300)"})).wait(503, START_SECONDS)
    assert server.invoke("[1]")[0] == 503
    assert server.stop() == 0


BROKEN = {
    "empty": (lambda model, folder: folder, "cannot be loaded"),
    "damaged": (damaged, "cannot be loaded"),
    "code": (lambda model, folder: add_code(folder, {"inference.py": "def model_fn(d): raise OSError('no weights')"}), "no weights"),
    "packages": (lambda model, folder: add_code(folder, {"requirements.txt": "--no-index\nno-such-package\n"}), "no-such-package"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_model_that_cannot_be_loaded_ends_the_server(serve, trained, tmp_path, case):
    make, words = BROKEN[case]
    folder = make(trained.model, tmp_path / "model")
    folder.mkdir(exist_ok=True)
    server = serve(folder)
    assert server.process.wait(START_SECONDS) == 1
    assert words in server.text()
