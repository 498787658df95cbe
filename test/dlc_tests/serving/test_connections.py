"""The port: more connections than files, answers that HTTP does not allow, clients that go away."""
import json
import os
import signal
import socket
import time

import pytest
from endpoints import JSON, message

pytest.importorskip("numpy")
pytest.importorskip("h11")

PID = """
import os
def model_fn(d): return 1
def predict_fn(x, m): return os.getpid()
"""


def test_more_idle_connections_than_files(model, serve):
    server = serve(model(PID), files=(64, 64)).wait()
    worker = json.loads(server.invoke("[1]")[1])
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    time.sleep(0.5)
    assert server.invoke("[1]")[0] == 200
    os.kill(worker, signal.SIGKILL)
    server.wait(503)
    server.wait(200)
    assert server.invoke("[1]")[0] == 200
    assert server.text().count("as many as a limit of 64 open files allows") == 1
    assert len(server.text()) < 5000
    for connection in idle:
        connection.close()
    assert server.stop() == 0


def test_the_soft_limit_of_files_is_raised(model, serve):
    server = serve(model(PID), files=(40, 400)).wait()
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(150)]
    assert server.invoke("[1]")[0] == 200
    for connection in idle:
        connection.settimeout(0.001)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.close()


@pytest.mark.parametrize("kind", ["text/pl\u00e4in", "text/plain\\r\\nX: y", " ", "text/plain "])
def test_answers_that_http_does_not_allow(model, serve, kind):
    code = f"def model_fn(d): return 1\ndef predict_fn(x, m): return x\ndef output_fn(p, accept): return 'x', '{kind}'"
    server = serve(model(code)).wait()
    answer = server.invoke("[1]")
    assert answer[0] == 500 and "content type" in message(answer)


def test_a_status_that_http_does_not_allow(model, serve):
    code = "from dlc_serving.errors import RequestError\ndef model_fn(d): return 1\ndef predict_fn(x, m): raise RequestError('x', 99)"
    assert serve(model(code)).wait().invoke("[1]")[0] == 500


def test_accept_that_is_no_type(model, serve):
    server = serve(model("def model_fn(d): return 1\ndef predict_fn(x, m): return x\ndef output_fn(p, accept): return 'x'")).wait()
    answer = server.request("POST", "/invocations", "[1]", {"Content-Type": JSON, "Accept": "text/pl\u00e4in".encode("latin-1")})
    assert answer[0] == 406


def test_a_port_that_is_none(serve, tmp_path):
    server = serve(tmp_path, SAGEMAKER_BIND_TO_PORT="99999")
    assert server.process.wait(20) == 1
    assert "SAGEMAKER_BIND_TO_PORT is '99999', not a number of at most 65535" in server.text()
    assert "Traceback" not in server.text()
