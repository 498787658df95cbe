"""What TensorFlow's images hold, and Keras' own format. Training and serving are in sagemaker/."""
import json
import re

from containers import Framework, make_job
from endpoints import START_SECONDS


def test_keras_file_is_trained_and_served(tensorflow_training, tensorflow_inference, container_tests, tmp_path):
    framework = Framework("tensorflow", tensorflow_training, tensorflow_inference)
    base = make_job(tmp_path / "ml", container_tests / "tensorflow" / "sagemaker", {"epochs": "5", "format": "keras"})
    done = framework.train(base)
    assert done.returncode == 0, done.stderr
    held_out = json.loads((base / "output" / "data" / "held_out.json").read_text(encoding="utf-8"))
    assert [path.name for path in (base / "model").iterdir()] == ["digits.keras"]
    server = framework.serve(tmp_path / "serve.log", base / "model", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    try:
        server.wait(seconds=START_SECONDS)
        status, scores = server.json("POST", "/invocations", held_out["data"][:20])
        assert status == 200, scores
        assert max(abs(a - b) for found, row in zip(scores, held_out["scores"]) for a, b in zip(found, row)) < 1e-5
        assert server.json("GET", "/v1/models/model")[0] == 404
        assert server.stop() == 0
    finally:
        server.kill()


def test_import_warns_of_nothing(tensorflow_training, tensorflow_inference):
    for image in (tensorflow_training, tensorflow_inference):
        done = image.run("python3", "-c", "import tensorflow as tf; print(tf.__version__)")
        assert re.fullmatch(r"2\.\d+\.\d+\n", done.stdout)
        # TensorFlow tells on stderr how it was built (I0000 ...); W, E and F are what somebody would have to look at.
        assert not re.search(r"^[WEF]\d{4} |Traceback|Error", done.stderr, re.MULTILINE), done.stderr


def test_threads_follow_the_quota(tensorflow_training):
    # TensorFlow itself looks at the CPU set only.
    script = "import os, tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads(), os.environ['TF_NUM_INTRAOP_THREADS'])"
    assert tensorflow_training.run("python3", "-c", script, options=("-e", "OMP_NUM_THREADS=1")).stdout == "0 1\n"


def test_inference_has_no_training_extras(tensorflow_inference):
    tensorflow_inference.run("python3", "-c", "import sklearn", status=1)


def test_what_was_trimmed_can_be_named(tensorflow_inference):
    """Headers are gone, and what a user may call is there."""
    script = "import tensorflow as tf, os; print(os.path.exists(tf.sysconfig.get_include())); tf.lite.Interpreter; tf.profiler.experimental.Profile"
    assert tensorflow_inference.run("python3", "-c", script).stdout == "False\n"
