"""Runs the script as a child: its output goes on at once, signals reach it, the end of what it wrote to stderr is kept."""
import collections
import os
import signal
import subprocess
import threading

from dlc_training import log

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
KEPT = 4096  # bytes of stderr


class Script:
    """One run. After `run`: status (128 + N where signal N ended it), stop_signal (the last one forwarded), tail."""

    def __init__(self, command, folder, variables):
        self.command = command
        self.folder = folder
        self.variables = variables
        # A shell script's programs do not hear of a signal to the shell alone; a Python script decides itself what happens
        # to the processes it started.
        self.to_group = not os.path.basename(command[0]).startswith("python")
        self.process = None
        self.stop_signal = None
        self.kept = collections.deque()

    def forward(self, number, _frame):
        self.stop_signal = number
        if self.process is not None:
            self.deliver(number)

    def deliver(self, number):
        try:
            if self.to_group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass

    def copy_errors(self):
        size = 0
        while True:
            data = os.read(self.process.stderr.fileno(), 65536)
            if not data:
                return
            log.write(data)
            self.kept.append(data)
            size += len(data)
            while size - len(self.kept[0]) >= KEPT:
                size -= len(self.kept.popleft())

    def run(self):
        for number in FORWARDED:
            signal.signal(number, self.forward)
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=self.variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        if self.stop_signal is not None:  # it came before there was a process
            self.deliver(self.stop_signal)
        copier = threading.Thread(target=self.copy_errors, daemon=True)
        copier.start()
        status = self.process.wait()
        copier.join(5)  # something that the script left behind may keep the pipe open
        return 128 - status if status < 0 else status

    def tail(self):
        return b"".join(self.kept)[-KEPT:].decode("utf-8", "replace").strip()
