#!/usr/bin/env python3
"""Trains a small Gluon network on scikit-learn's digits; writes its parameters and the held-out third with its predictions.

    train_digits.py OUT_DIR

OUT_DIR/digits.params, OUT_DIR/held_out.npz (data, labels, scores). Prints one JSON object: accuracy on the held-out third.
"""
import json
import pathlib
import sys

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from sklearn.datasets import load_digits

import digits

EPOCHS = 60
BATCH = 64


def train(data, labels):
    net = digits.network()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    order = np.random.RandomState(digits.SEED)
    for _ in range(EPOCHS):
        rows = order.permutation(len(data))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            with autograd.record():
                loss = loss_of(net(mx.nd.array(data[batch])), mx.nd.array(labels[batch]))
            loss.backward()
            trainer.step(len(batch))
    return net


def main():
    out = pathlib.Path(sys.argv[1])
    mx.random.seed(digits.SEED)
    np.random.seed(digits.SEED)
    source = load_digits()
    data = (source.data / 16.0).astype("float32")
    labels = source.target.astype("float32")
    training, held_out = digits.split(len(data))
    net = train(data[training], labels[training])
    scores = net(mx.nd.array(data[held_out])).asnumpy()
    accuracy = float((scores.argmax(axis=1) == labels[held_out]).mean())
    net.save_parameters(str(out / "digits.params"))
    np.savez(out / "held_out.npz", data=data[held_out], labels=labels[held_out], scores=scores)
    print(json.dumps({"accuracy": accuracy, "rows": len(held_out), "trained_on": len(training)}))


if __name__ == "__main__":
    main()
