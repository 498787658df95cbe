"""The GPU images of MXNet where no GPU is: what the loader finds, and what the inference image's stubs answer."""
import re
import subprocess

import pytest
from containers import HERE, one_image

LIBRARIES = ("libcufft.so.10", "libcusolver.so.11", "libnccl.so.2")
MXNET = HERE.parents[1] / "mxnet"
SOURCES = MXNET / "inference" / "docker" / "1.9.1" / "py3" / "cu112" / "stubs"
TRAINING = MXNET / "training" / "docker" / "1.9.1" / "py3" / "cu112"
STUBS = "/usr/local/lib/dlc/stubs/"
# libmxnet.so calls these of the driver's library, which the host would bring; each answers CUDA_ERROR_NO_DEVICE.
DRIVER = """
cuDeviceGet cuDevicePrimaryCtxRetain cuGetErrorString cuGraphKernelNodeGetParams cuGraphNodeGetType cuLaunchKernel cuModuleGetFunction
cuModuleLoadData cuModuleLoadDataEx cuModuleUnload
""".split()
LOADED = """
import mxnet, re
assert mxnet.nd.ones((2, 3)).sum().asscalar() == 6
print("\\n".join(sorted(set(re.findall(r"\\S+/(?:%s)$", open("/proc/self/maps").read(), re.M)))))
""" % "|".join(map(re.escape, LIBRARIES))
SOLVE = """
import ctypes
solver, handle = ctypes.CDLL("libcusolver.so.11"), ctypes.c_void_p()
print(solver.cusolverDnCreate(ctypes.byref(handle)), solver.cusolverDnSetStream(handle, None), solver.cusolverDnSpotrf(handle))
print(solver.cusolverDnDestroy(handle), ctypes.CDLL("libcufft.so.10").cufftExecC2C(0))
"""
REDUCE = "import ctypes; ctypes.CDLL('libnccl.so.2').ncclCommInitAll(None, 0, None); print('still here')"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Options of `dlc run` for a container that has a driver's library and no device."""
    folder = tmp_path_factory.mktemp("driver")
    source = "".join(f"int {name}(void) {{ return 100; }}\n" for name in DRIVER)
    command = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(folder / "libcuda.so.1"), "-x", "c", "-"]
    subprocess.run(command, input=source, text=True, check=True)
    return ("-v", f"{folder}:/driver:ro", "-e", "LD_PRELOAD=/driver/libcuda.so.1")


@pytest.fixture(scope="module")
def inference(request):
    return one_image(request, "mxnet-inference", "-gpu-")


def loaded(image, driver):
    return image.run("python3", "-c", LOADED, options=driver).stdout.split()


def test_stubs_name_the_versions_of_the_training_image():
    locked = dict(re.findall(r"^(nvidia-\S+)==(\S+)", (TRAINING / "extras.txt").read_text(encoding="utf-8"), re.M))
    named = [pin for source in sorted(SOURCES.glob("*.c")) for pin in re.findall(r'"(nvidia-[^"]+)"', source.read_text(encoding="utf-8"))]
    assert sorted(named) == sorted(f"{name}=={version}" for name, version in locked.items())
    page = (HERE.parents[1] / "docs" / "images-mxnet.md").read_text(encoding="utf-8")
    assert all(pin in page for pin in named)


def test_training_loads_nvidias_libraries(request, driver):
    paths = loaded(one_image(request, "mxnet-training", "-gpu-"), driver)
    assert [path.rpartition("/")[2] for path in paths] == list(LIBRARIES)
    assert not [path for path in paths if path.startswith(STUBS)]


def test_inference_loads_stubs(inference, driver):
    # ctypes, by which MXNet loads its library, binds every function at once: one that a stub lacks would fail the import.
    assert loaded(inference, driver) == [STUBS + name for name in LIBRARIES]


def test_an_installed_library_takes_the_place_of_the_stub(inference, driver):
    packages = "/usr/local/lib/python3.11/dist-packages/nvidia/cufft/lib"
    script = f'mkdir -p {packages} && cp {STUBS}libcufft.so.10 {packages}/ && python3 -c "$1"'
    paths = inference.run("sh", "-c", script, "sh", LOADED, options=driver).stdout.split()
    assert sorted(paths) == sorted([f"{packages}/libcufft.so.10", STUBS + "libcusolver.so.11", STUBS + "libnccl.so.2"])


def test_stubs_give_a_handle_and_refuse_the_work(inference):
    done = inference.run("python3", "-c", SOLVE)
    assert done.stdout.split() == ["0", "0", "9", "0", "16"]
    for library, package in (("cuSOLVER", "nvidia-cusolver-cu11"), ("cuFFT", "nvidia-cufft-cu11")):
        assert f"{library} is not in this image: pip install --break-system-packages --no-deps {package}==" in done.stderr


def test_sums_over_several_gpus_end_the_process(inference):
    done = inference.run("sh", "-c", f'python3 -c "{REDUCE}"; echo $?')
    assert done.stdout == "134\n"  # SIGABRT: MXNet does not look at the answer, and would go on with wrong sums
    assert "NCCL is not in this image" in done.stderr
