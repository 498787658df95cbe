#!/usr/bin/env python3
"""Prints what this image holds: framework, Python, operating system, packages. Sends nothing anywhere.

    deep_learning_container.py           a table
    deep_learning_container.py --json    the same as one JSON object
    deep_learning_container.py --framework mxnet --framework-version 1.9.1 --container-type training
                                         checks these; exit status 1 and a message where one differs
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
from importlib import metadata

FRAMEWORKS = ("mxnet", "tensorflow", "torch")


def operating_system():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def framework_of(distribution):
    """Of tensorflow_cpu and tensorflow-cpu (the same name: what built the wheel chose one), mxnet-cu112; None: no framework."""
    name = re.sub(r"-(cpu|gpu|cu\d+)$", "", distribution.replace("_", "-").lower())
    return name if name in FRAMEWORKS else None


def version_of(framework):
    """Its version; of one that is a Debian package, Debian's, without what Debian adds (its torch calls itself a pre-release)."""
    distribution = metadata.distribution(framework)
    if str(distribution.locate_file("")) == "/usr/lib/python3/dist-packages":
        command = ["dpkg-query", "-W", "-f", "${Version}", f"python3-{framework}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return re.sub(r"^\d+:|[-+].*", "", done.stdout)
    return distribution.version.partition("+")[0]


def image_information():
    packages = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    distribution = next(filter(framework_of, packages), None)
    return {
        "framework": distribution and framework_of(distribution),
        "framework_version": distribution and version_of(distribution),
        "container_type": os.environ.get("DLC_CONTAINER_TYPE"),
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "operating_system": operating_system(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def differences(information, expected):
    """The expected values (None: not asked) that this image does not have, one line each."""
    found = []
    for key, value in expected.items():
        if value is not None and value != information[key]:
            found.append(f"{key} is {information[key]}, not {value}")
    return found


def print_table(information):
    for key in ("framework", "framework_version", "container_type", "python", "architecture", "operating_system"):
        print(f"{key:18}{information[key] or '-'}")
    print("packages")
    for name, version in information["packages"].items():
        print(f"  {name:24}{version}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="what this image holds")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--framework")
    parser.add_argument("--framework-version")
    parser.add_argument("--container-type")
    options = parser.parse_args(arguments)
    information = image_information()
    expected = {
        "framework": options.framework,
        "framework_version": options.framework_version,
        "container_type": options.container_type,
    }
    wrong = differences(information, expected)
    if wrong:
        print("\n".join(f"deep_learning_container.py: {line}" for line in wrong), file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(information, indent=2))
    else:
        print_table(information)
    return 0


if __name__ == "__main__":
    sys.exit(main())
