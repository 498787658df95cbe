"""TensorFlow Serving's REST calls on a framework module that has `signatures` and `run_signature`.

Rows ("instances") and columns ("inputs") are what https://www.tensorflow.org/tfx/serving/api_rest says; so are the answers.
"""
import base64
import itertools
import json
import os
import re

from dlc_serving import media
from dlc_serving.errors import BadRequest, NotAcceptable, NotFound
from dlc_serving.handler import attempt

DEFAULT_SIGNATURE = "serving_default"
PREDICT = {"verb": "predict"}
PREDICT_FORM = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:instances|inputs|signature_name)"\s*:')
# Signatures that were made for these two calls take serialized tf.Example's.
ON_EXAMPLES = ("tensorflow/serving/classify", "tensorflow/serving/regress")


def describe(handler, model_dir):
    """{"version": "N"} of a model with signatures (served under /v1/models); None of others."""
    read = getattr(handler.framework, "signatures", None)
    if read is None or handler.model is None or not read(handler.model):
        return None
    handler.saved_model = handler.framework.saved_model_dir(model_dir) or ""
    version = os.path.basename(handler.saved_model)
    return {"version": str(int(version)) if version.isdecimal() else "1"}  # 00000123, as Estimators name it, is 123


def definitions(handler):
    """{signature: its SignatureDef as JSON}, of the model's file; read when first asked for, since that file may be large."""
    if not hasattr(handler, "definitions"):
        handler.definitions = handler.framework.signature_defs(handler.saved_model) if handler.saved_model else {}
    return handler.definitions


def call(handler, head, body):
    """The JSON answer, as bytes."""
    signatures = handler.framework.signatures(handler.model)
    if head["verb"] == "metadata":
        return json.dumps(metadata(head, definitions(handler))).encode()
    try:
        request = json.loads(media.text_of(body))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest("the body must be a JSON object")
    name, run = chosen_signature(handler, request)
    if head["verb"] == "predict":
        return json.dumps(predict(request, signatures[name], run)).encode()
    rows = example_rows(request)
    if takes_examples(rows, signatures[name]["inputs"], definitions(handler).get(name, {})):
        columns = {only(signatures[name]["inputs"], "examples"): [handler.framework.serialized_example(row) for row in rows]}
    else:
        columns = {feature: [row.get(feature) for row in rows] for feature in rows[0]}
        if any(set(row) != set(rows[0]) for row in rows):
            raise BadRequest("examples must all have the same features")
    outputs = {key: written(value, key) for key, value in run(columns).items()}
    return json.dumps({"results": (classes if head["verb"] == "classify" else regressions)(outputs, len(rows))}).encode()


def chosen_signature(handler, request):
    """Its name, and what runs it on {input: value}."""
    signatures = handler.framework.signatures(handler.model)
    name = request.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(name, str) or name not in signatures:
        raise BadRequest(f'there is no signature "{name}"; there are: {", ".join(sorted(signatures))}')
    return name, lambda inputs: run_checked(handler, name, signatures[name]["inputs"], inputs)


def is_predict(handler, item, body):
    """Whether a request to /invocations has the form of `:predict`, as clients of SageMaker's TensorFlow images send it: they read
    its answer. Not where functions of the user's do the work, nor for a client that takes no JSON."""
    read = getattr(handler.framework, "signatures", None)
    if set(handler.own) - {"model_fn"} or read is None or not read(handler.model):
        return False
    try:
        takes_json = media.choose(item["accept"], handler.default_accept) == media.JSON
    except NotAcceptable:
        return False
    return takes_json and media.base_type(item["content_type"]) == media.JSON and PREDICT_FORM.match(body) is not None


def predict_all(handler, bodies):
    """(body, content type) or an exception for each request of the form of `:predict`."""
    answers = attempt(predict_together, handler, bodies) if len(bodies) > 1 else None
    if not isinstance(answers, list):  # each alone: one bad request must not fail its neighbours
        answers = [attempt(call, handler, PREDICT, body) for body in bodies]
    return [answer if isinstance(answer, Exception) else (answer, media.JSON) for answer in answers]


def predict_together(handler, bodies):
    """The answers to rows for one signature, computed at once. Raises where the requests do not go together."""
    requests = [json.loads(media.text_of(body)) for body in bodies]
    rows = [request.pop("instances") for request in requests]
    if any(request != requests[0] for request in requests) or not all(isinstance(part, list) and part for part in rows):
        raise ValueError("these requests do not go together")
    whole = {**requests[0], "instances": list(itertools.chain(*rows))}
    name, run = chosen_signature(handler, whole)
    predictions = iter(predict(whole, handler.framework.signatures(handler.model)[name], run)["predictions"])
    return [json.dumps({"predictions": list(itertools.islice(predictions, len(part)))}).encode() for part in rows]


def run_checked(handler, name, specs, inputs):
    """Runs the signature; what cannot be a tensor of its inputs is the client's mistake."""
    missing, unknown = set(specs) - set(inputs), set(inputs) - set(specs)
    if missing or unknown:
        raise BadRequest(f'inputs of signature "{name}" are {sorted(specs)}; the request has {sorted(inputs)}')
    try:
        return handler.framework.run_signature(handler.model, name, inputs)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"these inputs do not fit signature {name}: {error}") from None
    except Exception as error:
        # TensorFlow's own class for arguments of a wrong shape or type; this module must not need TensorFlow.
        if type(error).__name__ == "InvalidArgumentError":
            raise BadRequest(f"these inputs do not fit signature {name}: {error}") from None
        raise


def decoded(value):
    """{"b64": text} becomes bytes, at any depth."""
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (ValueError, TypeError):
                raise BadRequest("a b64 value is not valid base64") from None
        return {key: decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def written(value, name):
    """An output as json.dumps takes it; strings of one whose name ends in _bytes, and those that are no text, as {"b64": text}."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [written(item, name) for item in value]
    if isinstance(value, bytes):
        try:
            if not name.endswith("_bytes"):
                return value.decode()
        except UnicodeDecodeError:
            pass
        return {"b64": base64.b64encode(value).decode()}
    return value


def only(specs, what):
    if len(specs) != 1:
        raise BadRequest(f"the signature has several inputs ({', '.join(sorted(specs))}): {what} must name them")
    return next(iter(specs))


def rows_to_columns(rows, specs):
    if not isinstance(rows, list) or not rows:
        raise BadRequest("instances must be a list that is not empty")
    rows = decoded(rows)
    if not isinstance(rows[0], dict):
        return {only(specs, "each of instances"): rows}
    if any(not isinstance(row, dict) or set(row) != set(rows[0]) for row in rows):
        raise BadRequest("instances must all name the same inputs")
    return {name: [row[name] for row in rows] for name in rows[0]}


def predict(request, signature, run):
    if ("instances" in request) == ("inputs" in request):
        raise BadRequest('the body must have either "instances" (rows) or "inputs" (columns)')
    if "instances" in request:
        columns = rows_to_columns(request["instances"], signature["inputs"])
        outputs = {name: written(value, name) for name, value in run(columns).items()}
        for name, value in outputs.items():
            if not isinstance(value, list) or len(value) != len(request["instances"]):
                raise BadRequest(f'output {name} does not have a row for each of the {len(request["instances"])} instances: use "inputs"')
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}
    inputs = decoded(request["inputs"])
    if not isinstance(inputs, dict):
        inputs = {only(signature["inputs"], "inputs"): inputs}
    outputs = {name: written(value, name) for name, value in run(inputs).items()}
    return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}


def example_rows(request):
    """The features of each example, those of the context among them."""
    rows = request.get("examples")
    context = request.get("context", {})
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in [*rows, context]):
        raise BadRequest('the body must have "examples", a list of objects that is not empty')
    return [decoded({**context, **row}) for row in rows]


def takes_examples(rows, specs, definition):
    """Whether the signature takes serialized tf.Example's; else its inputs are the features by name."""
    if definition.get("method_name") in ON_EXAMPLES:
        return True
    if len(specs) != 1:
        return False
    ((name, spec),) = specs.items()
    return spec.dtype.name == "string" and any(set(row) != {name} for row in rows)


def classes(outputs, count):
    """Pairs of label and score for each example. A model may have no labels, or no scores."""
    if "scores" not in outputs and "classes" not in outputs:
        raise BadRequest("this signature does not classify: it has no output named classes or scores")
    scores, labels = outputs.get("scores"), outputs.get("classes")
    for rows in (scores, labels):
        if rows is not None and (not isinstance(rows, list) or len(rows) != count or not all(isinstance(row, list) for row in rows)):
            raise BadRequest(f"this signature does not classify: its outputs do not have a list for each of the {count} examples")
    scores = scores or [[0.0] * len(row) for row in labels]
    labels = labels or [[""] * len(row) for row in scores]
    return [[list(pair) for pair in zip(names, values)] for names, values in zip(labels, scores)]


def regressions(outputs, count):
    values = outputs.get("outputs", next(iter(outputs.values())) if len(outputs) == 1 else None)
    if not isinstance(values, list) or len(values) != count or any(isinstance(row, list) and len(row) != 1 for row in values):
        raise BadRequest("this signature does not regress: it must have one output, with one number for each example")
    return [row[0] if isinstance(row, list) else row for row in values]


def metadata(head, found):
    if not found:
        raise NotFound("this model was not loaded from a saved_model.pb of its folder, which would describe it")
    return {
        "model_spec": {"name": head["name"], "signature_name": "", "version": head["version"]},
        "metadata": {"signature_def": {"signature_def": found}},
    }


def status(version, ready):
    """The answer of GET /v1/models/NAME."""
    state = "AVAILABLE" if ready else "LOADING"
    return {"model_version_status": [{"version": version, "state": state, "status": {"error_code": "OK", "error_message": ""}}]}


def wanted_version(text, version):
    """Checks `/versions/N` of a path."""
    if text is not None and (text.lstrip("0") or "0") != version:
        raise NotFound(f"version {text} is not served; version {version} is")
