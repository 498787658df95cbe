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
