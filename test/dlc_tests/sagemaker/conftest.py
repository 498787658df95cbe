"""For each framework with a training and an inference image among --images: a model trained by `train`, and servers of it.

A framework joins by a folder container_tests/FRAMEWORK/sagemaker whose train.py takes --epochs and --seed, writes its model to
SM_MODEL_DIR, and held_out.json (accuracy, data, scores) to SM_OUTPUT_DATA_DIR.
"""
import functools
import json
from types import SimpleNamespace

import pytest
from containers import HERE, Container, Framework, images_of, make_job
from endpoints import PING_SECONDS, START_SECONDS

@functools.lru_cache(maxsize=None)  # the same objects for every test: pytest makes fixtures anew for another one
def frameworks(config):
    found = []
    for folder in sorted((HERE / "container_tests").glob("*/sagemaker")):
        name = folder.parent.name
        pair = [next((image for image in images_of(config) if f"{name}-{kind}" in image), None) for kind in ("training", "inference")]
        if all(pair):
            found.append(Framework(name, *(Container(config, image) for image in pair)))
    return found


def for_test(definition, config):
    """The frameworks that a test is about: those that its mark names, else all."""
    only = definition.get_closest_marker("only")
    return [framework for framework in frameworks(config) if not only or framework.name in only.args]


def pytest_configure(config):
    config.addinivalue_line("markers", "only(NAME, ...): a test of these frameworks; left out where none has images")


def pytest_generate_tests(metafunc):
    if "framework" in metafunc.fixturenames:
        found = for_test(metafunc.definition, metafunc.config)
        metafunc.parametrize("framework", found, ids=[framework.name for framework in found], scope="session", indirect=True)


def pytest_collection_modifyitems(config, items):
    gone = [item for item in items if item.get_closest_marker("only") and not for_test(item, config)]
    items[:] = [item for item in items if item not in gone]
    if gone:
        config.hook.pytest_deselected(items=gone)


@pytest.fixture(scope="session")
def framework(request):
    return request.param


@pytest.fixture(scope="session")
def trained(framework, tmp_path_factory):
    """The finished job on scikit-learn's digits: base (/opt/ml), done, held_out."""
    base = make_job(tmp_path_factory.mktemp(framework.name), framework.scripts, {"epochs": "60", "seed": "7"})
    # One thread: the net is small, and on a busy machine threads mostly wait for one another.
    done = framework.train(base, "-e", "OMP_NUM_THREADS=1")
    assert done.returncode == 0, done.stderr
    held_out = json.loads((base / "output" / "data" / "held_out.json").read_text(encoding="utf-8"))
    return SimpleNamespace(base=base, done=done, model=base / "model", held_out=held_out)


@pytest.fixture(scope="session")
def endpoint(framework, trained):
    """The trained model, served with SageMaker's settings."""
    server = framework.serve(trained.base / "serve.log", trained.model, SAGEMAKER_MAX_PAYLOAD_IN_MB=6)
    try:
        yield server.wait(seconds=START_SECONDS, pause=PING_SECONDS)
        assert server.stop() == 0, server.text()
    finally:
        server.kill()


@pytest.fixture
def serve(framework, tmp_path):
    """Starts further servers, and ends those that a test leaves running."""
    servers = []

    def start(*arguments, **variables):
        servers.append(framework.serve(tmp_path / f"serve-{len(servers)}.log", *arguments, **variables))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
