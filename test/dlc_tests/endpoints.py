"""A model server as a client sees it, whatever runs it: a process of this machine or a container."""
import contextlib
import http.client
import io
import json
import pathlib
import signal
import socket
import subprocess
import time

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
START_SECONDS = 240  # SageMaker's limit for the first 200 of /ping
PING_SECONDS = 2  # how long SageMaker waits for an answer of /ping
STOP_SECONDS = 30  # between its SIGTERM and its SIGKILL


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def npy(array):
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, numpy.asarray(array, dtype="float32"))
    return buffer.getvalue()


def encoded(rows, kind):
    """Rows of numbers as a body of this type."""
    if kind == JSON:
        return json.dumps(rows)
    return npy(rows) if kind == NPY else "".join(",".join(map(str, row)) + "\n" for row in rows)


def decoded(body, kind):
    """The rows of a body of this type."""
    if kind == JSON:
        return json.loads(body)
    if kind == NPY:
        import numpy

        return numpy.load(io.BytesIO(body)).tolist()
    return [[float(cell) for cell in line.split(",")] for line in body.decode().splitlines()]


def message(answer):
    """The message of an error, which must be JSON with its own status."""
    status, body, headers = answer
    value = json.loads(body)
    assert headers["Content-Type"] == JSON
    assert value["code"] == status
    return value["message"]


class Endpoint:
    """A server that `command` starts, and whose output goes to the file `log`."""

    def __init__(self, command, port, log, **keywords):
        self.port = port
        self.log = pathlib.Path(log)
        with open(log, "wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=file, stdout=file, **keywords)

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, body, headers)"""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())

    def json(self, method, path, value=None):
        """(status, value)"""
        status, body, _ = self.request(method, path, None if value is None else json.dumps(value), {"Content-Type": JSON})
        return status, json.loads(body)

    def invoke(self, body, content_type=JSON, accept=None, path="/invocations"):
        headers = {"Content-Type": content_type}
        if accept:
            headers["Accept"] = accept
        return self.request("POST", path, body, headers)

    def ping(self):
        """The status; None where there is no answer. It never has a body."""
        try:
            status, body, _ = self.request("GET", "/ping", timeout=PING_SECONDS)
        except OSError:
            return None
        assert body == b""
        return status

    def wait(self, status=200, seconds=20, pause=0.05):
        until = time.monotonic() + seconds
        while (found := self.ping()) != status:
            assert found in (None, 200, 503)
            assert time.monotonic() < until, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(pause)
        return self

    def wait_for_workers(self, state, seconds=20):
        """Until /ping says that so many workers are ready, as in "1/2"."""
        until = time.monotonic() + seconds
        while self.wait().request("GET", "/ping")[2]["X-DLC-Workers"] != state:
            assert time.monotonic() < until, self.text()
            time.sleep(0.05)
        return self

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Ends it as SageMaker does; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self):
        """What a test leaves running ends without being asked about its manners."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
