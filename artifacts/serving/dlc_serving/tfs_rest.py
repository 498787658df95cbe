"""TensorFlow Serving's REST calls on a framework module that has `signatures` and `run_signature`.

Rows ("instances") and columns ("inputs") are what https://www.tensorflow.org/tfx/serving/api_rest says; so are the answers.
"""
import base64
import json
import os

from dlc_serving import media
from dlc_serving.errors import BadRequest, NotFound

DEFAULT_SIGNATURE = "serving_default"


def describe(handler, model_dir):
    """{"version": "N"} of a model with signatures (served under /v1/models); None of others."""
    read = getattr(handler.framework, "signatures", None)
    if read is None or handler.model is None or not read(handler.model):
        return None
    path = handler.framework.saved_model_dir(model_dir) or ""
    version = os.path.basename(path)
    return {"version": version if version.isdigit() else "1"}


def call(handler, head, body):
    """The JSON answer, as bytes."""
    signatures = handler.framework.signatures(handler.model)
    if head["verb"] == "metadata":
        return json.dumps(metadata(head, signatures)).encode()
    try:
        request = json.loads(media.text_of(body))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest("the body must be a JSON object")
    name = request.get("signature_name") or DEFAULT_SIGNATURE
    if name not in signatures:
        raise BadRequest(f'there is no signature "{name}"; there are: {", ".join(sorted(signatures))}')
    run = lambda inputs: run_checked(handler, name, signatures[name]["inputs"], inputs)  # noqa: E731
    if head["verb"] == "predict":
        return json.dumps(predict(request, signatures[name], run)).encode()
    return json.dumps(examples(head["verb"], request, run)).encode()


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


def written(value):
    """What json.dumps takes; bytes that are no text become {"b64": text}."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [written(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
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
        outputs = {name: written(value) for name, value in run(columns).items()}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}
    inputs = decoded(request["inputs"])
    if not isinstance(inputs, dict):
        inputs = {only(signature["inputs"], "inputs"): inputs}
    outputs = {name: written(value) for name, value in run(inputs).items()}
    return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}


def examples(verb, request, run):
    """:classify and :regress on a signature whose inputs are the features by name."""
    rows = request.get("examples")
    context = request.get("context", {})
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in [*rows, context]):
        raise BadRequest('the body must have "examples", a list of objects that is not empty')
    rows = [{**context, **decoded(row)} for row in rows]
    if any(set(row) != set(rows[0]) for row in rows):
        raise BadRequest("examples must all have the same features")
    outputs = {name: written(value) for name, value in run({name: [row[name] for row in rows] for name in rows[0]}).items()}
    if verb == "classify":
        if "scores" not in outputs:
            raise BadRequest("this signature does not classify: it has no output named scores")
        labels = outputs.get("classes") or [[str(index) for index in range(len(row))] for row in outputs["scores"]]
        return {"results": [list(map(list, zip(names, scores))) for names, scores in zip(labels, outputs["scores"])]}
    if len(outputs) != 1:
        raise BadRequest("this signature does not regress: it has several outputs")
    return {"results": [row[0] if isinstance(row, list) else row for row in next(iter(outputs.values()))]}


def tensor(name, spec):
    shape = getattr(spec, "shape", None)
    dims = None if shape is None or shape.rank is None else [-1 if size is None else size for size in shape]
    text = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE"}.get(spec.dtype.name, f"DT_{spec.dtype.name.upper()}")
    return {
        "dtype": text,
        "tensor_shape": {"dim": [{"size": str(size), "name": ""} for size in dims or []], "unknown_rank": dims is None},
        "name": name,
    }


def metadata(head, signatures):
    definitions = {
        name: {
            **{side: {key: tensor(key, spec) for key, spec in signature[side].items()} for side in ("inputs", "outputs")},
            "method_name": "tensorflow/serving/predict",
        }
        for name, signature in signatures.items()
    }
    return {
        "model_spec": {"name": head["name"], "signature_name": "", "version": head["version"]},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def status(version, ready):
    """The answer of GET /v1/models/NAME."""
    state = "AVAILABLE" if ready else "LOADING"
    return {"model_version_status": [{"version": version, "state": state, "status": {"error_code": "OK", "error_message": ""}}]}


def wanted_version(text, version):
    """Checks `/versions/N` of a path."""
    if text is not None and text != version:
        raise NotFound(f"version {text} is not served; version {version} is")
