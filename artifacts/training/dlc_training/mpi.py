"""The hosts of an MPI job wait for one another. mpirun, on the first, starts programs on all of them through ssh, which answers as
soon as a container runs: a host that still installs packages would be used too early, and could come when a short job is over."""
import contextlib
import os
import socket
import subprocess
import time

from dlc_training.errors import TrainingError
from dlc_training.log import say

READY = "/tmp/dlc-training-ready"  # there while `train` waits on a host that is not the first
FIRST_HOST_SECONDS = 300
SILENT_SECONDS = 60
MESSAGE_SECONDS = 30


def ssh_port():
    """DLC_SSH_PORT, which dlc_ssh.py has made ssh's own; TrainingError where it is no port."""
    text = os.environ.get("DLC_SSH_PORT") or "22"
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise TrainingError(f"DLC_SSH_PORT is {text!r}, not a port")
    return int(text)


def connect(host, port):
    """To see that its sshd is there; OSError where it is not."""
    socket.create_connection((host, port), 5).close()


def answers(host, port):
    try:
        connect(host, port)
    except OSError:
        return False
    return True


def wait_for_first_host(host):
    """On the other hosts: as long as the first one's sshd answers there may be work for this one."""
    port = ssh_port()
    last = time.monotonic() + FIRST_HOST_SECONDS
    while not answers(host, port):
        if time.monotonic() > last:
            raise TrainingError(f"the first host {host} did not answer on its ssh port {port} in {FIRST_HOST_SECONDS} s")
        time.sleep(0.5)
    try:
        with open(READY, "wb"):
            pass
        stay_with(host, port)
    finally:
        not_ready()


def stay_with(host, port):
    """Until its sshd has gone: a host that refuses has none, one that is silent may be cut off for a while."""
    heard = time.monotonic()
    while time.monotonic() - heard < SILENT_SECONDS:
        try:
            connect(host, port)
            heard = time.monotonic()
        except ConnectionRefusedError:
            return
        except OSError as error:
            say(f"the first host {host} does not answer: {error}")
        time.sleep(5)


def not_ready():
    """Also before anything else: a killed container that is started again still has the file."""
    with contextlib.suppress(OSError):
        os.unlink(READY)


def ask(host):
    """(whether its `train` is ready, what ssh said where the host did not answer, else None)"""
    command = ["ssh", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5", host, "test", "-e", READY]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    unheard = done.returncode == 255  # ssh's own status
    return done.returncode == 0, done.stderr.decode("utf-8", "replace").strip() if unheard else None


def wait_for_other_hosts(hosts, seconds):
    """On the first host: returns when all are ready; TrainingError when one's sshd has not answered for `seconds`."""
    ssh_port()
    for host in hosts:
        start = heard = said = time.monotonic()
        while True:
            ready, reason = ask(host)
            if ready:
                break
            now = time.monotonic()
            if reason is None:
                heard = now
            elif now - heard >= seconds:
                raise TrainingError(f"the host {host} has not answered by ssh for {seconds:g} s: {reason}")
            if now - said >= MESSAGE_SECONDS:
                said = now
                what = "`train`" if reason is None else "sshd"
                say(f"waiting for {what} on {host} to be ready ({now - start:.0f} s)")
            time.sleep(0.5)
