#!/usr/bin/env python3
"""Trains a small Keras network on scikit-learn's digits, under SageMaker's training contract.

    train.py [--epochs N] [--seed N] [--format savedmodel|keras]

SM_MODEL_DIR gets the model: 1/saved_model.pb (the layout of TensorFlow Serving) or digits.keras. SM_OUTPUT_DATA_DIR gets
held_out.json: data, labels and scores of a third that training never saw, and the accuracy on it.
"""
import argparse
import json
import os
import pathlib

import keras
import numpy as np
from sklearn.datasets import load_digits

CLASSES = 10


def split(rows, seed):
    """Indexes of training and held-out rows: a third is held out, chosen by the seed alone."""
    order = np.random.RandomState(seed).permutation(rows)
    held_out = rows // 3
    return order[held_out:], order[:held_out]


def network():
    net = keras.Sequential(
        [
            keras.Input((64,), name="pixels"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    net.compile(optimizer=keras.optimizers.Adam(0.002), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def main():
    parser = argparse.ArgumentParser(description="digits")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", choices=("savedmodel", "keras"), default="savedmodel")
    options = parser.parse_args()
    model_dir = pathlib.Path(os.environ["SM_MODEL_DIR"])
    output_dir = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])

    keras.utils.set_random_seed(options.seed)
    source = load_digits()
    data = (source.data / 16.0).astype("float32")
    labels = source.target.astype("int64")
    training, held_out = split(len(data), options.seed)
    net = network()
    net.fit(data[training], labels[training], epochs=options.epochs, batch_size=64, verbose=2)
    scores = net.predict(data[held_out], verbose=0)
    accuracy = float((scores.argmax(axis=1) == labels[held_out]).mean())
    if options.format == "keras":
        net.save(model_dir / "digits.keras")
    else:
        net.export(model_dir / "1", verbose=False)
    rows = {"data": data[held_out].tolist(), "labels": labels[held_out].tolist(), "scores": scores.tolist()}
    (output_dir / "held_out.json").write_text(json.dumps({"accuracy": accuracy, **rows}), encoding="utf-8")
    print(json.dumps({"accuracy": accuracy, "channel": os.environ.get("SM_CHANNEL_TRAINING")}))


if __name__ == "__main__":
    main()
