"""The steps of a training job, and what is reported at its end: exit status, success or failure file."""
import os
import signal
import sys
import traceback

from dlc_training import hosts, launch, log, mpi, source
from dlc_training.environment import read_job
from dlc_training.errors import TrainingError
from dlc_training.log import say
from dlc_training.process import Script

REASON = 1024  # SageMaker shows so many characters of the failure file
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def write_output(base, name, text):
    """A file in /opt/ml/output. A failure file that the script wrote itself stays."""
    folder = os.path.join(base, "output")
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(path):
            write_whole(path, text)
    except OSError as error:
        say(f"{path} cannot be written: {error}")


def write_whole(path, text):
    """A file with all of the text, or none: on a full disk an empty one would stay and hide the reason."""
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        if os.path.isfile(path):
            os.unlink(path)
        raise


def remove_old_output(base):
    """What an earlier job left in the same folder says nothing about this one."""
    for name in ("success", "failure"):
        path = os.path.join(base, "output", name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            say(f"{path} of an earlier job cannot be removed: {error}")


def stop_before_script(number, _frame):
    """Once only: what follows is short, and the failure file has to be written."""
    for later in STOPS:
        signal.signal(later, signal.SIG_IGN)
    name = signal.Signals(number).name
    raise TrainingError(f"stopped by {name} before the program ran", 128 + number)


def failure_text(script, status, program):
    """The reason first, then as much of the end of stderr as SageMaker shows."""
    if script.stop_signal is not None:
        return f"{program} was stopped by {signal.Signals(script.stop_signal).name} and ended with exit status {status}"
    how = f"exit status {status}"
    if status > 128 and status - 128 in list(signal.Signals):
        name = signal.Signals(status - 128).name
        how = f"signal {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    text = f"{program} ended with {how}"
    tail = script.tail()
    room = REASON - len(text) - 2
    return f"{text}:\n{tail[-room:]}" if tail else text


def train(variables, base):
    job = read_job(variables)
    hosts.check(job)
    source.fetch(job)
    path = source.program_path(job)
    source.install(job)
    for folder in (job.model_dir, os.path.join(job.output_dir, "data")):
        os.makedirs(folder, exist_ok=True)
    command, environment = launch.plan(job, path)
    if command is None:
        mpi.wait_for_first_host(job.hosts[0])
        write_output(base, "success", "")
        return 0
    if job.switched_on("sagemaker_mpi_enabled"):
        mpi.wait_for_other_hosts(job.hosts[1:], hosts.timeout(job))
    say(f"running {' '.join(command)}")
    script = Script(command, job.code_dir, environment)
    try:
        status = script.run()
    except OSError as error:
        raise TrainingError(f"{command[0]} cannot be run: {error}") from None
    if status != 0:
        write_output(base, "failure", failure_text(script, status, job.program))
        say(f"{job.program} failed with exit status {status}")
    else:
        write_output(base, "success", "")
    return status


def main():
    base = os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml"
    # Process 1 ignores signals without a handler: a stop while hosts are awaited or packages installed must end it.
    for number in STOPS:
        signal.signal(number, stop_before_script)
    try:
        remove_old_output(base)
        mpi.not_ready()
        return train(dict(os.environ), base)
    except TrainingError as error:
        write_output(base, "failure", str(error))
        say(error)
        return error.status
    except Exception:  # pylint: disable=broad-except  # a defect of ours still has to leave its reason where users look
        text = traceback.format_exc()
        write_output(base, "failure", f"train failed:\n{text[-REASON:]}")
        log.write(text.encode("utf-8", "backslashreplace"))
        return 1


if __name__ == "__main__":
    sys.exit(main())
