"""PyTorch: a TorchScript model (torch.jit.save) in model.pt, or in the only *.pt or *.pth of the model."""
import glob
import os

import numpy
import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


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


def predict_fn(data, model):
    tensor = data if isinstance(data, torch.Tensor) else torch.from_numpy(numpy.ascontiguousarray(data))
    with torch.inference_mode():
        parameter = next(model.parameters(), None)
        if parameter is not None and parameter.is_floating_point() and not tensor.is_floating_point():
            tensor = tensor.to(parameter.dtype)
        return model(tensor.to(DEVICE))


def to_host(prediction):
    if isinstance(prediction, torch.Tensor):
        return prediction.detach().cpu().numpy()
    if isinstance(prediction, (list, tuple)):
        return [to_host(item) for item in prediction]
    if isinstance(prediction, dict):
        return {key: to_host(item) for key, item in prediction.items()}
    return prediction
