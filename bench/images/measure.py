#!/usr/bin/env python3
"""Runs inside a container: measures a framework, once for each line that arrives on the standard input.

    measure.py FRAMEWORK import|matmul|train|infer [--threads N]
    measure.py FRAMEWORK model DIRECTORY      saves the network for `serve`

Prints `ready` after a warm-up, then for each line one figure, until the input ends. So several containers can be warm at once and
measure in turn, the others asleep.
import: seconds of `import FRAMEWORK` in a new process. matmul: GFLOP/s of two 1024 x 1024 float32 matrices. train: samples/s of
a small convolutional network on 28 x 28 images in batches of 64. infer: milliseconds for one image; the last three are means over a
window of time. --threads (default: what the image's entrypoint or the framework chose).
"""
import argparse
import os
import subprocess
import sys
import time

SIZE = 1024
BATCH = 64
MODULES = {"mxnet": "mxnet", "tensorflow": "tensorflow", "pytorch": "torch"}


class MXNet:
    def __init__(self, threads):
        import mxnet

        self.mx = mxnet
        self.net = mxnet.gluon.nn.HybridSequential()
        self.net.add(
            mxnet.gluon.nn.Conv2D(16, 3, activation="relu"),
            mxnet.gluon.nn.MaxPool2D(),
            mxnet.gluon.nn.Conv2D(32, 3, activation="relu"),
            mxnet.gluon.nn.MaxPool2D(),
            mxnet.gluon.nn.Dense(128, activation="relu"),
            mxnet.gluon.nn.Dense(10),
        )
        self.net.initialize()
        self.net.hybridize(static_alloc=True)
        self.images = mxnet.nd.random.uniform(shape=(BATCH, 1, 28, 28))
        self.labels = mxnet.nd.zeros((BATCH,))
        self.one = self.images[:1].copy()
        self.loss = mxnet.gluon.loss.SoftmaxCrossEntropyLoss()
        self.net(self.one).wait_to_read()
        self.trainer = mxnet.gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": 0.01})
        self.a = mxnet.nd.random.uniform(shape=(SIZE, SIZE))

    def matmul(self):
        self.mx.nd.dot(self.a, self.a).wait_to_read()

    def train(self):
        with self.mx.autograd.record():
            loss = self.loss(self.net(self.images), self.labels)
        loss.backward()
        self.trainer.step(BATCH)
        self.mx.nd.waitall()

    def infer(self):
        self.net(self.one).asnumpy()

    def save(self, directory):
        self.net.export(os.path.join(directory, "model"))


class TensorFlow:
    def __init__(self, threads):
        import tensorflow

        self.tf = tensorflow
        if threads:
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
        layers = tensorflow.keras.layers
        self.net = tensorflow.keras.Sequential([
            tensorflow.keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ])
        self.images = tensorflow.random.uniform((BATCH, 28, 28, 1))
        self.labels = tensorflow.zeros((BATCH,), tensorflow.int32)
        self.one = self.images[:1]
        self.a = tensorflow.random.uniform((SIZE, SIZE))
        loss = tensorflow.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        rate = 0.01

        @tensorflow.function
        def step(images, labels):
            with tensorflow.GradientTape() as tape:
                value = loss(labels, self.net(images, training=True))
            variables = self.net.trainable_variables
            for variable, gradient in zip(variables, tape.gradient(value, variables)):
                variable.assign_sub(rate * gradient)
            return value

        self.step = step
        self.forward = tensorflow.function(lambda image: self.net(image, training=False))

    def matmul(self):
        self.tf.matmul(self.a, self.a).numpy()

    def train(self):
        self.step(self.images, self.labels).numpy()

    def infer(self):
        self.forward(self.one).numpy()

    def save(self, directory):
        self.net.export(directory)


class PyTorch:
    def __init__(self, threads):
        import torch

        self.torch = torch
        if threads:
            torch.set_num_threads(threads)
        nn = torch.nn
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
        self.images = torch.rand(BATCH, 1, 28, 28)
        self.labels = torch.zeros(BATCH, dtype=torch.long)
        self.one = self.images[:1].clone()
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)
        self.a = torch.rand(SIZE, SIZE)

    def matmul(self):
        self.torch.mm(self.a, self.a)

    def train(self):
        self.optimizer.zero_grad()
        self.loss(self.net(self.images), self.labels).backward()
        self.optimizer.step()

    def infer(self):
        with self.torch.no_grad():
            self.net(self.one).numpy()

    def save(self, directory):
        self.torch.jit.script(self.net.eval()).save(os.path.join(directory, "model.pt"))


FRAMEWORKS = {"mxnet": MXNet, "tensorflow": TensorFlow, "pytorch": PyTorch}


WINDOW = 0.3  # seconds: three periods of a quota of CPU time, which stops the process in each


def seconds_each(work):
    """The mean of a call over a window of time."""
    start, calls, seconds = time.perf_counter(), 0, 0.0
    while seconds < WINDOW:
        work()
        calls += 1
        seconds = time.perf_counter() - start
    return seconds / calls


def import_seconds(module):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def measurement(framework, what, threads):
    """A function that measures once."""
    if what == "import":
        return lambda: import_seconds(MODULES[framework])
    subject = FRAMEWORKS[framework](threads)
    if what == "matmul":
        return lambda: 2 * SIZE**3 / seconds_each(subject.matmul) / 1e9
    if what == "train":
        return lambda: BATCH / seconds_each(subject.train)
    return lambda: 1000 * seconds_each(subject.infer)


def main():
    parser = argparse.ArgumentParser(description="one measurement of a framework")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("what", choices=["import", "matmul", "train", "infer", "model"])
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:  # before the framework loads: OpenMP reads it once
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(options.threads)
    if options.what == "model":
        FRAMEWORKS[options.framework](options.threads).save(options.directory)
        return
    measure = measurement(options.framework, options.what, options.threads)
    measure()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(measure(), flush=True)


if __name__ == "__main__":
    main()
