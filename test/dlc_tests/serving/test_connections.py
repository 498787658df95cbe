"""The port: more connections than files, answers that HTTP does not allow, clients that go away."""
import http.client
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
    until = time.monotonic() + 10
    while "starting it again" not in server.text():
        assert time.monotonic() < until, server.text()
        time.sleep(0.05)
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


SLOW = """
import time
done = 0
def model_fn(d): return 1
def predict_fn(x, m):
    global done
    done += 1
    time.sleep(float(x.sum()))
    return done
"""


def post(body, extra=b""):
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + extra
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_requests_whose_client_has_gone_are_not_computed(model, serve):
    server = serve(model(SLOW), DLC_QUEUE_SIZE="10").wait()
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(11)]
    for client in clients:
        client.sendall(post(b"[1.5]"))
    time.sleep(0.3)
    for client in clients:
        client.close()
    start = time.monotonic()
    time.sleep(0.9)
    assert json.loads(server.invoke("[0]")[1]) == 2  # the queue was full of those
    assert time.monotonic() - start < 3


def test_a_client_that_closes_its_side_gets_its_answer(model, serve):
    assert b"200 OK" in serve(model(SLOW)).wait().raw(post(b"[0]"), half_close=True)


def test_two_lengths_end_the_connection(model, serve):
    server = serve(model(SLOW)).wait()
    body = b"3\r\n[0]\r\n0\r\n\r\n"
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    answer = server.raw(head + b"Content-Length: 3\r\n\r\n" + body + post(b"[0]"))
    assert answer.count(b"HTTP/1.1 200 OK") == 1 and b"Connection: close" in answer


def test_bodies_leave_memory(model, serve, tmp_path):
    """The server believes that 40 MiB are free: two bodies of 12 MiB have no room, one of 30 has."""
    (tmp_path / "sitecustomize.py").write_text("import dlc_serving.memory\ndlc_serving.memory.free_memory = lambda: 40 << 20")
    server = serve(model(SLOW), modules=tmp_path).wait()
    large = b"[0" + b" " * (12 << 20) + b"]"
    with socket.create_connection(("127.0.0.1", server.port)) as held:
        held.sendall(post(large)[:-1])
        time.sleep(1)
        answer = server.invoke(large)
        assert answer[0] == 503 and "no memory" in message(answer)
        assert server.invoke("[0]")[0] == 200
    time.sleep(0.2)
    assert server.invoke(b"[0" + b" " * (30 << 20) + b"]")[0] == 200


def test_a_server_that_cannot_accept_any_more_ends(model, serve, tmp_path):
    code = "import dlc_serving.listener as l\nasync def accept(self): raise ZeroDivisionError\nl.Listener.accept = accept"
    (tmp_path / "sitecustomize.py").write_text(code)
    server = serve(model(PID), modules=tmp_path)
    assert server.process.wait(20) == 1
    assert "no more connections can be accepted" in server.text()


def test_answers_do_not_wait_for_acknowledgements(model, serve):
    """40 ms each, without TCP_NODELAY."""
    server = serve(model(PID)).wait()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    start = time.monotonic()
    for _ in range(50):
        connection.request("POST", "/invocations", b"[1]", {"Content-Type": JSON})
        assert connection.getresponse().read()
    assert time.monotonic() - start < 1.5
    connection.close()
