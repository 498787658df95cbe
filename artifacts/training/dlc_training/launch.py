"""The command that runs the script, on this host alone or on all of them."""
import json
import os
import shutil
import sys

from dlc_training.environment import arguments
from dlc_training.errors import TrainingError

TORCH_PORT = 7777
TENSORFLOW_PORT = 8890
# Variables (or how they begin) that mpirun hands on to the other hosts.
PASSED = ("SM_", "SAGEMAKER_", "PYTHONPATH", "PYTHONUNBUFFERED", "LD_PRELOAD", "LANG")
PASSED += ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "DLC_SGEMM")
# Launchers of SageMaker that need AWS's own libraries, which this image does not have.
MISSING = {
    "sagemaker_distributed_dataparallel_enabled": "the smdistributed data parallel library",
    "sagemaker_parameter_server_enabled": "TensorFlow 1's parameter servers",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA",
}


def script_command(job, path):
    """The script on this host. A shell script gets its arguments as they are: no second shell reads them."""
    program = str(job.program)
    if os.path.isfile(os.path.join(job.code_dir, "setup.py")) and not program.endswith(".sh"):
        module = program[: -len(".py")] if program.endswith(".py") else program
        return [sys.executable, "-m", module.replace("/", "."), *arguments(job.hyperparameters)]
    if program.endswith(".py"):
        return [sys.executable, program, *arguments(job.hyperparameters)]
    return [*program_command(path), *arguments(job.hyperparameters)]


def program_command(path):
    """A program that is not Python's. The code may be mounted read-only, so that a script need not be executable."""
    try:
        with open(path, "rb") as file:
            line = file.readline(256)
        if line.startswith(b"\x7fELF") and not os.access(path, os.X_OK):
            os.chmod(path, 0o755)
    except OSError as error:
        raise TrainingError(f"the program {path} cannot be run: {error.strerror}") from None
    if line.startswith(b"\x7fELF") or (line.startswith(b"#!") and os.access(path, os.X_OK)):
        return [path]
    words = os.fsdecode(line[2:]).strip().split(None, 1) if line.startswith(b"#!") else []  # as the kernel parts them
    return [*(words or ["/bin/sh"]), path]


def processes(job, name):
    """How many processes a host runs: what the setting says, else one for each GPU, else one."""
    return max(1, job.count(name) or int(job.script_variables()["SM_NUM_GPUS"]))


def mpi_command(job, command, variables):
    """mpirun on the first host; None on the others, which only have to be there."""
    if not shutil.which("mpirun"):
        raise TrainingError("sagemaker_mpi_enabled is set, and this image has no mpirun")
    if job.current_host != job.hosts[0]:
        return None
    slots = processes(job, "sagemaker_mpi_num_of_processes_per_host")
    hosts = ",".join(f"{host}:{slots}" for host in job.hosts)
    count = job.count("sagemaker_mpi_num_processes") or slots * len(job.hosts)
    custom = str(job.settings.get("sagemaker_mpi_custom_mpi_options") or "").split()
    # mpirun passes only names; the values are in its own environment. The script's folder is the same on each host.
    # Other hosts start through ssh, which knows nothing of the container's environment.
    given = {word.partition("=")[0] for word in custom}
    names = [word for name in sorted(variables) if name.startswith(PASSED) and name not in given for word in ("-x", name)]
    return ["mpirun", "--host", hosts, "-np", str(count), "--wdir", job.code_dir, *names, *custom, *command]


def torch_command(job, command):
    if command[0] != sys.executable:
        raise TrainingError(f"sagemaker_torch_distributed_enabled is set: the program must be Python's, not {job.program}")
    launcher = [sys.executable, "-m", "dlc_training.torchrun", "--nnodes", str(len(job.hosts))]
    launcher += ["--nproc_per_node", str(processes(job, "sagemaker_nproc_per_node"))]
    launcher += ["--node_rank", str(job.hosts.index(job.current_host))]
    launcher += ["--master_addr", job.hosts[0], "--master_port", str(TORCH_PORT)]
    return [*launcher, *command[1:]]


def tensorflow_config(job):
    workers = [f"{host}:{TENSORFLOW_PORT}" for host in job.hosts]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": job.hosts.index(job.current_host)}})


def plan(job, path):
    """(command or None, variables)"""
    variables = {**job.variables, **job.script_variables()}
    # The script's folder first, as sagemaker-training has it, so that modules beside it are found from everywhere.
    known = [part for part in variables.get("PYTHONPATH", "").split(":") if part]
    variables["PYTHONPATH"] = ":".join([job.code_dir, *known])
    for name, what in MISSING.items():
        if job.switched_on(name):
            raise TrainingError(f"{name} is set: it needs {what}, which this image does not have")
    command = script_command(job, path)
    if job.switched_on("sagemaker_mpi_enabled"):
        return mpi_command(job, command, variables), variables
    if job.switched_on("sagemaker_torch_distributed_enabled"):
        return torch_command(job, command), variables
    if job.switched_on("sagemaker_multi_worker_mirrored_strategy_enabled"):
        variables["TF_CONFIG"] = tensorflow_config(job)
    return command, variables
