"""Container tests: run images with `dlc run` and look at what they do.

    python3 -m pytest test/dlc_tests --images pr-mxnet-training:1.9.1-cpu-py3-debian12,pr-mxnet-inference:...

--images (default: DLC_IMAGES, separated by commas or blanks) names images in the store. A test that takes `image` runs for
each; one that takes `mxnet_training`, `mxnet_inference` runs with the image whose name holds these words.
--dlc (default: DLC, else the launcher of this checkout) is the program.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
LAUNCHER = HERE.parent.parent / "dlc"


def pytest_addoption(parser):
    parser.addoption("--images", default=os.environ.get("DLC_IMAGES", ""), help="images in the store")
    parser.addoption("--dlc", default=os.environ.get("DLC", str(LAUNCHER)), help="the program")


def images_of(config):
    return [name for name in re.split(r"[,\s]+", config.getoption("--images")) if name]


def pytest_generate_tests(metafunc):
    if "image" in metafunc.fixturenames:
        metafunc.parametrize("image", images_of(metafunc.config))


class Container:
    """Runs commands in new containers of one image."""

    def __init__(self, program, image):
        self.program = program
        self.image = image

    def command(self, *arguments, options=()):
        return [self.program, "run", "--rm", *options, self.image, *arguments]

    def run(self, *arguments, options=(), status=0, timeout=300):
        """The finished process; its exit status must be `status`."""
        done = subprocess.run(
            self.command(*arguments, options=options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments, **keywords):
        return json.loads(self.run(*arguments, **keywords).stdout.splitlines()[-1])


@pytest.fixture
def program(request):
    return request.config.getoption("--dlc")


@pytest.fixture
def container(program, image):
    return Container(program, image)


def one_image(request, words):
    found = [name for name in images_of(request.config) if words in name]
    if not found:
        pytest.skip(f"no {words} image among --images")
    return Container(request.config.getoption("--dlc"), found[0])


@pytest.fixture
def mxnet_training(request):
    return one_image(request, "mxnet-training")


@pytest.fixture
def mxnet_inference(request):
    return one_image(request, "mxnet-inference")


@pytest.fixture
def tensorflow_training(request):
    return one_image(request, "tensorflow-training")


@pytest.fixture
def tensorflow_inference(request):
    return one_image(request, "tensorflow-inference")


@pytest.fixture
def pytorch_training(request):
    return one_image(request, "pytorch-training")


@pytest.fixture
def pytorch_inference(request):
    return one_image(request, "pytorch-inference")


@pytest.fixture
def container_tests():
    """The folder of scripts that run inside containers."""
    return HERE / "container_tests"
