#!/usr/bin/env python3
"""Trains a small network on scikit-learn's digits, a third held out; saves it as TorchScript.

    train.py [--epochs N] [--seed N] [--batch-size N] [--learning-rate R] [--model-dir DIR] [--output-dir DIR]

The folders are SageMaker's under `train`. MODEL_DIR/model.pt; OUTPUT_DIR/held_out.json (accuracy, data, scores). Prints one
JSON object: accuracy on the held-out third, and what it ran on.
"""
import argparse
import json
import os
import pathlib

import torch
from sklearn.datasets import load_digits

CLASSES = 10


def network():
    nn = torch.nn
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def train(data, labels, options):
    net = network().to(data.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=options.learning_rate)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(options.epochs):
        for rows in torch.randperm(len(data), device=data.device).split(options.batch_size):
            optimizer.zero_grad()
            loss_of(net(data[rows]), labels[rows]).backward()
            optimizer.step()
    return net.eval()


def parse():
    parser = argparse.ArgumentParser(description="a small network on scikit-learn's digits")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--model-dir", type=pathlib.Path, default=os.environ.get("SM_MODEL_DIR", "."))
    parser.add_argument("--output-dir", type=pathlib.Path, default=os.environ.get("SM_OUTPUT_DATA_DIR", "."))
    return parser.parse_args()


def main():
    options = parse()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = load_digits()
    data = torch.from_numpy((source.data / 16.0).astype("float32")).to(device)
    labels = torch.from_numpy(source.target.astype("int64")).to(device)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(options.seed))
    held_out, training = order[: len(data) // 3], order[len(data) // 3 :]

    net = train(data[training], labels[training], options)
    with torch.no_grad():
        scores = net(data[held_out])
    accuracy = float((scores.argmax(1) == labels[held_out]).float().mean())
    torch.jit.script(net.cpu()).save(str(options.model_dir / "model.pt"))
    record = {"accuracy": accuracy, "data": data[held_out].tolist(), "scores": scores.tolist()}
    (options.output_dir / "held_out.json").write_text(json.dumps(record), encoding="utf-8")
    result = {"accuracy": accuracy, "rows": len(held_out), "device": str(device), "torch": str(torch.__version__)}
    print(json.dumps({**result, "channel": os.environ.get("SM_CHANNEL_TRAINING")}))


if __name__ == "__main__":
    main()
