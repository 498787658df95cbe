"""What train itself writes to stderr. A reader that has gone or a full disk under the log must not end or block a training job."""
import os
import select
import sys


def write(data):
    """Bytes to stderr; what nobody can take is dropped. Not through sys.stderr, whose buffer would fail again at exit."""
    if sys.stderr is None:
        return
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(2, rest) :]
        except BlockingIOError:
            select.select([], [2], [])
        except OSError:
            return


def say(text):
    write(f"train: {text}\n".encode("utf-8", "backslashreplace"))
