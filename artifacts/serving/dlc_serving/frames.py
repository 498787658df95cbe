"""What goes between server and worker over a socket pair: a JSON head and any number of byte strings.

A frame is the head's length (4 bytes, big-endian), the head, the strings. The head's "sizes" has their lengths.
"""
import json
import struct

LENGTH = struct.Struct(">I")


def pack(head, bodies=()):
    """The frame as a list of byte strings, so that a large body is not copied."""
    text = json.dumps({**head, "sizes": [len(body) for body in bodies]}).encode()
    return [LENGTH.pack(len(text)) + text, *bodies]


def read_blocking(stream):
    """(head, bodies) from a buffered binary stream; None where the other side is gone."""

    def exactly(size):
        data = stream.read(size)
        if len(data) < size:
            raise EOFError
        return data

    try:
        head = json.loads(exactly(LENGTH.unpack(exactly(LENGTH.size))[0]))
        return head, [exactly(size) for size in head["sizes"]]
    except (EOFError, OSError):
        return None


async def read(reader):
    """(head, bodies) from an asyncio.StreamReader; IncompleteReadError or OSError where the other side is gone."""
    size = LENGTH.unpack(await reader.readexactly(LENGTH.size))[0]
    head = json.loads(await reader.readexactly(size))
    return head, [await reader.readexactly(size) for size in head["sizes"]]
