"""One worker process: loads the model, then answers frames on the socket until the other side closes it.

    python3 -m dlc_serving.worker FD MODEL_DIR NAME
"""
import logging
import socket
import sys

from dlc_serving import frames, tfs_rest
from dlc_serving.handler import Handler, status_of

log = logging.getLogger("dlc_serving")


def describe(error):
    """The head's entry for a request that failed; the traceback goes to the log only."""
    status, text = status_of(error)
    if status >= 500:
        log.error("the handler failed", exc_info=error)
    return {"status": status, "error": text}


def invoke(handler, items, bodies):
    """(body, content type) or an exception for each request to /invocations."""
    tensorflow = [index for index, item in enumerate(items) if tfs_rest.is_predict(handler, item, bodies[index])]
    results = dict(zip(tensorflow, tfs_rest.predict_all(handler, [bodies[index] for index in tensorflow])))
    others = [index for index in range(len(items)) if index not in results]
    results.update(zip(others, handler.invoke([items[index] for index in others], [bodies[index] for index in others])))
    return [results[index] for index in range(len(items))]


def answer(handler, head, bodies):
    """(head, bodies) for one frame: a batch of invocations, or one call of a TensorFlow Serving path."""
    if head["kind"] == "rest":
        try:
            return {"results": [{"status": 200, "content_type": "application/json"}]}, [tfs_rest.call(handler, head, bodies[0])]
        except Exception as error:  # pylint: disable=broad-except  # answered, as any handler's error
            return {"results": [describe(error)]}, [b""]
    results, out = [], []
    for result in invoke(handler, head["items"], bodies):
        if isinstance(result, Exception):
            results.append(describe(result))
            out.append(b"")
        else:
            results.append({"status": 200, "content_type": result[1]})
            out.append(result[0])
    return {"results": results}, out


def main():
    descriptor, model_dir, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    shown = name.replace("%", "%%")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s [{shown}] %(message)s")
    stream = socket.socket(fileno=descriptor)
    reader = stream.makefile("rb")

    def send(head, bodies=()):
        for part in frames.pack(head, bodies):
            stream.sendall(part)

    try:
        handler = Handler(model_dir, name)
    except MemoryError as error:
        log.exception("the model does not fit into memory")
        send({"failed": str(error) or "out of memory", "status": 507})
        return 1
    except (Exception, SystemExit) as error:  # pylint: disable=broad-except  # whatever loading raises is the reason
        log.exception("the model cannot be loaded")
        send({"failed": f"{type(error).__name__}: {error}", "status": 500})
        return 1
    send({"ready": True, "rest": tfs_rest.describe(handler, model_dir)})
    while True:
        frame = frames.read_blocking(reader)
        if frame is None:
            return 0
        try:
            send(*answer(handler, *frame))
        except OSError:
            return 0


if __name__ == "__main__":
    sys.exit(main())
