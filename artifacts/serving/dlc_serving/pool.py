"""The workers of one model: started, watched, restarted; requests are queued for them, in batches where asked for."""
import asyncio
import collections
import contextlib
import dataclasses
import errno
import logging
import os
import time

from dlc_serving import packages
from dlc_serving.errors import NotReady, OutOfMemory, RequestError, TimedOut, of_status
from dlc_serving.process import Worker

log = logging.getLogger("dlc_serving")

ABANDONED_SECONDS = 1.0
CRASHES_AT_START = 3  # workers of a model that never was ready may die so often before it is given up
END_SECONDS = 1.0  # for a worker that is ending
LONGEST_PAUSE = 30  # seconds between restarts of a worker that dies again and again


class LoadFailed(Exception):
    """The model cannot be loaded; `status` is for the client of the multi-model API."""

    def __init__(self, message, status=500):
        super().__init__(message)
        self.status = status


class Job:
    """One request on its way: `future` gets (body, content type) or a RequestError."""

    def __init__(self, head, body, deadline, gone):
        self.head = head
        self.body = body
        self.deadline = deadline
        self.gone = gone
        self.arrived = time.monotonic()
        self.future = asyncio.get_running_loop().create_future()

    def abandoned(self):
        """Whether the client gave up waiting. One that closes its side right after the request may still read the answer."""
        return time.monotonic() - self.arrived > ABANDONED_SECONDS and self.gone()

    def fail(self, error):
        if not self.future.done():
            self.future.set_exception(error)


@dataclasses.dataclass
class Life:
    """What became of a worker."""

    end: str = ""
    was_ready: bool = False
    status: int = 500  # what a client is told of a model whose workers end so


def worker_environment(given, settings, place):
    """The variables of the worker that is `place`-th to take its share of the CPUs and its GPU; the user's own stay."""
    result = dict(given)
    if settings.threads:
        result["OMP_NUM_THREADS"] = str(settings.threads)
    # Of the devices that the container has, which CUDA counts from 0 whatever the host calls them.
    if settings.gpus and "CUDA_VISIBLE_DEVICES" not in given:
        result["CUDA_VISIBLE_DEVICES"] = str(place % settings.gpus)
    return result


class ModelPool:
    """A model under a name. `loaded` becomes done when a worker is ready for the first time (in a server of many models: all
    of them), or raises LoadFailed."""

    def __init__(self, name, model_dir, settings, number=0):
        self.name = name
        self.number = number  # how many models the server has loaded before: they take the GPUs in turn
        self.model_dir = model_dir
        self.settings = settings
        self.queue = collections.deque()
        self.arrival = asyncio.Event()
        self.ready = set()  # indexes of the workers that are ready
        self.busy = 0  # jobs in workers
        self.ever_ready = False
        self.closing = False
        self.rest = None  # version, where TensorFlow Serving's paths apply
        # With many models all workers count: the next model is measured against the memory that is left then.
        self.needed = settings.workers if settings.multi_model else 1
        self.first_ready = asyncio.get_running_loop().create_future()
        self.loaded = asyncio.get_running_loop().create_future()
        self.loaded.add_done_callback(lambda future: future.cancelled() or future.exception())  # may go unasked
        self.task = asyncio.create_task(self.run())

    # Requests ----------------------------------------------------------------------------------------------------------

    async def submit(self, head, body, gone):
        """(body, content type), or raises RequestError. `gone` tells whether the client still waits."""
        if not self.ever_ready:
            raise NotReady(f"model {self.name} is not ready")
        if self.task.done():
            raise NotReady(f"model {self.name} is not there any more")
        if len(self.queue) >= self.settings.queue_size:
            self.drop_abandoned()
        if len(self.queue) >= self.settings.queue_size:
            raise NotReady(f"{len(self.queue)} requests are waiting already")
        loop = asyncio.get_running_loop()
        job = Job(head, body, loop.time() + self.settings.timeout, gone)
        timer = loop.call_at(job.deadline, self.expire, job)
        self.queue.append(job)
        self.arrival.set()
        try:
            return await job.future
        finally:
            timer.cancel()

    def expire(self, job):
        """The time of a job that still waits is over. (One in a worker is its worker's business.)"""
        if job in self.queue:
            self.queue.remove(job)
            job.fail(NotReady(f"no worker was free within {self.settings.timeout:g} s"))

    def drop_abandoned(self):
        for job in [job for job in self.queue if job.abandoned()]:
            self.queue.remove(job)
            job.fail(NotReady("the client has closed the connection"))

    async def next_batch(self):
        """The next requests that may go together: at least one, at most batch_size, all of them invocations."""
        self.drop_abandoned()
        while not self.queue:
            self.arrival.clear()
            await self.arrival.wait()
        first = self.queue.popleft()
        batch = [first]
        until = first.arrived + self.settings.batch_delay
        while len(batch) < self.settings.batch_size and first.head["kind"] == "invoke":
            if self.queue and self.queue[0].head["kind"] == "invoke":
                batch.append(self.queue.popleft())
                continue
            rest = until - time.monotonic()
            if self.queue or rest <= 0:
                break
            self.arrival.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.arrival.wait(), rest)
        return batch

    # Workers -----------------------------------------------------------------------------------------------------------

    async def run(self):
        """Everything from installing packages to the last worker; ends when cancelled or when loading has failed."""
        try:
            await self.run_workers(await packages.install(self.model_dir, self.name))
        except packages.InstallFailed as error:
            self.give_up(LoadFailed(str(error)))
        except LoadFailed as error:
            self.give_up(error)
        except Exception as error:  # pylint: disable=broad-except  # nobody else would hear of it, and requests would wait
            log.exception("model %s is given up", self.name)
            self.give_up(LoadFailed(f"{type(error).__name__}: {error}"))
        finally:
            self.give_up(LoadFailed("the server stops", NotReady.status))
            for job in list(self.queue):
                job.fail(NotReady(f"model {self.name} is not there any more"))
            self.queue.clear()

    async def run_workers(self, extra):
        workers = [asyncio.create_task(self.keep_worker(0, extra))]
        try:
            # The first alone: the model answers as soon as one process has the machine to itself, and what cannot be loaded
            # fails once.
            await asyncio.wait({workers[0], self.first_ready}, return_when=asyncio.FIRST_COMPLETED)
            if not workers[0].done():
                workers += [asyncio.create_task(self.keep_worker(index, extra)) for index in range(1, self.settings.workers)]
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def give_up(self, error):
        if not self.loaded.done():
            self.loaded.set_exception(error)

    async def keep_worker(self, index, extra):
        """Starts worker `index` and starts it again whenever it ends. One that was never ready is given up after a while: the
        model with it, unless other workers have loaded it."""
        crashes = 0
        once_ready = False
        while True:
            started = time.monotonic()
            life = await self.one_life(index, extra)
            once_ready = once_ready or life.was_ready
            crashes = 0 if life.was_ready and time.monotonic() - started > LONGEST_PAUSE else crashes + 1
            if not once_ready and crashes >= CRASHES_AT_START:
                if self.ever_ready:
                    log.error("worker %d of model %s %s; it is given up, the others go on", index, self.name, life.end)
                    return
                raise LoadFailed(f"the worker {life.end} while it loaded the model", life.status)
            log.error("worker %d of model %s %s; starting it again", index, self.name, life.end)
            if crashes > 1:
                await asyncio.sleep(min(2 ** (crashes - 2), LONGEST_PAUSE))

    async def one_life(self, index, extra):
        """From the start of a worker to its end."""
        started = time.monotonic()
        try:
            environment = worker_environment({**os.environ, **extra}, self.settings, self.number + index)
            worker = await Worker.start(self.name, self.model_dir, environment)
        except (OSError, RuntimeError) as error:
            return Life(f"could not be started ({error})", status=507 if getattr(error, "errno", 0) == errno.ENOMEM else 500)
        patience, life = 0.0, Life()
        try:
            await self.load(worker, index)
            log.info("worker %d of model %s is ready after %.1f s", index, self.name, time.monotonic() - started)
            await self.serve(worker)
        except asyncio.CancelledError:
            patience = 2.0
            raise
        except (asyncio.IncompleteReadError, OSError):
            patience = END_SECONDS  # it is about to end by itself, and how is worth knowing
        finally:
            life.was_ready = index in self.ready
            self.ready.discard(index)
            await asyncio.shield(worker.stop(patience))
        life.end = worker.death()
        life.status = 507 if worker.killed_for_memory else 500
        return life

    async def load(self, worker, index):
        head, _ = await worker.receive()
        if "failed" in head:
            if not self.ever_ready:
                raise LoadFailed(head["failed"], head["status"])
            log.error("worker %d of model %s cannot load the model: %s", index, self.name, head["failed"])
            raise ConnectionResetError
        self.rest = head["rest"]
        self.ready.add(index)
        if not self.first_ready.done():
            self.first_ready.set_result(None)
        if len(self.ready) >= self.needed and not self.ever_ready:
            self.ever_ready = True
            if not self.loaded.done():
                self.loaded.set_result(None)

    async def serve(self, worker):
        """Hands batches to the worker until it dies (IncompleteReadError, OSError) or a request takes too long."""
        gone = worker.gone
        batch_task = None
        try:
            while True:
                batch_task = asyncio.create_task(self.next_batch())
                await asyncio.wait({gone, batch_task}, return_when=asyncio.FIRST_COMPLETED)
                if not batch_task.done():
                    return
                batch, batch_task = batch_task.result(), None
                if gone.done():
                    self.queue.extendleft(reversed(batch))
                    self.arrival.set()
                    return
                self.busy += len(batch)
                try:
                    await self.process_batch(worker, batch)
                finally:
                    self.busy -= len(batch)
        finally:
            if batch_task is not None:
                batch_task.cancel()

    async def process_batch(self, worker, batch):
        head = batch[0].head
        if head["kind"] == "invoke":
            head = {"kind": "invoke", "items": [job.head for job in batch]}
        left = max(job.deadline for job in batch) - asyncio.get_running_loop().time()
        try:
            answer, bodies = await asyncio.wait_for(worker.exchange(head, [job.body for job in batch]), max(left, 0.001))
        except asyncio.TimeoutError:
            for job in batch:
                job.fail(TimedOut(f"the handler took more than {self.settings.timeout:g} s; its worker is started again"))
            await worker.stop(reason=f"was ended: a request took more than {self.settings.timeout:g} s")
            raise ConnectionResetError from None
        except (asyncio.IncompleteReadError, OSError):
            await worker.stop(END_SECONDS)
            kind = OutOfMemory if worker.killed_for_memory else RequestError
            for job in batch:
                job.fail(kind(f"the worker {worker.death()} while it answered"))
            raise
        except asyncio.CancelledError:
            for job in batch:
                job.fail(NotReady("the server is stopping"))
            raise
        for job, result, body in zip(batch, answer["results"], bodies):
            if job.future.done():
                continue
            if result["status"] == 200:
                job.future.set_result((body, result["content_type"]))
            else:
                job.fail(of_status(result["error"], result["status"]))

    async def drain(self):
        """Waits until no request is queued or running."""
        while self.queue or self.busy:
            await asyncio.sleep(0.02)

    async def close(self):
        if not self.closing:
            self.closing = True
            self.task.cancel()
        await asyncio.wait({self.task})
