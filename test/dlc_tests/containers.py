"""The images that a run of the container tests is about, commands in containers of them, and /opt/ml of a job."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from endpoints import Endpoint, free_port

HERE = pathlib.Path(__file__).resolve().parent


def images_of(config):
    return [name for name in re.split(r"[,\s]+", config.getoption("--images")) if name]


class Container:
    """Runs commands in new containers of one image."""

    def __init__(self, config, image):
        self.program = config.getoption("--dlc")
        self.image = image
        self.mounts = [word for mount in config.getoption("--mount") for word in ("-v", mount)]

    def command(self, *arguments, options=()):
        return [self.program, "run", "--rm", *self.mounts, *options, self.image, *arguments]

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


def one_image(request, *words):
    """The first image whose name holds all of `words`; without one the test is skipped."""
    found = [name for name in images_of(request.config) if all(word in name for word in words)]
    if not found:
        pytest.skip(f"no {' '.join(words)} image among --images")
    return Container(request.config, found[0])


def make_job(base, scripts, hyperparameters=None, resources=None, program="train.py"):
    """Fills `base` as SageMaker fills /opt/ml; `scripts` is the folder of the user's code, or {name: text}."""
    config = base / "input" / "config"
    for folder in (config, base / "input" / "data" / "training", base / "code", base / "output", base / "model"):
        folder.mkdir(parents=True, exist_ok=True)
    if isinstance(scripts, dict):
        for name, text in scripts.items():
            (base / "code" / name).write_text(text, encoding="utf-8")
    else:
        shutil.copytree(scripts, base / "code", dirs_exist_ok=True)
    files = {
        "hyperparameters": {"sagemaker_program": json.dumps(program), **(hyperparameters or {})},
        "resourceconfig": resources or {"current_host": "algo-1", "hosts": ["algo-1"]},
        "inputdataconfig": {"training": {"TrainingInputMode": "File"}},
    }
    for name, value in files.items():
        (config / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return base


class Framework:
    """One framework's images as SageMaker uses them."""

    def __init__(self, name, training, inference):
        self.name = name
        self.training = training
        self.inference = inference
        self.scripts = HERE / "container_tests" / name / "sagemaker"

    def train(self, base, *options):
        """The finished container of a training job."""
        command = self.training.command("train", options=("-v", f"{base}:/opt/ml", *options))
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)

    def serve(self, log, folder, target="/opt/ml/model", **variables):
        """A starting endpoint; what it serves is read-only."""
        port = free_port()
        values = {"SAGEMAKER_BIND_TO_PORT": port, **variables}
        options = [word for key, value in values.items() for word in ("-e", f"{key}={value}")]
        return Endpoint(self.inference.command("serve", options=("-v", f"{folder}:{target}:ro", *options)), port, log)
