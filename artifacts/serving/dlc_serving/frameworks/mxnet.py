"""MXNet: what net.export() or Module.save_checkpoint() wrote, NAME-symbol.json and NAME-NNNN.params."""
import glob
import json
import os
import re

import mxnet as mx

from dlc_serving import media

CONTEXT = mx.gpu() if mx.context.num_gpus() else mx.cpu()


def input_names(model_dir, prefix, symbol, params):
    """The inputs that are data: of NAME-shapes.json where there is one, else those without a parameter."""
    shapes = f"{prefix}-shapes.json"
    if os.path.exists(shapes):
        with open(shapes, encoding="utf-8") as file:
            return [entry["name"] for entry in json.load(file)]
    known = {name.partition(":")[2] for name in mx.nd.load(params)}
    return [name for name in mx.sym.load(symbol).list_inputs() if name not in known and not name.endswith("label")]


def model_fn(model_dir):
    symbols = sorted(glob.glob(os.path.join(model_dir, "*-symbol.json")))
    if not symbols:
        raise FileNotFoundError(f"{model_dir} must hold one *-symbol.json (as net.export writes it); it has none")
    if len(symbols) > 1:
        raise ValueError(f"{model_dir} must hold one *-symbol.json (as net.export writes it); it has {len(symbols)}")
    prefix = symbols[0][: -len("-symbol.json")]
    params = sorted(path for path in glob.glob(f"{prefix}-*.params") if re.search(r"-\d{4}\.params$", path))
    if not params:
        raise ValueError(f"{model_dir} has {os.path.basename(symbols[0])} and no parameters (NAME-0000.params) for it")
    names = input_names(model_dir, prefix, symbols[0], params[-1])
    net = mx.gluon.SymbolBlock.imports(symbols[0], names, params[-1], ctx=CONTEXT)
    net.hybridize(static_alloc=True)
    return net


def predict_fn(data, model):
    return model(mx.nd.array(media.numbers(data), ctx=CONTEXT, dtype="float32"))


def to_host(prediction):
    if isinstance(prediction, (list, tuple)):
        return [to_host(item) for item in prediction]
    return prediction.asnumpy() if isinstance(prediction, mx.nd.NDArray) else prediction
