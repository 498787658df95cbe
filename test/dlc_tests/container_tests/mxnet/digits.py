"""The network and the split that training and inference agree on."""
import numpy as np
from mxnet.gluon import nn

SEED = 7
CLASSES = 10


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu", in_units=64))
    net.add(nn.Dense(64, activation="relu", in_units=128))
    net.add(nn.Dense(CLASSES, in_units=64))
    return net


def split(rows):
    """Indexes of training and held-out rows: a third is held out, chosen by the seed alone."""
    order = np.random.RandomState(SEED).permutation(rows)
    held_out = rows // 3
    return order[held_out:], order[:held_out]
