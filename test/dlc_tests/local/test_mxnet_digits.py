"""Training and inference on this machine: a Gluon network on scikit-learn's digits."""
import json
import re

REQUIRED_ACCURACY = 0.95


def last_json(text):
    return json.loads(text.splitlines()[-1])


def test_training_reaches_accuracy_and_inference_agrees(mxnet_training, mxnet_inference, container_tests, tmp_path):
    scripts = f"{container_tests / 'mxnet'}:/test:ro"
    # The rows are predicted in another container, of the other image, without any network.
    # One thread: the net is small, and on a busy machine threads mostly wait for one another.
    options = ("-e", "OMP_NUM_THREADS=1", "-v", scripts, "-v", f"{tmp_path}:/out")
    trained = mxnet_training.run("python3", "/test/train_digits.py", "/out", options=options)
    result = last_json(trained.stdout)
    assert result["rows"] == 599
    assert result["trained_on"] == 1198
    assert result["accuracy"] >= REQUIRED_ACCURACY

    served = mxnet_inference.json(
        "python3",
        "/test/predict_digits.py",
        "/out",
        options=("--network", "none", "-v", scripts, "-v", f"{tmp_path}:/out:ro"),
    )
    assert served["rows"] == result["rows"]
    assert served["differ"] == 0
    assert served["largest_difference"] < 1e-4
    assert served["accuracy"] == result["accuracy"]


def test_import_says_nothing(mxnet_training, mxnet_inference):
    for image in (mxnet_training, mxnet_inference):
        done = image.run("python3", "-c", "import mxnet; print(mxnet.__version__)")
        assert re.fullmatch(r"1\.9\.1\n", done.stdout)
        assert done.stderr == ""


def test_inference_has_no_training_extras(mxnet_inference):
    mxnet_inference.run("python3", "-c", "import sklearn", status=1)


def test_large_matrix_products_are_computed_by_onednn(mxnet_training):
    """The library is loaded by the first of them; forked workers of a DataLoader multiply too."""
    script = """
import mxnet as mx
used = lambda: "libdnnl.so.2" in open("/proc/self/maps").read()
small, large = mx.nd.random.uniform(shape=(8, 8)), mx.nd.random.uniform(shape=(300, 300))
class Products(mx.gluon.data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, index): return mx.nd.dot(large, large) * index
right = lambda a, product: float(abs(a.asnumpy().astype("float64") @ a.asnumpy() - product.asnumpy()).max()) < 1e-3
seen = [used(), right(small, mx.nd.dot(small, small)), used(), right(large, mx.nd.dot(large, large)), used()]
batches = list(mx.gluon.data.DataLoader(Products(), batch_size=4, num_workers=2))
print(seen, right(large, batches[1][3] / 7))
"""
    for how, expected in ((), True), (("-e", "DLC_SGEMM=blas"), False):
        printed = mxnet_training.run("python3", "-c", script, options=how).stdout
        assert printed == f"{[False, True, False, True, expected]} True\n"


def test_freed_memory_serves_the_next_step(mxnet_training, mxnet_inference):
    """The allocator must keep it: to get it from the kernel takes long."""
    script = """
import mxnet as mx
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
block = mx.nd.ones(4 << 20)
block.wait_to_read()
before = resident()
del block
mx.nd.waitall()
print(before - resident())
"""
    for image in (mxnet_training, mxnet_inference):
        kept, given_back = (int(image.run("python3", "-c", script, options=how).stdout) for how in ((), ("-e", "TCMALLOC_AGGRESSIVE_DECOMMIT=t")))
        assert kept < 1 << 20 < 15 << 20 < given_back
