"""The paths: SageMaker's for one model and for many, and TensorFlow Serving's. docs/sagemaker.md lists them."""
import itertools
import json
import os
import re
import urllib.parse

from dlc_serving import tfs_rest
from dlc_serving.errors import BadRequest, Conflict, MethodNotAllowed, NotAcceptable, NotFound, NotReady, OutOfMemory, RequestError
from dlc_serving.http import Response, error_response, json_response
from dlc_serving.memory import free_memory
from dlc_serving.pool import LoadFailed, ModelPool

REST = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?(?:/(metadata)|:(predict|classify|regress))?")
MODEL = re.compile(r"/models/([^/]+)(/invoke)?")
WORKER_BYTES = 64 * 1024 * 1024  # what a worker needs beside the model's files, at the very least
PAGE = 100


def size_of(folder):
    """Bytes of all files below."""
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return total


class App:
    """All models, and what each path does with them."""

    def __init__(self, settings):
        self.settings = settings
        self.models = {}
        self.urls = {}
        self.loads = itertools.count()  # models take the GPUs in turn
        self.stopping = False

    def start(self):
        """Loads the model of a single-model container; its pool."""
        pool = ModelPool(self.settings.model_name, self.settings.model_dir, self.settings)
        self.models[pool.name] = pool
        return pool

    async def respond(self, request):
        path = urllib.parse.unquote(request.path)
        if path == "/ping":
            self.allow(request, "GET")
            return self.ping()
        if self.settings.multi_model:
            return await self.respond_multi(request, path)
        if path == "/invocations":
            self.allow(request, "POST")
            return await self.invoke(self.models[self.settings.model_name], request)
        if path == "/execution-parameters":
            self.allow(request, "GET")
            workers, payload = self.settings.workers, self.settings.max_payload_mb
            value = {"MaxConcurrentTransforms": workers, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": payload}
            return json_response(value)
        match = REST.fullmatch(path)
        if match:
            try:
                return await self.rest(request, *match.groups())
            except RequestError as error:
                return error_response(error, error=str(error))  # the key that TensorFlow Serving's clients read
        raise NotFound(f"there is no {path}")

    @staticmethod
    def allow(request, *methods):
        """HEAD goes where GET goes."""
        allowed = [*methods, "HEAD"] if "GET" in methods else list(methods)
        if request.method not in allowed:
            names = ", ".join(allowed)
            raise MethodNotAllowed(f"{request.method} is not for this path; {names} is", headers=[("Allow", names)])

    def ping(self):
        """200 while the model can answer: loaded, and at least one worker alive. The header tells of workers that are not."""
        if self.stopping:
            return Response(503)
        if self.settings.multi_model:
            return Response(200)
        pool = self.models[self.settings.model_name]
        state = f"{len(pool.ready)}/{self.settings.workers}"
        return Response(200 if pool.ever_ready and pool.ready else 503, headers=[("X-DLC-Workers", state)])

    @staticmethod
    async def invoke(pool, request):
        head = {
            "kind": "invoke",
            "content_type": request.headers.get("content-type") or "application/json",
            "accept": request.headers.get("accept") or "*/*",
            "attributes": request.headers.get("x-amzn-sagemaker-custom-attributes", ""),
        }
        if not head["accept"].isascii():
            raise NotAcceptable(f"Accept is {head['accept']!r}, which names no type")
        body, content_type = await pool.submit(head, request.body, request.gone)
        return Response(200, body, content_type)

    # Many models -------------------------------------------------------------------------------------------------------

    async def respond_multi(self, request, path):
        if path == "/models":
            self.allow(request, "GET", "POST")
            return await self.load(request) if request.method == "POST" else self.list(request)
        match = MODEL.fullmatch(path)
        if not match:
            raise NotFound(f"there is no {path}")
        name, invoke = match.groups()
        self.allow(request, "POST") if invoke else self.allow(request, "GET", "DELETE")
        pool = self.models.get(name)
        if pool is None:
            raise NotFound(f"model {name} is not loaded")
        if invoke:
            return await self.invoke(pool, request)
        if request.method == "DELETE":
            return await self.unload(pool)
        return json_response(self.entry(name))

    def entry(self, name):
        return {"modelName": name, "modelUrl": self.urls[name]}

    def list(self, request):
        """GET /models?limit=N&next_page_token=T"""
        query = dict(urllib.parse.parse_qsl(request.query))
        limit, token = query.get("limit", str(PAGE)), query.get("next_page_token", "0")
        if not all(re.fullmatch(r"[0-9]{1,18}", text) for text in (limit, token)) or int(limit) < 1:
            raise BadRequest("limit and next_page_token must be numbers, limit at least 1")
        names, first = sorted(self.models), int(token)
        end = first + int(limit)
        value = {"models": [self.entry(name) for name in names[first:end]]}
        if end < len(names):
            value["nextPageToken"] = str(end)
        return json_response(value)

    async def load(self, request):
        """POST /models {"model_name": "...", "url": "/opt/ml/models/.../model"}; answers when the model is ready."""
        try:
            value = json.loads(request.body)
            name, url = value["model_name"], value["url"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadRequest('the body must be {"model_name": "...", "url": "..."}') from None
        # Half of a surrogate pair ("\ud800") is no text that could be handed to a process.
        if not isinstance(name, str) or not re.fullmatch(r"[^/\x00-\x1f\ud800-\udfff]{1,512}", name) or not isinstance(url, str):
            raise BadRequest("model_name must be text without slashes, url a folder")
        if name in self.models:
            raise Conflict(f"model {name} is loaded already")
        if not os.path.isdir(url):
            raise BadRequest(f"{url} is not a folder")
        if self.settings.max_models and len(self.models) >= self.settings.max_models:
            raise OutOfMemory(f"{len(self.models)} models are loaded, as many as DLC_MAX_MODELS allows")
        needed, free = (size_of(url) + WORKER_BYTES) * self.settings.workers, free_memory()
        if needed > free:
            raise OutOfMemory(f"model {name} needs at least {needed >> 20} MiB, and {max(free, 0) >> 20} MiB are free")
        pool = self.models[name] = ModelPool(name, url, self.settings, next(self.loads))
        self.urls[name] = url
        try:
            await pool.loaded
        except LoadFailed as error:
            await self.remove(pool)
            raise RequestError(f"model {name} cannot be loaded: {error}", error.status) from None
        return json_response({"status": f'Model "{name}" loaded'})

    async def remove(self, pool):
        if self.models.get(pool.name) is pool:
            del self.models[pool.name], self.urls[pool.name]
        await pool.close()

    async def unload(self, pool):
        """Requests that the model has are answered first; it takes no new ones. One that is being loaded is given up."""
        pool.give_up(LoadFailed("it was deleted while it was being loaded", Conflict.status))
        del self.models[pool.name], self.urls[pool.name]
        await pool.drain()
        await pool.close()
        return json_response({"status": f'Model "{pool.name}" unloaded'})

    # TensorFlow Serving's paths ----------------------------------------------------------------------------------------

    async def rest(self, request, name, version, metadata, verb):
        self.allow(request, "POST" if verb else "GET")
        pool = self.models.get(name)
        if pool is None:
            raise NotFound(f"there is no model {name}; the model's name is {self.settings.model_name}")
        if not pool.ever_ready:
            raise NotReady(f"model {name} is not ready")
        if pool.rest is None:
            raise NotFound("this model is not a TensorFlow SavedModel; POST /invocations is its path")
        tfs_rest.wanted_version(version, pool.rest["version"])
        if not verb and not metadata:
            return json_response(tfs_rest.status(pool.rest["version"], bool(pool.ready)))
        head = {"kind": "rest", "verb": verb or metadata, "name": name, "version": pool.rest["version"]}
        body, content_type = await pool.submit(head, request.body, request.gone)
        return Response(200, body, content_type)

    async def drain(self):
        for pool in list(self.models.values()):
            await pool.drain()

    async def close(self):
        for pool in list(self.models.values()):
            await pool.close()
