#!/usr/bin/python3
"""Checks that training and inference Dockerfiles are equal up to and including the install of the framework.

Only then do both images share these layers, and is the framework installed once for both.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The first of these that a Dockerfile has is where the framework is installed.
ENDS = ("python3-torch=", "python3 trim.py --strip", "python3 /tmp/trim_packages.py", "-r /tmp/requirements.txt")


def main():
    wrong = 0
    for training in sorted(ROOT.glob("*/training/docker/**/Dockerfile.*")):
        inference = pathlib.Path(str(training).replace("/training/", "/inference/"))
        if training.parent.name == "example" or not inference.exists():
            continue  # on top of a training image, or the only one of its version
        # From the first stage on: arguments before it are part of no step that does not name them.
        first, second = (path.read_text(encoding="utf-8").partition("\nFROM ")[2] for path in (training, inference))
        end = next((end for end in ENDS if end in first), None)
        if end is None or first.partition(end)[0] != second.partition(end)[0]:
            print(f"{training.relative_to(ROOT)} and {inference.relative_to(ROOT)} differ before the end of the framework's install")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
