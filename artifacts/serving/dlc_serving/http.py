"""HTTP/1.1 on one port: h11 reads and writes the protocol, this decides on limits, times and when a connection ends."""
import asyncio
import contextlib
import http
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import h11

from dlc_serving.errors import BadRequest, RequestError, TooLarge

log = logging.getLogger("dlc_serving")

CHUNK = 256 * 1024
IDLE_SECONDS = 120  # a connection without a request
HEAD_SECONDS = 20  # from the first byte of a request to the end of its head
STALL_SECONDS = 30  # a body from which nothing comes, a client that takes nothing
BODY_SECONDS = 300  # a whole body
LINGER_SECONDS = 2  # after an answer that came before the end of the body
MAX_HEAD = 64 * 1024


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    gone: Callable  # whether the client has closed the connection
    body: bytes = b""


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: list = field(default_factory=list)


def json_response(value, status=200, headers=()):
    return Response(status, json.dumps(value).encode() + b"\n", "application/json", list(headers))


def error_response(error, /, **more):
    value = {"code": error.status, "type": type(error).__name__, "message": str(error), **more}
    return json_response(value, error.status, error.headers)


class Closed(Exception):
    """The client is gone, or too slow to wait for."""


class Connection:
    """One client. `respond` is a coroutine from Request to Response; it raises RequestError for errors."""

    def __init__(self, reader, writer, respond, max_body, room):
        self.reader = reader
        self.writer = writer
        self.respond = respond
        self.max_body = max_body
        self.room = room
        self.held = 0  # bytes of the request's body
        self.protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.idle = True
        self.idle_since = time.monotonic()
        self.stopping = False
        self.ambiguous = False

    def stop(self):
        """Ends the connection now, or after the request that it is at."""
        self.stopping = True
        if self.idle:
            self.writer.close()

    async def run(self):
        try:
            while await self.one_request():
                self.protocol.start_next_cycle()
        except (Closed, OSError):
            pass
        except h11.LocalProtocolError:
            log.exception("a response that HTTP does not allow")
        finally:
            self.writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self.writer.wait_closed()

    async def receive(self, seconds):
        """More bytes into the parser."""
        try:
            data = await asyncio.wait_for(self.reader.read(CHUNK), seconds)
        except asyncio.TimeoutError:
            raise Closed from None
        self.idle = False
        self.protocol.receive_data(data)

    async def next_event(self, until):
        """The parser's next event; reads what it needs. `until`: when (time.monotonic) the client was too slow."""
        while True:
            event = self.protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.protocol.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
            await self.receive(max(0.001, min(STALL_SECONDS, until - time.monotonic())))

    async def one_request(self):
        """Answers one request; False where the connection must end then."""
        self.idle = not self.protocol.trailing_data[0]
        self.idle_since = started = time.monotonic()
        request, complete = None, False
        try:
            event = self.protocol.next_event()
            if event is h11.NEED_DATA and self.idle:
                if self.stopping:
                    return False
                await self.receive(IDLE_SECONDS)
                started = time.monotonic()
                event = h11.NEED_DATA
            if event is h11.NEED_DATA:
                event = await self.next_event(started + HEAD_SECONDS)
            if isinstance(event, h11.ConnectionClosed):
                return False
            request = self.parse(event)
            request.body = await self.body(request)
            complete = True
            started = time.monotonic()
            response = await self.respond(request)
        except h11.RemoteProtocolError as error:
            response = error_response(BadRequest(f"this is not HTTP/1.1: {error}", error.error_status_hint))
        except RequestError as error:
            response = error_response(error)
        except Closed:
            raise
        except Exception:  # pylint: disable=broad-except  # a defect of ours must not end the server, nor show its text
            log.exception("the server failed")
            response = error_response(RequestError("internal error"))
        finally:
            self.room.give(self.held)
            self.held = 0
        status = await self.answer(request, response, complete)
        if request is None or request.path != "/ping":
            what = f"{request.method} {request.path}" if request else "-"
            log.info("%s %d %.1f ms", what, status, (time.monotonic() - started) * 1000)
        if not complete:
            await self.linger()
            return False
        return self.protocol.our_state is h11.DONE and self.protocol.their_state is h11.DONE

    def gone(self):
        return self.reader.at_eof() or self.writer.transport.is_closing()

    def parse(self, event):
        # The parser minds its limit only while a head is incomplete.
        if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > MAX_HEAD:
            raise RequestError(f"the head is larger than {MAX_HEAD} bytes", 431)
        target = event.target.decode("latin-1")
        if "://" in target:  # the absolute form
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        # Two lengths: another server on the way may have believed the other one, and take what follows for something else.
        self.ambiguous = "content-length" in headers and "transfer-encoding" in headers
        return Request(event.method.decode(), path, query, headers, self.gone)

    async def body(self, request):
        if int(request.headers.get("content-length", 0)) > self.max_body:
            raise TooLarge(f"the body is larger than {self.max_body} bytes")
        parts, until = [], time.monotonic() + BODY_SECONDS
        while True:
            event = await self.next_event(until)
            if isinstance(event, h11.Data):
                self.room.take(len(event.data), self.held)
                self.held += len(event.data)
                if self.held > self.max_body:
                    raise TooLarge(f"the body is larger than {self.max_body} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return parts[0] if len(parts) == 1 else b"".join(parts)
            else:
                raise Closed

    async def send(self, event):
        data = self.protocol.send(event)
        if data:
            self.writer.write(data)
            try:
                await asyncio.wait_for(self.writer.drain(), STALL_SECONDS)
            except asyncio.TimeoutError:
                self.writer.transport.abort()
                raise Closed from None

    async def answer(self, request, response, complete):
        if self.protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise Closed
        try:
            head = self.head(response, complete)
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:  # a handler chose the type, the status
            log.error("the answer's type %r or status %r is not for HTTP: %s", response.content_type, response.status, error)
            response = error_response(RequestError("the answer has a content type or a status that HTTP does not allow"))
            head = self.head(response, complete)
        await self.send(head)
        if response.body and (request is None or request.method != "HEAD"):
            await self.send(h11.Data(data=response.body))
        await self.send(h11.EndOfMessage())
        return response.status

    def head(self, response, complete):
        headers = [("Content-Length", str(len(response.body))), *response.headers]
        if response.content_type:
            headers.insert(0, ("Content-Type", response.content_type))
        if self.stopping or self.ambiguous or not complete:
            headers.append(("Connection", "close"))
        try:
            reason = http.HTTPStatus(response.status).phrase
        except ValueError:
            reason = ""
        return h11.Response(status_code=response.status, headers=headers, reason=reason)

    async def linger(self):
        """Reads for a moment what the client still sends: closing at once would make it lose the answer (RST)."""
        with contextlib.suppress(OSError, asyncio.TimeoutError, NotImplementedError):
            self.writer.write_eof()
            until = time.monotonic() + LINGER_SECONDS
            while time.monotonic() < until:
                if not await asyncio.wait_for(self.reader.read(CHUNK), until - time.monotonic()):
                    break
