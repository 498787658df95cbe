"""code/requirements.txt of a model: installed when the model is loaded, into a folder of its own."""
import asyncio
import logging
import os
import re
import sys
import tempfile

PLAIN = re.compile(r"[^A-Za-z0-9_.-]")
log = logging.getLogger("dlc_serving")


class InstallFailed(Exception):
    pass


async def install(model_dir, name):
    """The variables that make a worker see what code/requirements.txt asks for ({} without such a file).

    pip's user scheme knows what the image has and installs only what is missing or has to differ, and PYTHONUSERBASE puts
    that where one model's packages disturb neither the image nor another model: the model's folder may be read-only."""
    requirements = os.path.join(model_dir, "code", "requirements.txt")
    if not os.path.isfile(requirements):
        return {}
    try:
        base = tempfile.mkdtemp(prefix=f"dlc-packages-{PLAIN.sub('_', name[:40])}-")
    except OSError as error:
        raise InstallFailed(f"{requirements} cannot be installed, since no temporary folder can be written: {error}") from None
    environment = {"PYTHONUSERBASE": base}
    # Inside the code folder: a requirement may be a wheel that lies beside the file.
    command = [sys.executable, "-m", "pip", "install", "--user", "--break-system-packages", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-warn-script-location", "-r", "requirements.txt"]
    log.info("installing %s into %s", requirements, base)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=os.path.dirname(requirements),
        env={**os.environ, **environment, "PIP_ROOT_USER_ACTION": "ignore"},
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        raise
    if status != 0:
        raise InstallFailed(f"pip could not install {requirements} (exit status {status}); its output is above")
    return environment
