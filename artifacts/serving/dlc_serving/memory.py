"""How much memory is left, and how much of it bodies may take."""
import time

from dlc_serving.errors import NotReady
from dlc_serving.settings import read_words

ALWAYS = 16 * 1024 * 1024  # bytes of bodies that are not worth a look
FRESH_SECONDS = 0.5  # how long a look is good for


def free_memory():
    """Bytes that this container can still use: the machine's, or less where a control group has a limit."""
    words = read_words("/proc/meminfo")
    free = int(words[words.index("MemAvailable:") + 1]) * 1024
    for limit_file, used_file, stat_file in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            "/sys/fs/cgroup/memory/memory.stat",
        ),
    ):
        limit, used, stat = read_words(limit_file), read_words(used_file), read_words(stat_file)
        if limit and used and limit[0].isdigit():
            # Pages of files that nobody has used of late are dropped when memory is wanted.
            cache = int(stat[stat.index("inactive_file") + 1]) if "inactive_file" in stat else 0
            return min(free, int(limit[0]) - int(used[0]) + cache)
    return free


class BodyRoom:
    """The bodies of all requests that are being read or answered. One alone may be as large as a body may be; several may
    take half as much memory as is free beside them."""

    def __init__(self):
        self.used = 0
        self.free = 0
        self.looked = float("-inf")

    def take(self, size, held):
        """`size` more bytes for a request that has `held` already; NotReady where there is no room."""
        if self.used > held and self.used + size > ALWAYS and self.used + size > self.free_now() / 2:
            raise NotReady(f"the requests at hand have {self.used >> 20} MiB already, and there is no memory for more")
        self.used += size

    def give(self, size):
        self.used -= size

    def free_now(self):
        if time.monotonic() - self.looked > FRESH_SECONDS:
            self.free, self.looked = free_memory(), time.monotonic()
        return self.free
