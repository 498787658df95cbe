"""TensorFlow Serving's REST paths, as https://www.tensorflow.org/tfx/serving/api_rest has them, on a model with every kind of signature."""
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from containers import make_job
from endpoints import JSON, START_SECONDS, message


pytestmark = pytest.mark.only("tensorflow")


@pytest.fixture(scope="module")
def job(framework, container_tests, tmp_path_factory):
    """The folder of a job that wrote the model, as version 2."""
    base = make_job(tmp_path_factory.mktemp("rest"), container_tests / "tensorflow" / "signatures")
    done = framework.train(base)
    assert done.returncode == 0, done.stderr
    return base


@pytest.fixture(scope="module")
def rest(framework, job):
    """The server of version 2."""
    server = framework.serve(job / "serve.log", job / "model", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    try:
        yield server.wait(seconds=START_SECONDS)
    finally:
        server.kill()


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


BINARY = b"\xff\x00"
ANSWERS = {
    # id: (call, request, answer)
    "rows": ("predict", {"instances": [[1, 2], [3.5, 4]]}, {"predictions": [[2.0, 4.0], [7.0, 8.0]]}),
    "rows by name": ("predict", {"instances": [{"x": [1, 2]}]}, {"predictions": [[2.0, 4.0]]}),
    "columns": ("predict", {"inputs": [[1, 2]]}, {"outputs": [[2.0, 4.0]]}),
    "columns by name": ("predict", {"inputs": {"x": [[1, 2]]}}, {"outputs": [[2.0, 4.0]]}),
    "signature by name": ("predict", {"signature_name": "serving_default", "inputs": [[1, 2]]}, {"outputs": [[2.0, 4.0]]}),
    "not finite": ("predict", {"inputs": [[float("inf"), float("-inf")]]}, {"outputs": [[float("inf"), float("-inf")]]}),
    "several, rows": (
        "predict",
        {"signature_name": "two", "instances": [{"a": 1, "b": [1, 2]}, {"a": 0.5, "b": [3, 4]}]},
        {"predictions": [{"sum": 4.0, "twice": [2, 4]}, {"sum": 7.5, "twice": [6, 8]}]},
    ),
    "several, columns": (
        "predict",
        {"signature_name": "two", "inputs": {"a": [1, 0.5], "b": [[1, 2], [3, 4]]}},
        {"outputs": {"sum": [4.0, 7.5], "twice": [[2, 4], [6, 8]]}},
    ),
    "columns of different lengths": (
        "predict",
        {"signature_name": "outer", "inputs": {"a": [1, 2], "b": [1, 2, 3]}},
        {"outputs": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]},
    ),
    "a scalar in columns": ("predict", {"signature_name": "total", "inputs": [1, 2]}, {"outputs": 3.0}),
    "text": (
        "predict",
        {"signature_name": "text", "instances": ["abc", {"b64": "YWI="}]},
        {"predictions": [{"length": 3, "same": "abc", "same_bytes": b64(b"abc")}, {"length": 2, "same": "ab", "same_bytes": b64(b"ab")}]},
    ),
    "bytes": (
        "predict",
        {"signature_name": "text", "inputs": {"text": [b64(BINARY)]}},
        {"outputs": {"length": [2], "same": [b64(BINARY)], "same_bytes": [b64(BINARY)]}},
    ),
    "classify": (
        "classify",
        {"signature_name": "classify", "examples": [{"age": 0.25, "name": "ann"}, {"age": [0.5], "name": b64(b"bob")}]},
        {"results": [[["ann", 0.25], ["other", 0.75]], [["bob", 0.5], ["other", 0.5]]]},
    ),
    "classify with a context": (
        "classify",
        {"signature_name": "classify", "context": {"name": "all"}, "examples": [{"age": 0.25}, {}]},
        {"results": [[["all", 0.25], ["other", 0.75]], [["all", 0.0], ["other", 1.0]]]},
    ),
    "classify by inputs, without labels": (
        "classify",
        {"signature_name": "by_feature", "examples": [{"age": 0.25}]},
        {"results": [[["", 0.25], ["", 0.75]]]},
    ),
    "regress": (
        "regress",
        {"signature_name": "regress", "examples": [{"age": 0.25}, {"age": 1.0}]},
        {"results": [2.5, 10.0]},
    ),
}
ERRORS = {
    # id: (call, request or text, what the message must say)
    "no json": ("predict", "{", "not valid JSON"),
    "no object": ("predict", "[1]", "must be a JSON object"),
    "neither": ("predict", {}, 'either "instances" (rows) or "inputs" (columns)'),
    "both": ("predict", {"instances": [[1, 2]], "inputs": [[1, 2]]}, 'either "instances" (rows) or "inputs" (columns)'),
    "no rows": ("predict", {"instances": []}, "not empty"),
    "signature": ("predict", {"signature_name": "none", "instances": [1]}, 'no signature "none"; there are: by_feature, classify, flat, outer'),
    "signature of no name": ("predict", {"signature_name": [1], "instances": [1]}, "there is no signature"),
    "input": ("predict", {"inputs": {"z": [[1, 2]]}}, "['x']; the request has ['z']"),
    "shape": ("predict", {"inputs": [[1, 2, 3]]}, "x is a float32 tensor of shape (None, 2), not (1, 3)"),
    "ragged": ("predict", {"inputs": [[1, 2], [3]]}, "x is a float32 tensor of shape (None, 2)"),
    "type": ("predict", {"inputs": [["a", "b"]]}, "x is a float32 tensor"),
    "null": ("predict", {"inputs": [[None, 1]]}, "x is a float32 tensor"),
    "fraction": ("predict", {"signature_name": "two", "inputs": {"a": [1], "b": [[1.5, 1]]}}, "b is a int32 tensor"),
    "range": ("predict", {"signature_name": "two", "inputs": {"a": [1], "b": [[3000000000, 1]]}}, "numbers are -2147483648 to 2147483647"),
    "number": ("predict", {"signature_name": "text", "inputs": [5]}, "text is a string tensor"),
    "base64": ("predict", {"signature_name": "text", "inputs": [{"b64": "?"}]}, "not valid base64"),
    "several unnamed": ("predict", {"signature_name": "two", "instances": [1]}, "several inputs (a, b)"),
    "rows that differ": ("predict", {"signature_name": "two", "instances": [{"a": 1, "b": [1, 2]}, {"a": 1}]}, "all name the same inputs"),
    "no row for each": ("predict", {"signature_name": "total", "instances": [1, 2]}, "output total does not have a row"),
    "no examples": ("classify", {"signature_name": "classify", "examples": []}, '"examples"'),
    "whole number": ("classify", {"signature_name": "classify", "examples": [{"age": 1}]}, "age"),
    "feature": ("classify", {"signature_name": "classify", "examples": [{"age": {"a": 1}}]}, "feature age must be"),
    "large number": ("classify", {"signature_name": "classify", "examples": [{"age": 2**70}]}, "feature age"),
    "different features": ("classify", {"signature_name": "by_feature", "examples": [{"age": 1.0}, {}]}, "all have the same features"),
    "no list of scores": ("classify", {"signature_name": "flat", "examples": [{"age": 1.0}]}, "a list for each of the 1 examples"),
    "no classes": ("classify", {"signature_name": "regress", "examples": [{"age": 1.0}]}, "does not classify"),
    "no regression": ("regress", {"signature_name": "classify", "examples": [{"age": 1.0}]}, "does not regress"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer(rest, case):
    verb, request, answer = ANSWERS[case]
    assert rest.json("POST", f"/v1/models/model:{verb}", request) == (200, answer)
    assert rest.json("POST", f"/v1/models/model/versions/2:{verb}", request) == (200, answer)


@pytest.mark.parametrize("case", [name for name in ANSWERS if ANSWERS[name][0] == "predict"])
def test_invocations_take_the_same_requests(rest, case):
    _, request, answer = ANSWERS[case]
    assert rest.json("POST", "/invocations", request) == (200, answer)


def test_invocations_in_one_batch(framework, job):
    batches = {"DLC_BATCH_SIZE": "3", "DLC_BATCH_DELAY_MS": "2000", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    server = framework.serve(job / "batch.log", job / "model", **batches)
    try:
        server.wait(seconds=START_SECONDS)
        for others, status in ([[[3.5, 4], [5, 6]], 200], [[[1, 2, 3]], 400]):
            requests = [{"instances": [[1, 2]]}, {"instances": others}, {"instances": [[0, 1]]}]
            with ThreadPoolExecutor(len(requests)) as pool:
                answers = list(pool.map(lambda request: server.json("POST", "/invocations", request), requests))
            assert answers[0] == (200, {"predictions": [[2.0, 4.0]]}) and answers[2] == (200, {"predictions": [[0.0, 2.0]]})
            assert answers[1][0] == status
            if status == 200:
                assert answers[1][1] == {"predictions": [[7.0, 8.0], [10.0, 12.0]]}
    finally:
        server.kill()


def test_invocations_with_a_signature_that_is_not_there(rest):
    answer = rest.request("POST", "/invocations", json.dumps({"signature_name": "none", "instances": [1]}), {"Content-Type": JSON})
    assert answer[0] == 400 and 'no signature "none"' in message(answer)


def error(answer):
    """The message, under the key of TensorFlow Serving too."""
    assert json.loads(answer[1])["error"] == message(answer)
    return message(answer)


@pytest.mark.parametrize("case", ERRORS)
def test_what_the_client_does_wrong(rest, case):
    verb, request, words = ERRORS[case]
    body = request if isinstance(request, str) else json.dumps(request)
    answer = rest.request("POST", f"/v1/models/model:{verb}", body, {"Content-Type": JSON})
    assert answer[0] == 400, answer[1]
    assert words in error(answer)


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/other/metadata", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("GET", "/v1/models/model/versions/1", 404),
        ("POST", "/v1/models/model/versions/3:predict", 404),
        ("GET", "/v1/models/model:predict", 405),
        ("POST", "/v1/models/model", 405),
    ],
)
def test_paths_that_are_not_there(rest, method, path, status):
    answer = rest.request(method, path, "{}" if method == "POST" else None)
    assert answer[0] == status
    assert error(answer)


@pytest.mark.parametrize("path", ["/v1/models/model", "/v1/models/model/versions/2"])
def test_status(rest, path):
    state = {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert rest.json("GET", path) == (200, {"model_version_status": [state]})


@pytest.mark.parametrize("path", ["/v1/models/model/metadata", "/v1/models/model/versions/2/metadata"])
def test_metadata(rest, path):
    status, value = rest.json("GET", path)
    assert (status, value["model_spec"]) == (200, {"name": "model", "signature_name": "", "version": "2"})
    found = {name: SimpleNamespace(**entry) for name, entry in value["metadata"]["signature_def"]["signature_def"].items()}
    assert {"serving_default", "two", "text", "classify", "regress"} <= set(found)
    assert found["serving_default"].method_name == "tensorflow/serving/predict"
    assert found["classify"].method_name == "tensorflow/serving/classify"
    assert found["serving_default"].inputs["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
        "name": "serving_default_x:0",
    }
    assert sorted(found["two"].inputs) == ["a", "b"] and sorted(found["two"].outputs) == ["sum", "twice"]
