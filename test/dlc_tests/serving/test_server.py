"""The model server over HTTP: every path and status of docs/sagemaker.md that needs no framework."""
import concurrent.futures
import io
import json
import signal
import threading
import time

import pytest
from endpoints import message, npy
from models import PACKAGE, add_code

numpy = pytest.importorskip("numpy")
pytest.importorskip("h11")

DOUBLE = """
def model_fn(model_dir): return 2
def predict_fn(data, model): return data * model
"""


def test_ping_is_200_only_when_the_model_is_ready(model, serve):
    server = serve(model("import time\ndef model_fn(d): time.sleep(1.5); return 2\ndef predict_fn(x, m): return x"))
    server.wait(503)
    assert server.request("GET", "/ping")[:2] == (503, b"")
    assert server.invoke("[1]")[0] == 503
    server.wait(200)
    assert server.request("GET", "/ping")[:2] == (200, b"")


def test_types_in_and_out(model, serve):
    server = serve(model(DOUBLE)).wait()
    assert json.loads(server.invoke("[[1, 2], [3, 4]]")[1]) == [[2, 4], [6, 8]]
    assert json.loads(server.invoke('{"instances": [[1.5]]}')[1]) == [[3.0]]
    status, body, headers = server.invoke("1,2\n3,4\n", "text/csv; charset=utf-8", "text/csv")
    assert (status, body, headers["Content-Type"]) == (200, b"2.0,4.0\n6.0,8.0\n", "text/csv")
    status, body, headers = server.invoke(npy(numpy.ones((2, 3))), "application/x-npy", "application/x-npy")
    assert numpy.load(io.BytesIO(body)).tolist() == [[2.0] * 3] * 2
    assert server.invoke("[1]", accept="text/csv;q=0.1, application/json")[2]["Content-Type"] == "application/json"
    assert server.invoke("[1]", accept="text/*, image/png")[2]["Content-Type"] == "text/csv"


def test_what_the_client_does_wrong(model, serve):
    server = serve(model(DOUBLE)).wait()
    assert "image/png" in message(server.invoke("x", "image/png"))
    assert server.invoke("x", "image/png")[0] == 415
    assert server.invoke("[1]", accept="image/png")[0] == 406
    for body, kind in (("[1, ", "application/json"), ("[[1], [1, 2]]", "application/json"), ("a,b", "text/csv"), ("", "text/csv")):
        assert server.invoke(body, kind)[0] == 400
    assert server.invoke(b"\xff\xfe\xfa", "application/json")[0] == 400
    assert server.invoke(b"no array", "application/x-npy")[0] == 400
    pickled = io.BytesIO()
    numpy.save(pickled, numpy.array([{"a": 1}], dtype=object))
    assert server.invoke(pickled.getvalue(), "application/x-npy")[0] == 400
    assert server.request("GET", "/nowhere")[0] == 404
    status, _, headers = server.request("GET", "/invocations")
    assert (status, headers["Allow"]) == (405, "POST")
    assert server.request("HEAD", "/ping")[:2] == (200, b"")
    assert server.request("HEAD", "/nowhere")[:2] == (404, b"")


def test_a_handler_that_fails(model, serve):
    server = serve(model("def model_fn(d): return 0\ndef predict_fn(x, m): return secret_function(x)\ndef secret_function(x): return 1 / 0"))
    server.wait()
    answer = server.invoke("[1]")
    assert answer[0] == 500
    assert message(answer) == "ZeroDivisionError: division by zero"
    assert b"secret_function" not in answer[1]
    assert "secret_function" in server.text()
    assert server.ping() == 200


def test_a_handler_may_answer_with_a_status(model, serve):
    code = "from dlc_serving.errors import BadRequest\ndef model_fn(d): return 0\ndef predict_fn(x, m): raise BadRequest('no such row')"
    answer = serve(model(code)).wait().invoke("[1]")
    assert (answer[0], message(answer)) == (400, "no such row")


def test_own_functions(model, serve):
    code = """
import helper
def model_fn(model_dir): return model_dir
def input_fn(body, content_type): assert isinstance(body, str); return body.upper() + content_type
def predict_fn(data, model): return helper.greet(data)
def output_fn(prediction, accept): return prediction, "text/plain"
"""
    folder = model(code)
    (folder / "code" / "lib").mkdir()
    (folder / "code" / "lib" / "helper.py").write_text("def greet(name): return 'hello ' + name", encoding="utf-8")
    status, body, headers = serve(folder).wait().invoke("you", "text/plain", "text/plain")
    assert (status, body, headers["Content-Type"]) == (200, b"hello YOUtext/plain", "text/plain")


def test_transform_fn_and_handler(model, serve, tmp_path):
    server = serve(model("def model_fn(d): return 3\ndef transform_fn(m, body, kind, accept): return body * m, accept")).wait()
    assert server.invoke("ab", "text/plain", "text/html")[1] == b"ababab"
    code = "def handler(data, context): return data.read()[::-1] + context.custom_attributes.encode(), context.accept_header"
    server = serve(model(code, tmp_path / "second")).wait()
    headers = {"Content-Type": "application/octet-stream", "X-Amzn-SageMaker-Custom-Attributes": "!"}
    assert server.request("POST", "/invocations", b"abc", headers)[1] == b"cba!"


def test_a_model_that_cannot_be_loaded_ends_the_server(model, serve):
    server = serve(model("def model_fn(d): raise FileNotFoundError('no weights')"))
    assert server.process.wait(20) == 1
    assert "no weights" in server.text()


def test_a_model_without_code_says_what_is_missing(serve, tmp_path):
    server = serve(tmp_path)
    assert server.process.wait(20) == 1
    assert "must define model_fn" in server.text()


def test_a_worker_that_dies_is_started_again(model, serve):
    code = "import os, time\ndef model_fn(d): time.sleep(0.5); return 1\ndef predict_fn(x, m): os._exit(3) if x.sum() < 0 else None; return x"
    server = serve(model(code)).wait()
    answer = server.invoke("[-1]")
    assert answer[0] == 500
    assert "exit status 3" in message(answer)
    server.wait(503, 5)
    server.wait(200)
    assert server.invoke("[1]")[0] == 200


def test_a_request_that_takes_too_long(model, serve):
    code = "import time\ndef model_fn(d): return 1\ndef predict_fn(x, m): time.sleep(float(x.sum())); return x"
    server = serve(model(code), SAGEMAKER_MODEL_SERVER_TIMEOUT="1").wait()
    start = time.monotonic()
    assert server.invoke("[20]")[0] == 504
    assert time.monotonic() - start < 5
    server.wait(200)
    assert server.invoke("[0]")[0] == 200


def test_requests_beyond_the_queue_are_refused(model, serve):
    code = "import time\ndef model_fn(d): return 1\ndef predict_fn(x, m): time.sleep(0.5); return x"
    server = serve(model(code), DLC_QUEUE_SIZE="1").wait()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = [answer[0] for answer in pool.map(lambda _: server.invoke("[1]"), range(6))]
    assert set(statuses) == {200, 503}


def test_requests_are_batched_and_a_bad_one_fails_alone(model, serve):
    code = """
def model_fn(d): return []
def predict_fn(x, model):
    if (x < 0).any(): raise ValueError("negative")
    return x * 0 + len(x)
"""
    server = serve(model(code), DLC_BATCH_SIZE="4", DLC_BATCH_DELAY_MS="500").wait()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.invoke("[[1]]"), range(4)))
    assert [json.loads(answer[1]) for answer in answers] == [[[4]]] * 4
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(server.invoke, ["[[1]]", "[[-1]]", "[[2]]", "[1, "]))
    assert [answer[0] for answer in answers] == [200, 500, 200, 400]


def test_sigterm_finishes_what_runs(model, serve):
    code = "import time\ndef model_fn(d): return 1\ndef predict_fn(x, m): time.sleep(1.5); return x"
    server = serve(model(code)).wait()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.invoke("[7]")))
    thread.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.ping() is None
    thread.join()
    assert answers[0][:2] == (200, b"[7]")
    assert server.process.wait(10) == 0


def test_sigterm_while_the_model_is_loaded(model, serve):
    server = serve(model("import time\ndef model_fn(d): time.sleep(60)")).wait(503)
    assert server.stop() == 0


def test_bodies_in_chunks_and_requests_in_a_row(model, serve):
    server = serve(model(DOUBLE)).wait()
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n"
    plain = head + b"Content-Length: 3\r\n\r\n[5]"
    last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = server.raw(chunked + plain + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b"[2, 4]") < answer.index(b"[10]")


def test_expect_100_continue(model, serve):
    server = serve(model(DOUBLE)).wait()
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    answer = server.raw(head + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n[5]")
    assert b"[10]" in answer


def test_bodies_that_are_too_large(model, serve):
    server = serve(model(DOUBLE), DLC_MAX_REQUEST_SIZE="1000").wait()
    answer = server.invoke("[" + "1," * 100000 + "1]")
    assert (answer[0], message(answer)) == (413, "the body is larger than 1000 bytes")
    chunk = b"3e8\r\n" + b"1" * 1000 + b"\r\n"
    raw = server.raw(b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 413 ")


def test_what_is_no_http(model, serve):
    server = serve(model(DOUBLE)).wait()
    assert server.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert server.raw(b"GET /ping HTTP/1.1\r\nHost: x\r\nBig: " + b"a" * 100000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert server.ping() == 200


def test_clients_that_only_connect_or_stall_do_not_stop_others(model, serve):
    import socket

    server = serve(model(DOUBLE)).wait()
    stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for connection in stalled[:100]:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
    assert server.invoke("[1]")[0] == 200
    for connection in stalled:
        connection.close()
    assert server.invoke("[1]")[0] == 200


def test_a_variable_that_means_nothing(serve, tmp_path):
    server = serve(tmp_path, SAGEMAKER_MODEL_SERVER_WORKERS="many")
    assert server.process.wait(20) == 1
    assert "SAGEMAKER_MODEL_SERVER_WORKERS is 'many', not a number of at least 1" in server.text()


def test_several_workers_work_at_the_same_time(model, serve):
    code = "import time\ndef model_fn(d): return 1\ndef predict_fn(x, m): time.sleep(1); return x"
    server = serve(model(code), SAGEMAKER_MODEL_SERVER_WORKERS="3").wait_for_workers("3/3")
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert [answer[0] for answer in pool.map(lambda _: server.invoke("[1]"), range(3))] == [200] * 3
    assert time.monotonic() - start < 2.5


def test_the_first_worker_is_enough_to_answer(model, serve, tmp_path):
    """The second worker of this model waits until the test lets it go; the first has started before it."""
    gate = tmp_path / "gate"
    code = f"""
import os, pathlib, time
def model_fn(d):
    first = not os.path.exists("{gate}.first")
    pathlib.Path("{gate}.first").touch()
    while not first and not os.path.exists("{gate}"): time.sleep(0.02)
    return 1
def predict_fn(x, m): return x
"""
    server = serve(model(code), SAGEMAKER_MODEL_SERVER_WORKERS="2").wait().wait_for_workers("1/2")
    assert server.invoke("[1]")[0] == 200
    gate.touch()
    server.wait_for_workers("2/2")


@pytest.mark.parametrize("end", ["raise ValueError('no room')", "os._exit(4)"])
def test_a_worker_that_never_loads_is_given_up_where_others_serve(model, serve, tmp_path, end):
    code = f"""
import os, pathlib
def model_fn(d):
    if os.path.exists("{tmp_path}/first"): {end}
    pathlib.Path("{tmp_path}/first").touch()
    return 1
def predict_fn(x, m): return x
"""
    server = serve(model(code), SAGEMAKER_MODEL_SERVER_WORKERS="2").wait()
    until = time.monotonic() + 30
    while "worker 1 of model model" not in server.text() or "given up" not in server.text():
        assert time.monotonic() < until, server.text()
        time.sleep(0.1)
    server.wait_for_workers("1/2")
    assert server.invoke("[1]")[0] == 200
    assert server.stop() == 0


def test_a_model_of_many_is_loaded_when_all_its_workers_are(model, serve, tmp_path):
    code = f"""
import os, pathlib
def model_fn(d):
    if os.path.exists("{tmp_path}/first"): raise ValueError('no room')
    pathlib.Path("{tmp_path}/first").touch()
    return 1
"""
    url = str(model(code))
    server = serve(tmp_path, SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_MODEL_SERVER_WORKERS="2").wait()
    answer = server.request("POST", "/models", json.dumps({"model_name": "one", "url": url}))
    assert answer[0] == 500 and "no room" in message(answer)
    assert json.loads(server.request("GET", "/models")[1]) == {"models": []}


def test_many_models(model, serve, tmp_path):
    one = model(DOUBLE, tmp_path / "one" / "model")
    two = model("def model_fn(d): return 0\ndef predict_fn(x, m): return x + 100", tmp_path / "two" / "model")
    bad = model("def model_fn(d): raise MemoryError('too big')", tmp_path / "bad" / "model")
    server = serve(tmp_path, SAGEMAKER_MULTI_MODEL="true", DLC_MAX_MODELS="3").wait()

    def load(name, url):
        return server.request("POST", "/models", json.dumps({"model_name": name, "url": str(url)}))

    assert load("one", one)[0] == 200
    assert load("one", one)[0] == 409
    assert load("two", two)[0] == 200
    assert load("bad", bad)[0] == 507
    assert load("three", tmp_path / "none")[0] == 400
    assert load("a/b", one)[0] == 400
    assert server.request("POST", "/models", "{}")[0] == 400
    assert load("three", one)[0] == 200
    assert load("four", one)[0] == 507
    assert json.loads(server.invoke("[1]", path="/models/one/invoke")[1]) == [2]
    assert json.loads(server.invoke("[1]", path="/models/two/invoke")[1]) == [101]
    assert server.invoke("[1]", path="/models/none/invoke")[0] == 404
    assert server.invoke("[1]")[0] == 404
    first = json.loads(server.request("GET", "/models?limit=2")[1])
    assert [entry["modelName"] for entry in first["models"]] == ["one", "three"]
    rest = json.loads(server.request("GET", f"/models?limit=2&next_page_token={first['nextPageToken']}")[1])
    assert [entry["modelName"] for entry in rest["models"]] == ["two"]
    assert "nextPageToken" not in rest
    assert json.loads(server.request("GET", "/models/one")[1]) == {"modelName": "one", "modelUrl": str(one)}
    assert server.request("DELETE", "/models/one")[0] == 200
    assert server.request("DELETE", "/models/one")[0] == 404
    assert server.request("GET", "/models/one")[0] == 404
    assert server.invoke("[1]", path="/models/two/invoke")[0] == 200
    assert server.stop() == 0


def test_requirements_are_installed_outside_the_model(model, serve, tmp_path):
    folder = add_code(model("import greeting\ndef model_fn(d): return 0\ndef predict_fn(x, m): return greeting.TEXT"), PACKAGE)
    before = sorted(folder.rglob("*"))
    server = serve(folder, TMPDIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1").wait(seconds=60)
    assert server.invoke("[1]")[1] == b'"hello"'
    assert sorted(folder.rglob("*")) == before
