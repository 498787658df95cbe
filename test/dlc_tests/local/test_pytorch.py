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
