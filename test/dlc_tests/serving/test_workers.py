"""What becomes of the model server when its workers die, cannot be started, hang or never load."""
import json
import os
import resource
import signal
import threading
import time

import pytest
from endpoints import message

numpy = pytest.importorskip("numpy")
pytest.importorskip("h11")

PID = """
import os
def model_fn(d): return 1
def predict_fn(x, m): return os.getpid()
"""


def wait_for_text(server, words, seconds=15):
    until = time.monotonic() + seconds
    while words not in server.text():
        assert time.monotonic() < until, server.text()
        time.sleep(0.05)


def post_model(server, name, url):
    return server.request("POST", "/models", json.dumps({"model_name": name, "url": str(url)}))


def test_a_worker_that_cannot_be_started_is_tried_again(model, serve):
    server = serve(model(PID)).wait()
    worker = json.loads(server.invoke("[1]")[1])
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
    os.kill(worker, signal.SIGKILL)
    wait_for_text(server, "could not be started")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
    server.wait(200)
    assert json.loads(server.invoke("[1]")[1]) != worker


@pytest.mark.parametrize("error", ["OSError('no room')", "ZeroDivisionError('no room')"])
def test_whatever_ends_the_loading_ends_the_server(model, serve, tmp_path, error):
    (tmp_path / "sitecustomize.py").write_text(f"import tempfile\ndef mkdtemp(**_): raise {error}\ntempfile.mkdtemp = mkdtemp\n")
    server = serve(model(PID, **{"requirements.txt": ""}), modules=tmp_path)
    assert server.process.wait(20) == 1
    assert "cannot be loaded" in server.text() and "no room" in server.text()


def test_names_that_are_no_text(model, serve, tmp_path):
    server = serve(tmp_path, SAGEMAKER_MULTI_MODEL="true").wait()
    assert post_model(server, "\ud800", model(PID))[0] == 400
    assert json.loads(server.request("GET", "/models")[1]) == {"models": []}


@pytest.mark.parametrize("session", ["pass", "os.setsid()"])
def test_a_worker_that_dies_beside_what_it_has_forked(model, serve, session):
    code = f"""
import os, time
def model_fn(d): return 1
def predict_fn(x, m):
    if os.fork() == 0:
        {session}
        time.sleep(8)
        os._exit(0)
    time.sleep(0.2)
    os._exit(3)
"""
    server = serve(model(code)).wait()
    start = time.monotonic()
    answer = server.invoke("[1]")
    assert answer[0] == 500 and "exit status 3" in message(answer)
    assert time.monotonic() - start < 4


def test_a_worker_that_dies_while_loading_beside_what_it_has_forked(model, serve):
    code = "import os, time\ndef model_fn(d): os.fork() or time.sleep(20); os._exit(3)"
    server = serve(model(code))
    assert server.process.wait(15) == 1
    assert "exit status 3 while it loaded" in server.text()


def test_the_log_says_why_the_server_ended_a_worker(model, serve):
    code = "import time\ndef model_fn(d): return 1\ndef predict_fn(x, m): time.sleep(9)"
    server = serve(model(code), SAGEMAKER_MODEL_SERVER_TIMEOUT="0.5").wait()
    assert server.invoke("[1]")[0] == 504
    wait_for_text(server, "a request took more than 0.5 s; starting it again")
    assert "out of memory" not in server.text()


def test_a_model_that_never_loads_can_be_removed(model, serve, tmp_path):
    url = model("import time\ndef model_fn(d): time.sleep(60)")
    server = serve(tmp_path, SAGEMAKER_MULTI_MODEL="true").wait()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(post_model(server, "one", url)))
    thread.start()
    until = time.monotonic() + 10
    while server.request("GET", "/models/one")[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert server.request("DELETE", "/models/one")[0] == 200
    thread.join()
    assert answers[0][0] == 409 and "deleted while it was being loaded" in message(answers[0])
    assert post_model(server, "one", model(PID))[0] == 200


def test_the_working_directory_is_no_place_for_modules_of_a_worker(model, serve, tmp_path):
    (tmp_path / "struct.py").write_text("raise SystemExit(5)")
    assert serve(model(PID), directory=tmp_path).wait().invoke("[1]")[0] == 200


@pytest.mark.parametrize("program", ["signal.py", "my.model.py", "sub/handler.py", "absolute"])
def test_names_of_programs(model, serve, program):
    folder = model("raise ValueError('not this one')")
    name = str(folder / "code" / "other.py") if program == "absolute" else program
    path = folder / "code" / name
    path.parent.mkdir(exist_ok=True)
    (path.parent / "near.py").write_text("VALUE = 7")
    start = "from . import near" if "/" in program else "import near"
    path.write_text(f"{start}\ndef model_fn(d): return near.VALUE\ndef predict_fn(x, m): return m\n")
    assert serve(folder, SAGEMAKER_PROGRAM=name).wait().invoke("[1]")[1] == b"7"


def test_odd_requests_to_a_server_of_many_models(model, serve, tmp_path):
    server = serve(tmp_path, SAGEMAKER_MULTI_MODEL="true").wait()
    assert server.request("GET", "/models?limit=" + "9" * 5000)[0] == 400
    assert server.request("POST", "/models", "[" * 100000)[0] == 400
    code = "import logging\ndef model_fn(d): return 1\ndef predict_fn(x, m): logging.error('a line'); raise ValueError('no')"
    assert post_model(server, "50%s%d", model(code))[0] == 200
    assert server.invoke("[1]", path="/models/50%25s%25d/invoke")[0] == 500
    assert "[50%s%d] a line" in server.text()


def test_errors_of_workers_have_the_type_of_their_status(model, serve):
    server = serve(model(PID)).wait()
    for arguments, kind in ((("[",), "BadRequest"), (("[1]", "image/png"), "UnsupportedMediaType"), (("[1]", "application/json", "image/png"), "NotAcceptable")):
        assert json.loads(server.invoke(*arguments)[1])["type"] == kind
