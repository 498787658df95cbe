"""One worker as the server sees it: a process with the model, and the socket to it."""
import asyncio
import contextlib
import os
import signal
import socket
import sys

from dlc_serving import frames

LAST_WORDS_SECONDS = 1.0  # to read what a worker that has ended has said before


class Worker:
    """`gone` is done when the process has ended, whatever it has left running."""

    def __init__(self, process, reader, writer):
        self.process = process
        self.reader = reader
        self.writer = writer
        self.gone = asyncio.ensure_future(process.wait())
        self.gone.add_done_callback(self.ended)
        self.reason = ""  # why the server ended it; empty where it ended by itself

    @classmethod
    async def start(cls, name, model_dir, environment):
        """OSError or RuntimeError (no thread for the process's watcher) where there is no room for one more."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the working directory is no place for modules
                "-m",
                "dlc_serving.worker",
                str(theirs.fileno()),
                model_dir,
                name,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # a terminal's Ctrl-C is for the server, which then ends its workers in order
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            return cls(process, *await asyncio.open_connection(sock=ours))
        except BaseException:
            ours.close()
            process.kill()
            raise

    async def receive(self):
        """The next frame; IncompleteReadError or OSError when the worker has ended."""
        return await frames.read(self.reader)

    async def exchange(self, head, bodies):
        """Sends a frame and waits for the answer."""
        self.writer.writelines(frames.pack(head, bodies))
        await self.writer.drain()
        return await frames.read(self.reader)

    def ended(self, _):
        """The socket alone does not tell: what the handler has forked keeps the worker's end of it open. So that is ended too,
        and where it lives on in a session of its own the socket is closed from here."""
        self.kill_group()
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self.writer.transport.abort)

    def kill_group(self):
        """The process and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def stop(self, patience=0.0, reason="was ended by the server"):
        """Closes the socket, which ends an idle worker; after `patience` seconds kills it and what it has started."""
        self.writer.close()
        await asyncio.wait({self.gone}, timeout=patience)
        if not self.gone.done():
            self.reason = self.reason or reason
        self.kill_group()
        await asyncio.shield(self.gone)

    @property
    def killed_for_memory(self):
        """Whether that is what its end looks like: SIGKILL, and not ours."""
        return not self.reason and self.gone.result() == -signal.SIGKILL

    def death(self):
        """How it ended, in words."""
        status = self.gone.result()
        if self.reason:
            return self.reason
        if status >= 0:
            return f"ended with exit status {status}"
        name = signal.Signals(-status).name if -status in signal.valid_signals() else str(-status)
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
