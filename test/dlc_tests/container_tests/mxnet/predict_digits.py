#!/usr/bin/env python3
"""Loads what train_digits.py saved and predicts its held-out rows again.

    predict_digits.py OUT_DIR

Prints one JSON object: accuracy, rows, rows whose prediction differs, the largest difference of a score.
"""
import json
import pathlib
import sys

import mxnet as mx
import numpy as np

import digits


def main():
    out = pathlib.Path(sys.argv[1])
    net = digits.network()
    net.load_parameters(str(out / "digits.params"))
    held_out = np.load(out / "held_out.npz")
    scores = net(mx.nd.array(held_out["data"])).asnumpy()
    predicted = scores.argmax(axis=1)
    print(
        json.dumps(
            {
                "accuracy": float((predicted == held_out["labels"]).mean()),
                "rows": len(predicted),
                "differ": int((predicted != held_out["scores"].argmax(axis=1)).sum()),
                "largest_difference": float(np.abs(scores - held_out["scores"]).max()),
            }
        )
    )


if __name__ == "__main__":
    main()
