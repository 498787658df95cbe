#!/usr/bin/env python3
"""Builds images: runs `./dlc build` with the same arguments. Kept so that `python src/main.py --buildspec ...` goes on working."""
import os
import sys

LAUNCHER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dlc")

if __name__ == "__main__":
    os.execv(LAUNCHER, [LAUNCHER, "build", *sys.argv[1:]])
