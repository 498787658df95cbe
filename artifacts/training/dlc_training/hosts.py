"""Waits until the names of all hosts of the job resolve: without that nothing distributed works, and says so badly."""
import socket
import threading
import time

from dlc_training.errors import TrainingError
from dlc_training.log import say

MESSAGE_SECONDS = 5


def resolves(name):
    try:
        socket.getaddrinfo(name, None)
    except (OSError, UnicodeError):
        return False
    return True


def resolves_at_once(name):
    """One look-up, which may take a resolver many seconds; in a thread, so that a signal ends it."""
    found = []
    thread = threading.Thread(target=lambda: found.append(resolves(name)), daemon=True)
    thread.start()
    thread.join()
    return found == [True]


def add_to_hosts_file(name, path="/etc/hosts"):
    """True where the name could be added as this container itself."""
    try:
        with open(path, "a", encoding="ascii") as file:
            file.write(f"127.0.0.1 {name}\n")
    except OSError:
        return False
    return resolves(name)


def wait_for_hosts(hosts, seconds):
    """Returns when all resolve; TrainingError after `seconds`."""
    resolved = {name: threading.Event() for name in hosts}

    def look_up(name):
        # A thread each: a resolver may take many seconds for one name.
        while not resolves(name):
            time.sleep(0.5)
        resolved[name].set()

    for name in hosts:
        threading.Thread(target=look_up, args=(name,), daemon=True).start()
    start = time.monotonic()
    said = start - MESSAGE_SECONDS + 1  # the first message after a second
    while True:
        missing = [name for name in hosts if not resolved[name].is_set()]
        now = time.monotonic()
        if not missing:
            return
        if now - start >= seconds:
            raise TrainingError(
                f"these hosts of resourceconfig.json do not resolve to an address after {seconds:g} s: {', '.join(missing)}. "
                "Their names must be in DNS or /etc/hosts of this container; DLC_HOSTS_TIMEOUT sets how long to wait."
            )
        if now - said >= MESSAGE_SECONDS:
            said = now
            say(f"waiting for {', '.join(missing)} to resolve to an address ({now - start:.0f} of {seconds:g} s)")
        time.sleep(0.05)


def timeout(job):
    """How many seconds a host may be out of reach."""
    text = job.variables.get("DLC_HOSTS_TIMEOUT", "120")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds >= 0:  # NaN, too
        raise TrainingError(f"DLC_HOSTS_TIMEOUT is {text!r}, not a number of seconds")
    return seconds


def check(job):
    seconds = timeout(job)
    if len(job.hosts) == 1 and not resolves_at_once(job.hosts[0]) and add_to_hosts_file(job.hosts[0]):
        say(f"{job.hosts[0]}, this container, did not resolve; it is in /etc/hosts now")
        return
    wait_for_hosts(job.hosts, seconds)
