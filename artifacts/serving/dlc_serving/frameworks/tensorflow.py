"""TensorFlow: a SavedModel (in the model itself or in the folder of its highest version), else the only *.keras file."""
import functools
import gc
import glob
import os

import numpy

# TensorFlow's pool of threads does not look at OpenMP's variable, which the server sets for each worker, nor at a quota.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ["OMP_NUM_THREADS"])

# A process takes all memory of its GPU at the start otherwise, and other workers and models could not load.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

# The import makes 400,000 objects that stay: looking among them for garbage takes an eighth of its time, and would take
# time from requests afterwards.
gc.disable()
import tensorflow as tf  # noqa: E402  # it reads the variable when it is imported

gc.freeze()
gc.enable()

from dlc_serving.errors import BadRequest  # noqa: E402


def saved_model_dir(model_dir):
    """The folder with saved_model.pb: model_dir, model_dir/N, model_dir/NAME/N or model_dir/export/NAME/N; None without one."""
    found = []
    for pattern in ("", "*", "*/*", "*/*/*"):
        for path in glob.glob(os.path.join(model_dir, pattern, "saved_model.pb")):
            found.append(os.path.dirname(path))
        if found:
            break
    versions = [int(os.path.basename(path)) if os.path.basename(path).isdecimal() else 0 for path in found]
    return max(zip(versions, found))[1] if found else None


def model_fn(model_dir):
    path = saved_model_dir(model_dir)
    if path:
        return tf.saved_model.load(path)
    found = sorted(glob.glob(os.path.join(model_dir, "*.keras")) + glob.glob(os.path.join(model_dir, "*.h5")))
    if len(found) != 1:
        raise FileNotFoundError(f"{model_dir} has no SavedModel, and {len(found)} *.keras files; it must have one")
    return tf.keras.models.load_model(found[0], compile=False)


@functools.lru_cache(maxsize=1)
def described(model):
    result = {}
    for name, function in model.signatures.items():
        inputs = {spec.name: spec for spec in function.structured_input_signature[1].values()}
        result[name] = {"inputs": inputs, "outputs": function.structured_outputs}
    return result


def signatures(model):
    """{signature: {"inputs": {name: tf.TensorSpec}, "outputs": {...}}} of a SavedModel; {} for others."""
    return described(model) if getattr(model, "signatures", None) else {}


def signature_defs(path):
    """{signature: SignatureDef as JSON}, as TensorFlow Serving shows it; what was loaded does not know the names of tensors."""
    from google.protobuf import json_format
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved.ParseFromString(file.read())
    options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    graph = next((graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags), saved.meta_graphs[0])
    return {name: json_format.MessageToDict(definition, **options) for name, definition in graph.signature_def.items()}


def serialized_example(row):
    """A tf.Example of {feature: value or list}: text and bytes, whole numbers, or numbers with a fraction, as JSON has them."""
    features = {name: feature(name, value if isinstance(value, list) else [value]) for name, value in row.items()}
    try:
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    except ValueError as error:  # a name that is no text
        raise BadRequest(f"the features of an example: {error}") from None


def feature(name, values):
    try:
        if all(isinstance(item, (str, bytes)) for item in values):
            data = [item.encode() if isinstance(item, str) else item for item in values]
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=data))
        if all(isinstance(item, int) for item in values):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        if all(isinstance(item, float) for item in values):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    except ValueError as error:  # too large, or no text after all
        raise BadRequest(f"feature {name}: {error}") from None
    raise BadRequest(f"feature {name} must be text, whole numbers or numbers with a fraction, or a list of one of these")


def check_range(name, value, spec):
    """Neither numpy nor TensorFlow minds whole numbers that do not fit: they would come out as others."""
    try:
        array = numpy.asarray(value)
    except (ValueError, OverflowError):
        return  # no tensor at all, which is told better where one is made
    if array.dtype.kind in "iu" and array.size and not (spec.dtype.min <= int(array.min()) <= int(array.max()) <= spec.dtype.max):
        raise BadRequest(f"{name} is a {spec.dtype.name} tensor: its numbers are {spec.dtype.min} to {spec.dtype.max}")


def to_tensor(name, value, spec):
    """What the client sent as a tensor of the input; BadRequest where it is none."""
    if spec.dtype.is_integer:
        check_range(name, value, spec)
    if isinstance(value, numpy.ndarray) and value.dtype.kind == "c" and not spec.dtype.is_complex:
        raise BadRequest(f"{name} is a {spec.dtype.name} tensor, not one of complex numbers")
    try:
        tensor = tf.constant(value, dtype=spec.dtype)
    except (TypeError, ValueError):
        try:  # whole numbers for an input of fractions, and the like; TensorFlow itself converts Python's numbers only
            tensor = tf.constant(numpy.asarray(value).astype(spec.dtype.as_numpy_dtype, casting="same_kind"))
        except (TypeError, ValueError) as error:
            raise BadRequest(f"{name} is a {spec.dtype.name} tensor of shape {spec.shape}: {error}") from None
    if not spec.shape.is_compatible_with(tensor.shape):
        raise BadRequest(f"{name} is a {spec.dtype.name} tensor of shape {spec.shape}, not {tensor.shape}")
    return tensor


def run_signature(model, name, inputs):
    """{output: array} of one signature on {input: array or nested list}."""
    specs = signatures(model)[name]["inputs"]
    if set(inputs) != set(specs):
        raise BadRequest(f"the inputs of signature {name} are {', '.join(sorted(specs))}, not {', '.join(sorted(inputs))}")
    tensors = {key: to_tensor(key, value, specs[key]) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in model.signatures[name](**tensors).items()}


def default_signature(model):
    names = signatures(model)
    return "serving_default" if "serving_default" in names else sorted(names)[0]


def predict_fn(data, model):
    if not signatures(model):
        return model(data if isinstance(data, dict) else numpy.asarray(data), training=False)
    name = default_signature(model)
    if not isinstance(data, dict):
        inputs = signatures(model)[name]["inputs"]
        if len(inputs) != 1:
            raise BadRequest(f"the model has several inputs ({', '.join(sorted(inputs))}): use /v1/models or an input_fn of your own")
        data = {next(iter(inputs)): data}
    outputs = run_signature(model, name, data)
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def to_host(prediction):
    if isinstance(prediction, tf.Tensor):
        return prediction.numpy()
    if isinstance(prediction, (list, tuple)):
        return [to_host(item) for item in prediction]
    if isinstance(prediction, dict):
        return {key: to_host(item) for key, item in prediction.items()}
    return prediction
