"""What bodies mean, and which go together in a batch."""
import concurrent.futures
import io
import json
import struct

import pytest
from endpoints import CSV, JSON, NPY, message

numpy = pytest.importorskip("numpy")
pytest.importorskip("h11")

ECHO = "def model_fn(d): return 0\ndef predict_fn(x, m): return x"
COUNT = "def model_fn(d): return 0\ndef predict_fn(x, m): return x * 0 + len(x)"


def npy_header(text, data=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def saved(array):
    buffer = io.BytesIO()
    numpy.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture
def echo(model, serve):
    return serve(model(ECHO)).wait()


def test_npy_bodies_that_are_no_numbers(echo):
    for body in (
        npy_header("{'descr': '|V0', 'fortran_order': False, 'shape': (10,), }\n"),
        npy_header("{'descr': '<U0', 'fortran_order': False, 'shape': (10,), }\n"),
        npy_header("{'descr': ((((\n"),
        npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", b"1234"),
        b"PK\x03\x04" + b"\0" * 40,
        saved(numpy.array(["text"])),
        saved(numpy.zeros(2, "datetime64[s]")),
        saved(numpy.zeros(2, [("a", "<f4")])),
    ):
        answer = echo.invoke(body, NPY)
        assert answer[0] == 400, (body, answer)
    assert "of numbers" in message(answer)
    for kind in ("<f8", ">f4", "<u8", "?", "<c8"):
        assert numpy.load(io.BytesIO(echo.invoke(saved(numpy.ones(2, kind)), NPY, NPY)[1])).tolist() == [1, 1]


def test_each_line_of_a_csv_body_is_a_row(echo):
    assert json.loads(echo.invoke("1,2\r\n3,4\r\n\r\n", CSV)[1]) == [[1, 2], [3, 4]]
    for body, words in (("1,2\n#3,4\n5,6", "#3"), ("1,2\n\n5,6\n", "line 2 "), ("\n1\n", "line 1 "), ("1\r \r2", "line 2 ")):
        answer = echo.invoke(body, CSV)
        assert answer[0] == 400 and words in message(answer), answer


def together(server, *bodies):
    """The answers to requests that come at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        return [json.loads(answer[1]) for answer in pool.map(lambda body: server.invoke(body, JSON), bodies)]


def test_only_rows_that_are_alike_are_joined(model, serve):
    server = serve(model(COUNT), DLC_BATCH_SIZE="4", DLC_BATCH_DELAY_MS="500").wait()
    assert together(server, "[1, 2]", "[3, 4]") == [[2, 2], [2, 2]]
    assert together(server, "[[1.5]]", "[[2.5]]", "[[1]]", "[[1.5, 2.5]]") == [[[2]], [[2]], [[1]], [[1, 1]]]
