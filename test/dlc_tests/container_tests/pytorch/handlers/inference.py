"""Handlers of a user: the digits themselves instead of the scores of all ten."""
import json
import os

import torch


def model_fn(model_dir):
    return torch.jit.load(os.path.join(model_dir, "model.pt")).eval()


def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"not JSON but {content_type}")
    return torch.tensor(json.loads(body), dtype=torch.float32)


def predict_fn(data, model):
    with torch.no_grad():
        return model(data).argmax(1).tolist()


def output_fn(prediction, accept):
    return json.dumps({"digits": prediction}), "application/json"
