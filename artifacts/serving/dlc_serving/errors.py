"""Errors that mean a status of HTTP. A handler may raise them too: `from dlc_serving.errors import BadRequest`."""


class RequestError(Exception):
    """Answered with `status` and its text; nothing else of it leaves the container."""

    status = 500

    def __init__(self, message, status=None, headers=()):
        super().__init__(message)
        self.status = status or self.status
        self.headers = list(headers)


class BadRequest(RequestError):
    status = 400


class NotFound(RequestError):
    status = 404


class MethodNotAllowed(RequestError):
    status = 405


class NotAcceptable(RequestError):
    status = 406


class Conflict(RequestError):
    status = 409


class TooLarge(RequestError):
    status = 413


class UnsupportedMediaType(RequestError):
    status = 415


class NotReady(RequestError):
    status = 503


class TimedOut(RequestError):
    status = 504


class OutOfMemory(RequestError):
    """SageMaker answers it by unloading other models and trying again."""

    status = 507


def of_status(message, status):
    """The error that has this status; a plain RequestError where none has."""
    kind = next((kind for kind in RequestError.__subclasses__() if kind.status == status), RequestError)
    return kind(message, status)
