"""What PyTorch's images hold. Training and serving are in sagemaker/."""


def test_import_says_nothing(pytorch_training, pytorch_inference):
    for image in (pytorch_training, pytorch_inference):
        done = image.run("python3", "-c", "import torch")
        assert done.stdout + done.stderr == ""


def test_matrix_products_use_an_optimised_library(pytorch_training, pytorch_inference):
    """The reference BLAS gives about 2 GFLOP/s on one core, every optimised one more than 20."""
    script = (
        "import time, torch; torch.set_num_threads(1); a = torch.randn(1024, 1024); a @ a\n"
        "begin = time.perf_counter(); [a @ a for _ in range(5)]\n"
        "print(5 * 2 * 1024**3 / (time.perf_counter() - begin) / 1e9)"
    )
    for image in (pytorch_training, pytorch_inference):
        assert float(image.run("python3", "-c", script).stdout) > 8


def test_inference_has_no_training_extras(pytorch_inference):
    pytorch_inference.run("python3", "-c", "import sklearn", status=1)


def test_matrix_products_are_right_whoever_computes_them(pytorch_training, pytorch_inference):
    """Of Debian's PyTorch large ones go to oneDNN, and DLC_SGEMM=blas leaves them with OpenBLAS; other images know no such setting."""
    script = """
import hashlib, torch
torch.manual_seed(0)
a, b = torch.randn(500, 300), torch.randn(300, 700)
ones = torch.ones(500, 700)
products = [a @ b, b.T @ a.T, a.T.contiguous().T @ b, torch.addmm(ones, a, b, beta=2, alpha=-3), a[::2] @ b[:, ::2],
            a[:8, :8] @ b[:8, :8], torch.bmm(a.expand(3, 500, 300), b.expand(3, 300, 700))[2]]
d, e = a.double(), b.double()
right = [d @ e, e.T @ d.T, d @ e, 2 - 3 * (d @ e), d[::2] @ e[:, ::2], d[:8, :8] @ e[:8, :8], d @ e]
print([round(float((product - double).abs().max()), 2) for product, double in zip(products, right)])
long = torch.randn(64, 30000)
print(hashlib.sha256((long @ long.T).numpy().tobytes()).hexdigest())
"""
    for image in (pytorch_training, pytorch_inference):
        seen = [image.run("python3", "-c", script, options=how).stdout.splitlines() for how in ((), ("-e", "DLC_SGEMM=blas"))]
        assert [errors for errors, _ in seen] == [str([0.0] * 7)] * 2
        if ":1.13.1-" in image.image:
            assert seen[0][1] != seen[1][1]  # rounded otherwise: another library computed it


def test_freed_memory_serves_the_next_step(pytorch_training, pytorch_inference):
    """Debian's PyTorch has no store of free blocks, so the allocator must keep them: to get one from the kernel takes long."""
    script = """
import torch
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
block = torch.ones(4 << 20)
before = resident()
del block
print(before - resident())
"""
    for image in (pytorch_training, pytorch_inference):
        if ":1.13.1-" in image.image:
            kept, given_back = (int(image.run("python3", "-c", script, options=how).stdout) for how in ((), ("-e", "TCMALLOC_AGGRESSIVE_DECOMMIT=t")))
            assert kept < 1 << 20 < 15 << 20 < given_back


def test_a_forked_child_multiplies_too(pytorch_training, pytorch_inference):
    """With threads of OpenMP in the parent it would wait for ones that it does not have."""
    script = """
import multiprocessing, sys, time
import numpy as np
if sys.argv[1] == "torch":
    import torch
def work(_):
    if sys.argv[1] == "torch":
        return float((torch.ones(300, 300) @ torch.ones(300, 300)).sqrt()[0, 0])
    return float((np.ones((300, 900), "f") @ np.ones((900, 300), "f"))[0, 0]) + float((np.ones((500, 500)) @ np.ones((500, 500)))[1, 1])
work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print({round(value) for value in pool.map_async(work, range(4)).get(30)})
"""
    for image in (pytorch_training, pytorch_inference):
        for library, value in ("numpy", 1400), ("torch", 17):
            assert image.run("python3", "-c", script, library, options=("-e", "OMP_NUM_THREADS=4")).stdout == f"{{{value}}}\n"
