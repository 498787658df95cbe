#!/usr/bin/env python3
"""Takes out of installed wheels what nobody runs. Package metadata stays as it is.

    trim.py common FOLDER        tests, copies of a library, symbols for debuggers; static libraries and headers of NVIDIA's
    trim.py inference FOLDER     besides: headers of PyTorch, Triton's compiler, device code for kernels written by users
    trim.py common-cpu FOLDER, trim.py inference-cpu FOLDER      the same for a PyTorch without CUDA

FOLDER is a site-packages folder. Every pattern must match something: one that does not is an error, so that a new release of
a package is looked at. Patterns that only some releases have are marked optional by a leading `?`.
"""
import filecmp
import os
import pathlib
import shutil
import struct
import subprocess
import sys

PT_LOAD = 1
PAGE = 4096
WORTH_STRIPPING = 1_000_000

COMMON = [
    "torch/bin/protoc*",
    "numpy/**/tests",
    "sympy/**/tests",
    "networkx/**/tests",
]

COMMON_GPU = [
    "nvidia/**/*.a",
    "nvidia/*/include",
    # PyTorch solves on one GPU at a time; the library for several is needed by no other one.
    "nvidia/cu13/lib/libcusolverMg.so.*",
    "triton/**/*.a",
    # These images are for NVIDIA's GPUs.
    "triton/backends/amd/lib",
    "triton/FileCheck",
    "?triton/plugins",
    "?triton/instrumentation/libGPUInstrumentationTestLib.so",
    "?triton/instrumentation/libPrintLoadStoreMemSpaces.so",
]

INFERENCE = [
    "torch/include",
    "torch/share/cmake",
    "torch/**/*.pyi",
    "numpy/**/*.pyi",
    "numpy/_core/include",
]

INFERENCE_GPU = [
    # Triton compiles with a C compiler, which these images do not have; without its library PyTorch finds it absent.
    "triton/_C",
    "triton/backends/*/include",
    "triton/backends/nvidia/bin",
    "triton/backends/nvidia/lib",
    # For kernels that users write against NVSHMEM, and for counters of the profiler.
    "nvidia/nvshmem/lib/*.bc",
    "nvidia/cu13/lib/libnvperf_*.so*",
]

def matches(folder, patterns):
    for pattern in patterns:
        optional = pattern.startswith("?")
        found = sorted(folder.glob(pattern.lstrip("?")))
        if not found and not optional:
            raise SystemExit(f"trim.py: nothing matches {pattern} in {folder}")
        yield from found


def remove(folder, patterns):
    for path in matches(folder, patterns):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():
            path.unlink()


def is_large_elf(path):
    if path.is_symlink() or not path.is_file() or path.stat().st_size < WORTH_STRIPPING:
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def is_loadable(path):
    """Whether each loadable segment lies in the file as it will in memory, page by page. strip breaks that in libraries which
    patchelf has changed (`ELF load command address/offset not page-aligned`)."""
    with path.open("rb") as file:
        header = file.read(64)
        table, size, count = *struct.unpack_from("<Q", header, 32), *struct.unpack_from("<HH", header, 54)
        for index in range(count):
            file.seek(table + index * size)
            kind, _, offset, address = struct.unpack("<IIQQ", file.read(24))
            if kind == PT_LOAD and (offset - address) % PAGE:
                return False
    return True


def strip(path):
    """Keeps the stripped file only where it is worth it and can be loaded."""
    stripped = path.with_name(path.name + ".stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, path], check=True)
    saved = path.stat().st_size - stripped.stat().st_size
    if saved < WORTH_STRIPPING or not is_loadable(stripped):
        stripped.unlink()
        return
    shutil.copystat(path, stripped)
    os.replace(stripped, path)
    print(f"{saved // 1_000_000} MB of symbols: {path}")


def link_copies(folder):
    """Wheels cannot hold links: libx.so, libx.so.1 and libx.so.1.2 are three copies. The longest name stays a file."""
    for directory, _, names in os.walk(folder):
        libraries = {}
        for name in names:
            path = pathlib.Path(directory, name)
            if ".so" in name and not path.is_symlink() and path.stat().st_size > 100_000:
                libraries.setdefault(path.stat().st_size, []).append(path)
        for same_size in libraries.values():
            same_size.sort(key=lambda path: len(path.name), reverse=True)
            kept = same_size[0]
            for path in same_size[1:]:
                if path.name.split(".so")[0] == kept.name.split(".so")[0] and filecmp.cmp(kept, path, shallow=False):
                    path.unlink()
                    path.symlink_to(kept.name)


def main():
    kinds = {
        "common": COMMON + COMMON_GPU,
        "common-cpu": COMMON,
        "inference": INFERENCE + INFERENCE_GPU,
        "inference-cpu": INFERENCE,
    }
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        raise SystemExit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    if not folder.is_dir():
        raise SystemExit(f"trim.py: {folder} is not a folder")
    remove(folder, kinds[sys.argv[1]])
    if sys.argv[1].startswith("common"):
        link_copies(folder)
        for path in sorted(folder.rglob("*")):
            if is_large_elf(path):
                strip(path)


if __name__ == "__main__":
    main()
