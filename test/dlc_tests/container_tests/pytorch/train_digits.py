#!/usr/bin/env python3
"""Trains a small network on scikit-learn's digits; saves it as TorchScript, and the held-out third with its scores.

    train_digits.py [--model-dir DIR] [--output-dir DIR] [--epochs N] [--batch-size N] [--learning-rate R]

Under SageMaker's `train` the folders are those of the job. MODEL_DIR/model.pt; OUTPUT_DIR/held_out.npy (the rows), held_out.json
(data, labels, scores).
Prints one JSON object: accuracy on the held-out third. Ends with status 1 where that is below 0.95.
"""
import argparse
import json
import os
import pathlib
import sys

import numpy
import torch
from sklearn.datasets import load_digits

import digits

REQUIRED_ACCURACY = 0.95


def arguments():
    parser = argparse.ArgumentParser(description="a small network on scikit-learn's digits")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "."))
    parser.add_argument("--output-dir", default=os.environ.get("SM_OUTPUT_DATA_DIR"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    return parser.parse_args()


def train(data, labels, options):
    net = digits.network().to(data.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=options.learning_rate)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(options.epochs):
        for rows in torch.randperm(len(data), device=data.device).split(options.batch_size):
            optimizer.zero_grad()
            loss_of(net(data[rows]), labels[rows]).backward()
            optimizer.step()
    return net.eval()


def main():
    options = arguments()
    torch.manual_seed(digits.SEED)
    source = load_digits()
    data = torch.from_numpy((source.data / 16.0).astype("float32")).to(digits.device())
    labels = torch.from_numpy(source.target.astype("int64")).to(digits.device())
    training, held_out = (torch.from_numpy(rows) for rows in digits.split(len(data)))
    net = train(data[training], labels[training], options)
    with torch.no_grad():
        scores = net(data[held_out])
    accuracy = float((scores.argmax(1) == labels[held_out]).float().mean())

    model_dir = pathlib.Path(options.model_dir)
    torch.jit.script(net.cpu()).save(str(model_dir / "model.pt"))
    output_dir = pathlib.Path(options.output_dir or options.model_dir)
    rows = data[held_out].cpu()
    numpy.save(output_dir / "held_out.npy", rows.numpy())
    record = {"data": rows.tolist(), "labels": labels[held_out].tolist(), "scores": scores.tolist()}
    (output_dir / "held_out.json").write_text(json.dumps(record), encoding="utf-8")
    print(
        json.dumps(
            {
                "accuracy": accuracy,
                "rows": len(held_out),
                "trained_on": len(training),
                "device": str(data.device),
                "torch": torch.__version__,
            }
        )
    )
    return 0 if accuracy >= REQUIRED_ACCURACY else 1


if __name__ == "__main__":
    sys.exit(main())
