"""PyTorch: a TorchScript model (torch.jit.save) in model.pt, or in the only *.pt or *.pth of the model."""
import glob
import os

import numpy
import torch

from dlc_serving import media
from dlc_serving.errors import BadRequest

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LARGEST = 2**63 - 1


def model_fn(model_dir):
    path = os.path.join(model_dir, "model.pt")
    if not os.path.exists(path):
        found = sorted(glob.glob(os.path.join(model_dir, "*.pt")) + glob.glob(os.path.join(model_dir, "*.pth")))
        if len(found) != 1:
            raise FileNotFoundError(f"{model_dir} has no model.pt, and {len(found)} other *.pt and *.pth files; it must have one")
        path = found[0]
    model = torch.jit.load(path, map_location=DEVICE)
    model.eval()
    return model


def to_tensor(data):
    """Of any array of numbers: torch knows neither other machines' byte order nor (all of them) wide unsigned integers."""
    if isinstance(data, torch.Tensor):
        return data
    array = media.numbers(data)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and size > 1:
        if size == 8 and array.size and int(array.max()) > LARGEST:
            raise BadRequest(f"{array.max()} is too large: a tensor of whole numbers holds at most {LARGEST}")
        array = array.astype("int32" if size == 2 else "int64")
    elif kind in "fc" and size > (8 if kind == "f" else 16):
        array = array.astype("float64" if kind == "f" else "complex128")
    else:
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(numpy.ascontiguousarray(array))


def predict_fn(data, model):
    tensor = to_tensor(data)
    with torch.inference_mode():
        parameter = next(model.parameters(), None)
        if parameter is not None and parameter.is_floating_point():
            if tensor.is_complex():
                raise BadRequest("the model takes real numbers, not complex ones")
            tensor = tensor.to(parameter.dtype)
        return model(tensor.to(DEVICE))


def to_host(prediction):
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu()
        return (prediction.float() if prediction.dtype == torch.bfloat16 else prediction).numpy()  # numpy has no bfloat16
    if isinstance(prediction, (list, tuple)):
        return [to_host(item) for item in prediction]
    if isinstance(prediction, dict):
        return {key: to_host(item) for key, item in prediction.items()}
    return prediction
