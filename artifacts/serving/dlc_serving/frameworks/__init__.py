"""Defaults for each framework. A module here may define model_fn(model_dir), predict_fn(data, model), to_host(prediction)
and, for TensorFlow Serving's REST paths, signatures(model) and run_signature(model, name, inputs)."""
import importlib
import importlib.util
import os

# The module of a framework, and ours for it.
MODULES = {"mxnet": "mxnet", "torch": "pytorch", "tensorflow": "tensorflow"}


def find():
    """The defaults of the framework that is installed; DLC_FRAMEWORK (mxnet, pytorch, tensorflow, none) overrides."""
    named = os.environ.get("DLC_FRAMEWORK")
    if named is None:
        named = next((ours for module, ours in MODULES.items() if importlib.util.find_spec(module)), "none")
    if named == "none":
        return None
    if named not in MODULES.values():
        raise ValueError(f"DLC_FRAMEWORK is {named!r}; it can be {', '.join(MODULES.values())} or none")
    return importlib.import_module(f"dlc_serving.frameworks.{named}")
