#!/usr/bin/env python3
"""Takes out of installed Python packages what no training and no serving reads. Runs in the build stage `packages`.

    trim_packages.py SITE_PACKAGES

Removed: headers and static libraries (there is no compiler in the images), the packages' own tests, libclang.so (a tool to
generate bindings; TensorFlow declares it and imports it nowhere), libraries that nothing loads, stubs for editors, and symbol
tables that only debuggers read. Everything that can be imported stays importable, but for the tests, clang.cindex and
tensorflow.compiler.mlir.stablehlo. Package metadata is not touched: `pip check` sees what pip installed. Prints what each rule saved.
"""
import pathlib
import shutil
import subprocess
import sys

# What a rule is called, and what it removes, as patterns below site-packages.
RULES = {
    "headers": ["tensorflow/include", "numpy/_core/include", "nvidia/*/include"],
    "static libraries": ["**/*.a"],
    "tests": ["*/**/tests", "joblib/test", "keras/**/*_test.py", "keras/**/__pycache__/*_test.*.pyc"],
    "libclang": ["clang/native/libclang.so"],
    # Operations that libtensorflow_cc has too; a module for compilers that TensorFlow itself does not import.
    "TensorFlow unused": [
        "tensorflow/compiler/tf2xla/ops/_xla_ops.so",
        "tensorflow/compiler/mlir/stablehlo/stablehlo_extension.so",
    ],
    "stubs": ["**/*.pyi", "**/*.pyx", "**/*.pxd"],
    # The solver for several GPUs; NVRTC built in another way, under another name; the compiler of CUDA C++, of which XLA
    # takes ptxas and libdevice only.
    "CUDA unused": [
        "nvidia/cusolver/lib/libcusolverMg.so.*",
        "nvidia/cuda_nvrtc/lib/libnvrtc*.alt.so.*",
        "nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so",
    ],
}
ELF_MAGIC = b"\x7fELF"
# auditwheel rewrote the libraries in NAME.libs and nvidia's come without symbols: nothing to gain there.
NOT_STRIPPED = (".libs", "nvidia")


def size_of(path):
    if path.is_dir() and not path.is_symlink():
        return sum(entry.lstat().st_size for entry in path.rglob("*"))
    return path.lstat().st_size


def remove(root, patterns):
    """Bytes that were removed."""
    saved = 0
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if not path.exists():  # inside a folder that is gone already
                continue
            saved += size_of(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return saved


def is_library(path):
    if path.is_symlink() or not path.is_file() or ".so" not in path.name:
        return False
    with open(path, "rb") as file:
        return file.read(4) == ELF_MAGIC


def strip(root):
    saved = 0
    for path in sorted(root.rglob("*.so*")):
        package = path.relative_to(root).parts[0]
        if package.endswith(NOT_STRIPPED) or not is_library(path):
            continue
        before = path.stat().st_size
        subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)
        saved += before - path.stat().st_size
    return saved


def main():
    root = pathlib.Path(sys.argv[1])
    before = size_of(root)
    for name, patterns in RULES.items():
        print(f"{name:18}{remove(root, patterns) / 1e6:10.1f} MB")
    print(f"{'symbol tables':18}{strip(root) / 1e6:10.1f} MB")
    print(f"{'left':18}{size_of(root) / 1e6:10.1f} MB of {before / 1e6:.1f}")


if __name__ == "__main__":
    main()
