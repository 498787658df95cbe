"""Which variables a worker of the model server gets: its share of the CPUs, and a GPU of its own."""
import pathlib
import sys
import types

import pytest

sys.dont_write_bytecode = True  # artifacts/ is copied into images as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "serving"))
pytest.importorskip("h11")
from dlc_serving.pool import worker_environment  # noqa: E402


def settings(gpus, threads=2):
    return types.SimpleNamespace(gpus=gpus, threads=threads)


def devices(gpus, places, **given):
    return [worker_environment(given, settings(gpus), place).get("CUDA_VISIBLE_DEVICES") for place in places]


def test_workers_take_the_gpus_in_turn():
    # As every GPU image says it; the container's runtime has taken it into account by then.
    assert devices(3, range(5), NVIDIA_VISIBLE_DEVICES="all") == ["0", "1", "2", "0", "1"]
    assert devices(2, range(2), NVIDIA_VISIBLE_DEVICES="GPU-8f6,GPU-1b2") == ["0", "1"]
    assert devices(1, range(3)) == ["0", "0", "0"]


def test_without_gpus_nothing_is_said():
    assert devices(0, range(2), NVIDIA_VISIBLE_DEVICES="all") == [None, None]


def test_the_choice_of_the_user_stays():
    assert devices(4, range(2), CUDA_VISIBLE_DEVICES="3") == ["3", "3"]
    assert devices(4, range(2), CUDA_VISIBLE_DEVICES="") == ["", ""]


def test_threads():
    assert worker_environment({"A": "b"}, settings(0, threads=3), 0) == {"A": "b", "OMP_NUM_THREADS": "3"}
    assert worker_environment({"OMP_NUM_THREADS": "7"}, settings(0, threads=0), 0) == {"OMP_NUM_THREADS": "7"}
