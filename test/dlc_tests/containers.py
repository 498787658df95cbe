"""The images that a run of the container tests is about, commands in containers of them, and /opt/ml of a job."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent


def images_of(config):
    return [name for name in re.split(r"[,\s]+", config.getoption("--images")) if name]


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


def one_image(request, words):
    found = [name for name in images_of(request.config) if words in name]
    if not found:
        pytest.skip(f"no {words} image among --images")
    return Container(request.config.getoption("--dlc"), found[0])


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
