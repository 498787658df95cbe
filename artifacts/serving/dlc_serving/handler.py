"""The user's functions in code/inference.py, the framework's own where one is missing, and how they are called.

    model_fn(model_dir)                 the model; once in each worker
    input_fn(body, content_type)        what predict_fn takes; body is text for JSON, CSV and text/*, else bytes
    predict_fn(data, model)
    output_fn(prediction, accept)       the body, or (body, content type)
    predict_batch_fn(list, model)       optional; a list of predictions, one for each
    transform_fn(model, body, content_type, accept)    instead of the three
    handler(data, context)              instead of the three; data.read() gives the body
"""
import importlib.machinery
import importlib.util
import io
import logging
import os
import sys
from types import SimpleNamespace

from dlc_serving import frameworks, media
from dlc_serving.errors import RequestError, UnsupportedMediaType

log = logging.getLogger("dlc_serving")

NAMES = ("model_fn", "input_fn", "predict_fn", "predict_batch_fn", "output_fn", "transform_fn", "handler")


class HandlerError(Exception):
    """The user's code cannot be used as it is; the text says what to change."""


def load_module(model_dir):
    """The user's module; None where the model brings no code."""
    code = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if not os.path.isdir(code):
        code = os.path.join(model_dir, "code")
    named = os.environ.get("SAGEMAKER_PROGRAM")
    program = named or "inference.py"
    if not os.path.isfile(os.path.join(code, program)):
        if named and os.path.isdir(code):
            raise HandlerError(f"SAGEMAKER_PROGRAM is {named}, and {code} has no such file")
        return None
    for folder in (os.path.join(code, "lib"), code):
        if os.path.isdir(folder):
            sys.path.insert(0, folder)
    return load_file(os.path.join(code, program), os.path.splitext(program)[0].strip("/").replace("/", "."))


def load_file(path, name):
    """The module of this very file, whatever else its name may mean."""
    parts = name.split(".")
    if not all(map(str.isidentifier, parts)) or parts[0] in sys.stdlib_module_names or parts[0] in sys.modules:
        name = "dlc_program"
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path, loader=loader))
    sys.modules[name] = module  # for what it pickles, and for what imports it
    loader.exec_module(module)
    return module


class Handler:
    """One model in this process, ready to answer."""

    def __init__(self, model_dir, name="model"):
        self.name = name
        self.framework = frameworks.find()
        module = load_module(model_dir)
        self.own = {key: getattr(module, key) for key in NAMES if callable(getattr(module, key, None))}
        self.default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or media.JSON
        self.model = self.load(model_dir)

    def load(self, model_dir):
        model_fn = self.own.get("model_fn")
        if model_fn is not None or "handler" not in self.own:
            return (model_fn or self.framework_function("model_fn"))(model_dir)
        try:
            return self.framework.model_fn(model_dir) if hasattr(self.framework, "model_fn") else None
        except FileNotFoundError as error:
            log.info("%s; the handler loads what it needs", error)
            return None

    def framework_function(self, key):
        found = getattr(self.framework, key, None)
        if found is None:
            raise HandlerError(f"code/inference.py must define {key}: there is no default for it in this image")
        return found

    # One step each -----------------------------------------------------------------------------------------------------

    def decode(self, body, content_type):
        if "input_fn" not in self.own:
            return media.decode(body, content_type)
        return self.own["input_fn"](media.text_of(body) if media.is_text(content_type) else body, content_type)

    def predict(self, data):
        return (self.own.get("predict_fn") or self.framework_function("predict_fn"))(data, self.model)

    def encode(self, prediction, accept):
        """(body, content type)"""
        if "output_fn" not in self.own:
            chosen = media.choose(accept, self.default_accept)
            to_host = getattr(self.framework, "to_host", None)
            return media.encode(to_host(prediction) if to_host else prediction, chosen), chosen
        wanted = media.preferred(accept, self.default_accept)
        return answer(self.own["output_fn"](prediction, wanted), wanted)

    # A whole request ---------------------------------------------------------------------------------------------------

    def whole(self, item, body):
        """One request through handler or transform_fn."""
        content_type = item["content_type"]
        wanted = media.preferred(item["accept"], self.default_accept)
        if "handler" in self.own:
            context = SimpleNamespace(
                model=self.model,
                model_name=self.name,
                request_content_type=content_type,
                accept_header=wanted,
                content_length=len(body),
                custom_attributes=item["attributes"],
                method="predict",
            )
            return answer(self.own["handler"](io.BytesIO(body), context), wanted)
        data = media.text_of(body) if media.is_text(content_type) else body
        return answer(self.own["transform_fn"](self.model, data, content_type, wanted), wanted)

    def invoke(self, items, bodies):
        """For each request (body, content type), or the exception that it ended with."""
        if "handler" in self.own or "transform_fn" in self.own:
            return [attempt(self.whole, item, body) for item, body in zip(items, bodies)]
        # A client that takes nothing we can say is told so before the work is done.
        results = [attempt(self.check_accept, item) for item in items]
        for index, (item, body) in enumerate(zip(items, bodies)):
            if not isinstance(results[index], Exception):
                results[index] = attempt(self.decode, body, item["content_type"])
        good = [index for index, result in enumerate(results) if not isinstance(result, Exception)]
        for index, result in zip(good, self.predict_all([results[index] for index in good])):
            if not isinstance(result, Exception):
                result = attempt(self.encode, result, items[index]["accept"])
            results[index] = result
        return results

    def check_accept(self, item):
        if "output_fn" not in self.own:
            media.choose(item["accept"], self.default_accept)

    def predict_all(self, inputs):
        """Predictions or exceptions, in order. Where a batch as a whole fails each is tried alone: one bad request must not
        fail its neighbours."""
        results = [None] * len(inputs)
        for group in self.groups(inputs):
            together = attempt(self.predict_together, [inputs[index] for index in group]) if len(group) > 1 else None
            if not isinstance(together, list):
                together = [attempt(self.predict, inputs[index]) for index in group]
            for index, result in zip(group, together):
                results[index] = result
        return results

    def groups(self, inputs):
        """The indexes of inputs that may go together: all for a predict_batch_fn, else arrays of rows that are alike."""
        if "predict_batch_fn" in self.own:
            return [list(range(len(inputs)))]
        found = {}
        for index, data in enumerate(inputs):
            # Two vectors would become one vector, which is no longer two requests.
            rows = getattr(data, "ndim", 0) >= 2 and hasattr(data, "dtype")
            found.setdefault((type(data), str(data.dtype), data.shape[1:]) if rows else index, []).append(index)
        return list(found.values())

    def predict_together(self, inputs):
        """A list of predictions; None where the answer does not fall into as many parts."""
        if "predict_batch_fn" in self.own:
            predictions = list(self.own["predict_batch_fn"](inputs, self.model))
            if len(predictions) != len(inputs):
                raise HandlerError(f"predict_batch_fn gave {len(predictions)} predictions for {len(inputs)} requests")
            return predictions
        import numpy

        if not all(isinstance(data, numpy.ndarray) for data in inputs):
            return None
        joined = self.predict(numpy.concatenate(inputs))
        ends = numpy.cumsum([len(data) for data in inputs])
        if not hasattr(joined, "shape") or not joined.shape or joined.shape[0] != ends[-1]:
            return None
        return [joined[end - len(data) : end] for end, data in zip(ends.tolist(), inputs)]


def attempt(function, *arguments):
    """What the function gives, or the exception it raises."""
    try:
        return function(*arguments)
    except Exception as error:  # pylint: disable=broad-except  # whatever a user's function raises is its answer
        return error


def answer(value, content_type):
    """(bytes, content type) from what a user's function gave."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        value, content_type = value
    if isinstance(value, str):
        return value.encode(), content_type
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), content_type
    chosen = media.base_type(content_type)
    if chosen not in media.SUPPORTED:
        raise UnsupportedMediaType(f"the handler gave a {type(value).__name__}, which has no form as {content_type}", 406)
    return media.encode(value, chosen), chosen


def status_of(error):
    """(status, text) for the client."""
    if isinstance(error, RequestError):
        return error.status, str(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (507 if isinstance(error, MemoryError) else 500), text
