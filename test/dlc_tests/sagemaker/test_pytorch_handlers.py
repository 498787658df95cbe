"""The handlers that PyTorch's image with an example has, with the model that its example trains."""
import json
import shutil

import pytest
from endpoints import START_SECONDS


@pytest.mark.only("pytorch")
def test_handlers_of_the_example(trained, serve, container_tests, tmp_path):
    shutil.copytree(trained.model, tmp_path / "model")
    shutil.copytree(container_tests / "pytorch" / "handlers", tmp_path / "model" / "code")
    server = serve(tmp_path / "model").wait(seconds=START_SECONDS)
    digits = [row.index(max(row)) for row in trained.held_out["scores"]]
    assert server.json("POST", "/invocations", trained.held_out["data"]) == (200, {"digits": digits})
