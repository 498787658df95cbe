"""TensorFlow: a SavedModel (in the model itself or in the folder of its highest version), else the only *.keras file."""
import glob
import os

import numpy

# TensorFlow's pool of threads does not look at OpenMP's variable, which the server sets for each worker, nor at a quota.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ["OMP_NUM_THREADS"])

import tensorflow as tf  # noqa: E402  # it reads the variable when it is imported


def saved_model_dir(model_dir):
    """The folder with saved_model.pb: model_dir, model_dir/N, model_dir/NAME/N or model_dir/export/NAME/N; None without one."""
    found = []
    for pattern in ("", "*", "*/*", "*/*/*"):
        for path in glob.glob(os.path.join(model_dir, pattern, "saved_model.pb")):
            found.append(os.path.dirname(path))
        if found:
            break
    versions = [int(os.path.basename(path)) if os.path.basename(path).isdigit() else 0 for path in found]
    return max(zip(versions, found))[1] if found else None


def model_fn(model_dir):
    path = saved_model_dir(model_dir)
    if path:
        return tf.saved_model.load(path)
    found = sorted(glob.glob(os.path.join(model_dir, "*.keras")) + glob.glob(os.path.join(model_dir, "*.h5")))
    if len(found) != 1:
        raise FileNotFoundError(f"{model_dir} has no SavedModel, and {len(found)} *.keras files; it must have one")
    return tf.keras.models.load_model(found[0], compile=False)


def signatures(model):
    """{signature: {"inputs": {name: tf.TensorSpec}, "outputs": {...}}} of a SavedModel; {} for others."""
    result = {}
    for name, function in getattr(model, "signatures", {}).items():
        inputs = {spec.name: spec for spec in function.structured_input_signature[1].values()}
        result[name] = {"inputs": inputs, "outputs": function.structured_outputs}
    return result


def run_signature(model, name, inputs):
    """{output: array} of one signature on {input: array or nested list}."""
    function = model.signatures[name]
    specs = signatures(model)[name]["inputs"]
    tensors = {key: tf.constant(value, dtype=specs[key].dtype) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in function(**tensors).items()}


def predict_fn(data, model):
    if isinstance(data, dict):
        return run_signature(model, "serving_default", data)
    if getattr(model, "signatures", None):
        name = "serving_default" if "serving_default" in model.signatures else sorted(model.signatures)[0]
        (key,) = signatures(model)[name]["inputs"]
        outputs = run_signature(model, name, {key: data})
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs
    return model(numpy.asarray(data), training=False)


def to_host(prediction):
    if isinstance(prediction, tf.Tensor):
        return prediction.numpy()
    if isinstance(prediction, (list, tuple)):
        return [to_host(item) for item in prediction]
    if isinstance(prediction, dict):
        return {key: to_host(item) for key, item in prediction.items()}
    return prediction
