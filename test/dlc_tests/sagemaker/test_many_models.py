"""Many models in one container, and every form of a model's own code: each is loaded, asked and unloaded through the API."""
import concurrent.futures
import json
import shutil

import pytest
from endpoints import JSON, START_SECONDS, message
from models import PACKAGE, add_code, damaged

FOLDER = "/opt/ml/models"  # SageMaker has each at NAME/model
# id: (files of code/ beside the trained model or alone, content type, Accept, body, expected type, expected body)
FORMS = {
    # What the framework's own functions give, a tensor of the framework perhaps, in a form of the user's.
    "output_fn": (
        {
            "inference.py": "import json, numpy\ndef output_fn(prediction, accept):\n"
            "    host = prediction.asnumpy() if hasattr(prediction, 'asnumpy') else numpy.asarray(prediction)\n"
            "    return json.dumps({'digits': host.argmax(axis=1).tolist()}), 'application/vnd.own+json'\n"
        },
        (JSON, None, None),
        ("application/vnd.own+json", None),
    ),
    "four functions": (
        {
            "lib/helper.py": "def join(*words): return ' '.join(map(str, words))",
            "inference.py": "import os, helper\ndef model_fn(model_dir): return sorted(os.listdir(model_dir))\n"
            "def input_fn(body, content_type): return [type(body).__name__, body, content_type]\n"
            "def predict_fn(data, model): return helper.join(*data, model[0])\n"
            "def output_fn(prediction, accept): return helper.join(prediction, accept)\n",
        },
        ("text/plain", "text/html", "you"),
        ("text/html", b"str you text/plain code text/html"),
    ),
    "transform_fn": (
        {
            "inference.py": "def model_fn(model_dir): return 3\n"
            "def transform_fn(model, body, content_type, accept): return body * model + content_type.encode(), accept\n"
        },
        ("application/octet-stream", "image/png", b"\xff\x00"),
        ("image/png", b"\xff\x00" * 3 + b"application/octet-stream"),
    ),
    # No model_fn, and no model of the framework's.
    "handler": (
        {
            "inference.py": "def handler(data, context):\n"
            "    return data.read()[::-1] + context.custom_attributes.encode() + context.model_name.encode(), context.accept_header\n"
        },
        ("application/octet-stream", "text/plain", b"abc"),
        ("text/plain", b"cba!handler"),
    ),
    "requirements.txt": (
        {"inference.py": "import greeting\ndef model_fn(d): return 0\ndef predict_fn(data, model): return greeting.TEXT\n", **PACKAGE},
        (JSON, None, b"[1]"),
        (JSON, b'"hello"'),
    ),
    "status": (
        {
            "inference.py": "from dlc_serving.errors import Conflict\ndef model_fn(d): return 0\n"
            "def predict_fn(data, model): raise Conflict('no such row')\n"
        },
        (JSON, None, b"[1]"),
        (409, "no such row"),
    ),
    "error": (
        {"inference.py": "def model_fn(d): return 0\ndef predict_fn(data, model): return 1 / 0\n"},
        (JSON, None, b"[1]"),
        (500, "ZeroDivisionError: division by zero"),
    ),
}
CODE = {
    "double": "def model_fn(d): return 2\ndef predict_fn(data, model): return data * model\n",
    "no memory": "def model_fn(d): raise MemoryError('too big')\n",
    "wrong": "import no_such_module\n",
}


@pytest.fixture(scope="module")
def models(framework, trained, tmp_path_factory):
    """The server. Models: digits (the trained one), damaged, and those of FORMS and CODE by name."""
    base = tmp_path_factory.mktemp("models")
    shutil.copytree(trained.model, base / "digits" / "model")
    (base / "damaged").mkdir()
    damaged(trained.model, base / "damaged" / "model")
    shutil.copytree(trained.model, base / "output_fn" / "model")
    for name, (files, *_) in FORMS.items():
        add_code(base / name / "model", files)
    for name, code in CODE.items():
        add_code(base / name / "model", {"inference.py": code})
    server = framework.serve(base / "serve.log", base, FOLDER, SAGEMAKER_MULTI_MODEL="true", DLC_MAX_MODELS="3")
    try:
        yield server.wait(seconds=START_SECONDS)
        assert server.stop() == 0, server.text()
    finally:
        server.kill()


def load(server, name, folder=None):
    """(status, message)"""
    value = {"model_name": name, "url": f"{FOLDER}/{folder or name}/model"}
    answer = server.request("POST", "/models", json.dumps(value), {"Content-Type": JSON}, timeout=START_SECONDS)
    return answer[0], json.loads(answer[1])["status"] if answer[0] == 200 else message(answer)


def unload(server, name):
    return server.request("DELETE", f"/models/{name}")[0]


@pytest.mark.parametrize("form", FORMS)
def test_own_code(models, trained, form):
    _, (kind, accept, body), (expected, answer) = FORMS[form]
    name = form.partition(" ")[0]
    assert load(models, name, form) == (200, f'Model "{name}" loaded')
    try:
        headers = {"Content-Type": kind, "X-Amzn-SageMaker-Custom-Attributes": "!", **({"Accept": accept} if accept else {})}
        if body is None:  # the held-out rows
            body = json.dumps(trained.held_out["data"])
            answer = json.dumps({"digits": [row.index(max(row)) for row in trained.held_out["scores"]]}).encode()
        status, found, headers = models.request("POST", f"/models/{name}/invoke", body, headers)
        if isinstance(expected, int):
            assert status == expected
            assert message((status, found, headers)) == answer
        else:
            assert (status, headers["Content-Type"], found) == (200, expected, answer)
    finally:
        assert unload(models, name) == 200


def test_the_life_of_models(models, trained):
    row, scores = trained.held_out["data"][:1], trained.held_out["scores"][0]
    assert models.json("GET", "/models") == (200, {"models": []})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        wanted = [("a", "digits"), ("b", "double"), ("c", "double")]
        assert [status for status, _ in pool.map(lambda pair: load(models, *pair), wanted)] == [200] * 3
    assert load(models, "a", "digits") == (409, "model a is loaded already")
    assert load(models, "d", "double") == (507, "3 models are loaded, as many as DLC_MAX_MODELS allows")

    first = models.json("GET", "/models?limit=2")[1]
    assert [entry["modelName"] for entry in first["models"]] == ["a", "b"]
    rest = models.json("GET", f"/models?limit=2&next_page_token={first['nextPageToken']}")[1]
    assert rest == {"models": [{"modelName": "c", "modelUrl": f"{FOLDER}/double/model"}]}
    assert models.json("GET", "/models?limit=none")[0] == 400
    assert models.json("GET", "/models/a") == (200, {"modelName": "a", "modelUrl": f"{FOLDER}/digits/model"})

    status, found = models.json("POST", "/models/a/invoke", row)
    assert status == 200 and max(abs(x - y) for x, y in zip(found[0], scores)) < 1e-3
    assert models.json("POST", "/models/b/invoke", [[1, 2]]) == (200, [[2, 4]])
    assert models.json("GET", "/models/a/invoke")[0] == 405
    assert models.json("POST", "/models/none/invoke", row)[0] == 404
    assert models.json("POST", "/invocations", row)[0] == 404
    assert models.ping() == 200

    assert [unload(models, name) for name in ("a", "a", "b")] == [200, 404, 200]
    assert models.json("GET", "/models/a")[0] == 404
    assert models.json("POST", "/models/a/invoke", row)[0] == 404
    assert models.json("POST", "/models/c/invoke", [3]) == (200, [6])
    assert load(models, "a", "double")[0] == 200
    assert models.json("POST", "/models/a/invoke", [3]) == (200, [6])
    assert [unload(models, name) for name in ("a", "c")] == [200, 200]


REFUSED = {
    # id: (name, folder, status, what the message must say)
    "damaged": ("m", "damaged", 500, "model m cannot be loaded: "),
    "code": ("m", "wrong", 500, "ModuleNotFoundError: No module named 'no_such_module'"),
    "memory": ("m", "no memory", 507, "too big"),
    "folder": ("m", "none", 400, f"{FOLDER}/none/model is not a folder"),
    "name": ("a/b", "digits", 400, "model_name must be text without slashes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_cannot_be_loaded(models, case):
    name, folder, status, words = REFUSED[case]
    before = models.json("GET", "/models")
    found, text = load(models, name, folder)
    assert found == status, text
    assert words in text
    assert models.json("GET", "/models") == before
    assert models.ping() == 200
