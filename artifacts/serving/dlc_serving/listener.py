"""The port: accepts connections, as many as there are file descriptors for."""
import asyncio
import contextlib
import logging
import resource
import socket
import time

log = logging.getLogger("dlc_serving")

BACKLOG = 1024
MOST_CONNECTIONS = 10000
MOST_FILES = 1 << 20  # where there is no limit
OWN_FILES = 32  # what the server needs for itself, starting a worker included
PAUSE_SECONDS = 0.2  # after a connection that could not be accepted
QUIET_SECONDS = 60  # between complaints


def raise_file_limit():
    """Sets the soft limit of open files to the hard one; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return most if soft == resource.RLIM_INFINITY else soft


def connection_limit(files, workers):
    """How many connections leave files for workers and for what else the server opens."""
    return max(8, min(MOST_CONNECTIONS, files - max(OWN_FILES + 2 * workers, files // 4)))


class Listener:
    """`connect` makes a Connection of a reader and a writer. Where all places are taken the connection that has been idle for
    longest loses its own; where none is idle the new one waits."""

    def __init__(self, port, connect, workers):
        self.connect = connect
        self.files = raise_file_limit()
        self.limit = connection_limit(self.files, workers)
        self.connections = set()
        self.tasks = set()
        self.complained = -QUIET_SECONDS
        self.socket = socket.create_server(("0.0.0.0", port), backlog=BACKLOG)
        self.socket.setblocking(False)

    async def run(self):
        """Accepts until it is cancelled."""
        try:
            while True:
                client = await self.accept()
                if client is not None:
                    task = asyncio.create_task(self.serve(client))
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
        finally:
            self.socket.close()

    async def accept(self):
        """A connection there is a place for; None where there was none to accept."""
        try:
            client, _ = await asyncio.get_running_loop().sock_accept(self.socket)
        except OSError as error:
            self.complain(f"a connection cannot be accepted: {error}")
            self.close_idle()
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer's last part waits for no acknowledgement
        try:
            while len(self.tasks) >= self.limit:
                self.complain(f"{len(self.tasks)} connections are open, as many as a limit of {self.files} open files allows")
                self.close_idle()
                await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED, timeout=PAUSE_SECONDS)
        except BaseException:
            client.close()
            raise
        return client

    async def serve(self, client):
        try:
            reader, writer = await asyncio.open_connection(sock=client)
        except OSError:
            client.close()
            return
        connection = self.connect(reader, writer)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    def close_idle(self):
        idle = [connection for connection in self.connections if connection.idle]
        if idle:
            min(idle, key=lambda connection: connection.idle_since).writer.close()

    def complain(self, text):
        """One line, however often it happens."""
        if time.monotonic() - self.complained >= QUIET_SECONDS:
            self.complained = time.monotonic()
            log.error("%s; idle ones are closed for new ones", text)
