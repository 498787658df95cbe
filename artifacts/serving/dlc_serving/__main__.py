"""serve: listens, loads, answers until SIGTERM (docs/sagemaker.md)."""
import asyncio
import logging
import os
import signal
import sys

from dlc_serving.app import App
from dlc_serving.http import Connection
from dlc_serving.listener import Listener
from dlc_serving.memory import BodyRoom
from dlc_serving.pool import LoadFailed
from dlc_serving.settings import SettingError, read_settings

log = logging.getLogger("dlc_serving")

DRAIN_SECONDS = 25  # SageMaker kills 30 s after SIGTERM
CLOSE_SECONDS = 3


class Server:
    def __init__(self, settings):
        self.settings = settings
        self.app = App(settings)
        self.status = 0
        self.room = BodyRoom()
        self.stop = asyncio.Event()

    def connect(self, reader, writer):
        return Connection(reader, writer, self.app.respond, self.settings.max_body, self.room)

    def deaf(self, accepting):
        """The port is served until the end: whatever else ends that ends the server."""
        if not accepting.cancelled():
            log.error("no more connections can be accepted", exc_info=accepting.exception())
            self.status = 1
            self.stop.set()

    async def run(self):
        """The exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        self.listener = Listener(self.settings.port, self.connect, self.settings.workers)
        accepting = asyncio.create_task(self.listener.run())
        accepting.add_done_callback(self.deaf)
        log.info("listening on port %d with %d workers", self.settings.port, self.settings.workers)
        status = await self.serve() or self.status
        self.app.stopping = True
        accepting.cancel()
        await asyncio.wait({accepting})
        for connection in list(self.listener.connections):
            connection.stop()
        try:
            await asyncio.wait_for(self.finish(), DRAIN_SECONDS)
        except asyncio.TimeoutError:
            log.error("requests were still running %d s after the stop signal", DRAIN_SECONDS)
        try:
            await asyncio.wait_for(self.app.close(), CLOSE_SECONDS)
        except asyncio.TimeoutError:
            log.error("workers did not end in time")
        log.info("stopped")
        return status

    async def serve(self):
        """Until the stop signal (0), or until the only model turns out not to load (1)."""
        stop = asyncio.create_task(self.stop.wait())
        if not self.settings.multi_model:
            pool = self.app.start()
            await asyncio.wait({stop, pool.loaded}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.done():
                try:
                    await pool.loaded
                except LoadFailed as error:
                    log.error("the model in %s cannot be loaded: %s", self.settings.model_dir, error)
                    stop.cancel()
                    return 1
                log.info("ready")
                await asyncio.wait({stop, pool.task}, return_when=asyncio.FIRST_COMPLETED)
                if not stop.done():
                    log.error("the only model has no workers any more")
                    stop.cancel()
                    return 1
        await stop
        log.info("stop signal: no new requests; finishing those at hand")
        return 0

    async def finish(self):
        """Until every request that was accepted is answered."""
        await self.app.drain()
        while self.listener.tasks:
            await asyncio.sleep(0.02)


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = read_settings(os.environ)
        log.setLevel(settings.log_level)
        return asyncio.run(Server(settings).run())
    except SettingError as error:
        log.error("%s", error)
    except OSError as error:
        log.error("cannot serve: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
