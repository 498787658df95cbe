"""Container tests: run images with `dlc run` and look at what they do.

    python3 -m pytest test/dlc_tests --images pr-mxnet-training:1.9.1-cpu-py3-debian12,pr-mxnet-inference:...

--images (default: DLC_IMAGES, separated by commas or blanks) names images in the store. A test that takes `image` runs for
each; one that takes `mxnet_training`, `mxnet_inference` runs with the image whose name holds these words.
--dlc (default: DLC, else the launcher of this checkout) is the program. --mount HOST:CONTAINER:ro is mounted in every container:
artifacts that are no part of the images yet.
"""
import os

import pytest
from containers import HERE, Container, images_of, one_image

LAUNCHER = HERE.parent.parent / "dlc"


def pytest_addoption(parser):
    parser.addoption("--images", default=os.environ.get("DLC_IMAGES", ""), help="images in the store")
    parser.addoption("--dlc", default=os.environ.get("DLC", str(LAUNCHER)), help="the program")
    parser.addoption("--mount", action="append", default=[], help="HOST:CONTAINER[:ro], in every container")


def pytest_generate_tests(metafunc):
    if "image" in metafunc.fixturenames:
        metafunc.parametrize("image", images_of(metafunc.config))


@pytest.fixture
def container(request, image):
    return Container(request.config, image)


@pytest.fixture(scope="session")
def mxnet_training(request):
    return one_image(request, "mxnet-training")


@pytest.fixture(scope="session")
def mxnet_inference(request):
    return one_image(request, "mxnet-inference")


@pytest.fixture(scope="session")
def tensorflow_training(request):
    return one_image(request, "tensorflow-training")


@pytest.fixture(scope="session")
def tensorflow_inference(request):
    return one_image(request, "tensorflow-inference")


@pytest.fixture(scope="session")
def pytorch_training(request):
    return one_image(request, "pytorch-training")


@pytest.fixture(scope="session")
def pytorch_inference(request):
    return one_image(request, "pytorch-inference")


@pytest.fixture(scope="session")
def container_tests():
    """The folder of scripts that run inside containers."""
    return HERE / "container_tests"
