"""A user's training script for SageMaker: a Gluon network on scikit-learn's digits; symbol and parameters as net.export writes them."""
import argparse
import json
import os

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon import nn
from sklearn.datasets import load_digits


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mx.random.seed(options.seed)
    np.random.seed(options.seed)
    source = load_digits()
    data, labels = (source.data / 16).astype("float32"), source.target.astype("float32")
    order = np.random.RandomState(options.seed).permutation(len(data))
    held_out, training = order[: len(data) // 3], order[len(data) // 3 :]
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    for _ in range(options.epochs):
        rows = np.random.permutation(training)
        for start in range(0, len(rows), 64):
            batch = rows[start : start + 64]
            with autograd.record():
                loss = loss_of(net(mx.nd.array(data[batch])), mx.nd.array(labels[batch]))
            loss.backward()
            trainer.step(len(batch))
    scores = net(mx.nd.array(data[held_out])).asnumpy()
    accuracy = float((scores.argmax(axis=1) == labels[held_out]).mean())
    net.export(os.path.join(os.environ["SM_MODEL_DIR"], "digits"))
    with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "held_out.json"), "w", encoding="utf-8") as file:
        json.dump({"accuracy": accuracy, "data": data[held_out].tolist(), "scores": scores.tolist()}, file)
    print(json.dumps({"accuracy": accuracy, "channel": os.environ.get("SM_CHANNEL_TRAINING")}))


if __name__ == "__main__":
    main()
