"""Media types: what a body is, what a client takes, and the default conversions to and from numpy arrays."""
import io
import json
import re

from dlc_serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
ALIASES = {"application/npy": NPY, "application/x-numpy": NPY, "application/csv": CSV, "text/json": JSON}
SUPPORTED = (JSON, CSV, NPY)
LINE_END = re.compile(r"\r\n|\r|\n")


def base_type(value):
    """`Text/CSV; charset=utf-8` as `text/csv`; the ways to write one of ours as ours."""
    name = (value or "").partition(";")[0].strip().lower()
    return ALIASES.get(name, name)


def is_text(content_type):
    name = base_type(content_type)
    return name in (JSON, CSV) or name.startswith("text/") or name.endswith("+json")


def accepted(header):
    """The media ranges of an Accept header, best first; those with q=0 are left out."""
    ranges = []
    for part in (header or "*/*").split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if name and quality > 0:
            ranges.append((quality, name))
    return [name for _, name in sorted(ranges, key=lambda item: -item[0])]


def choose(header, default=JSON, offered=SUPPORTED):
    """The type among `offered` that the client likes best; NotAcceptable where it takes none."""
    offered = sorted(offered, key=lambda name: name != base_type(default))
    for wanted in accepted(header):
        name = base_type(wanted)
        for offer in offered:
            if name in ("*/*", "*", offer) or (name.endswith("/*") and offer.startswith(name[:-1])):
                return offer
    raise NotAcceptable(f"Accept is {header!r}; answers can be {', '.join(offered)}")


def preferred(header, default=JSON):
    """What to hand a user's own output_fn: the client's first choice, the default where that is anything."""
    ranges = accepted(header)
    return default if not ranges or "*" in ranges[0] else ranges[0]


def text_of(body):
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 text: {error}") from None


def from_json(text):
    import numpy

    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    # {"instances": [...]} and {"inputs": [...]}: TensorFlow Serving's forms, which clients send to every framework.
    if isinstance(value, dict) and len(value) == 1:
        (key,) = value
        if key in ("instances", "inputs", "data"):
            value = value[key]
    try:
        array = numpy.array(value)
    except (ValueError, OverflowError):
        array = None
    if array is None or array.dtype == object:
        raise BadRequest("the JSON body must be a (nested) list of numbers in rows of equal length")
    return array.astype("float32") if array.dtype == "float64" else array


def from_csv(text):
    import numpy

    if not text.strip():
        raise BadRequest("the CSV body is empty")
    # A row for each line: batch transform joins answers to lines. numpy would pass over empty lines and comments.
    lines = LINE_END.split(text.rstrip())
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise BadRequest(f"line {number} of the CSV body is empty: there must be a row in each line")
    try:
        return numpy.loadtxt(lines, delimiter=",", dtype="float32", ndmin=2, comments=None)
    except ValueError as error:
        raise BadRequest(f"the CSV body must be rows of numbers of equal length: {error}") from None


def from_npy(body):
    import numpy

    try:
        array = numpy.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    except Exception as error:  # pylint: disable=broad-except  # the header is parsed as Python: many kinds of errors
        raise BadRequest(f"the body is not a .npy array without pickled objects: {error}") from None
    # Others (text, records, elements of no size) end the process in some frameworks.
    return numbers(array)


def numbers(data):
    """What a model of numbers takes, as an array."""
    import numpy

    array = numpy.asarray(data)
    if array.dtype.kind not in "biufc":
        raise BadRequest(f"the input must be an array of numbers, not of dtype {array.dtype}")
    return array


def decode(body, content_type):
    """The default input_fn."""
    name = base_type(content_type)
    if name not in SUPPORTED:
        raise UnsupportedMediaType(f"Content-Type is {content_type!r}; it can be {', '.join(SUPPORTED)}")
    if name == NPY:
        return from_npy(body)
    text = text_of(body) if isinstance(body, (bytes, bytearray)) else body
    return from_json(text) if name == JSON else from_csv(text)


def plain(value):
    """A value that json.dumps knows: arrays become lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def encode(prediction, content_type):
    """The default output_fn: bytes of the prediction in one of SUPPORTED."""
    import numpy

    if content_type == JSON:
        return json.dumps(plain(prediction)).encode()
    array = numpy.asarray(prediction)
    buffer = io.BytesIO()
    if content_type == NPY:
        numpy.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()
    if array.dtype.kind not in "biuf":
        raise NotAcceptable(f"this prediction cannot be written as {content_type}")
    rows = array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), -1)
    if array.ndim == 1:
        rows = array.reshape(-1, 1)
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist()).encode()
