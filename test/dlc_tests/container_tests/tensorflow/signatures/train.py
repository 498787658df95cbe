#!/usr/bin/env python3
"""Writes a SavedModel with every kind of signature that TensorFlow Serving's REST calls meet, as version 2, and an older version 1.

"classify" and "regress" take serialized tf.Example's, as models made for these two calls do; tf.Module's cannot say so themselves.
"""
import os
import pathlib

import tensorflow as tf

FLOATS = tf.TensorSpec([None], tf.float32)
TEXTS = tf.TensorSpec([None], tf.string)
FEATURES = {"age": tf.io.FixedLenFeature([], tf.float32, 0.0), "name": tf.io.FixedLenFeature([], tf.string, "nobody")}


def function(**specs):
    named = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()]
    return lambda body: tf.function(body, input_signature=named)


@function(x=tf.TensorSpec([None, 2], tf.float32))
def double(x):
    return {"y": x * 2}


@function(a=FLOATS, b=tf.TensorSpec([None, 2], tf.int32))
def two(a, b):
    return {"sum": a + tf.cast(tf.reduce_sum(b, 1), tf.float32), "twice": b * 2}


@function(text=TEXTS)
def text_of(text):
    return {"length": tf.strings.length(text), "same": text, "same_bytes": text}


@function(a=FLOATS, b=FLOATS)
def outer(a, b):
    return {"product": a[:, None] * b[None, :]}


@function(a=FLOATS)
def total(a):
    return {"total": tf.reduce_sum(a)}


def scores_of(age):
    return tf.stack([age, 1 - age], 1)


@function(age=FLOATS)
def by_feature(age):
    return {"scores": scores_of(age)}


@function(age=FLOATS)
def flat(age):
    return {"scores": age}


@function(inputs=TEXTS)
def classify(inputs):
    features = tf.io.parse_example(inputs, FEATURES)
    labels = tf.stack([features["name"], tf.fill(tf.shape(features["name"]), "other")], 1)
    return {"classes": labels, "scores": scores_of(features["age"])}


@function(inputs=TEXTS)
def regress(inputs):
    return {"outputs": tf.io.parse_example(inputs, FEATURES)["age"][:, None] * 10}


def main():
    folder = pathlib.Path(os.environ["SM_MODEL_DIR"])
    signatures = {
        "serving_default": double, "two": two, "text": text_of, "outer": outer, "total": total,
        "by_feature": by_feature, "flat": flat, "classify": classify, "regress": regress,
    }
    for version in ("1", "2"):
        tf.saved_model.save(tf.Module(), str(folder / version), signatures if version == "2" else {"serving_default": double})
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder / "2"))
    for name in ("classify", "regress"):
        updater.replace_method_name(signature_key=name, method_name=f"tensorflow/serving/{name}", tags="serve")
    updater.save()


if __name__ == "__main__":
    main()
