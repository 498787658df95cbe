#!/usr/bin/python3
"""Checks that the MXNet training and inference Dockerfiles are equal up to and including the install of MXNet.

Only then do both images share these layers. The last shared line is the pip install of requirements.txt.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
END = "-r /tmp/requirements.txt\n"


def main():
    wrong = 0
    for training in sorted(ROOT.glob("mxnet/training/docker/*/*/Dockerfile.*")):
        inference = pathlib.Path(str(training).replace("/training/", "/inference/"))
        first, second = (path.read_text(encoding="utf-8") for path in (training, inference))
        if END not in first or first.partition(END)[0] != second.partition(END)[0]:
            print(f"{training.relative_to(ROOT)} and {inference.relative_to(ROOT)} differ before the end of `{END.strip()}`")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
