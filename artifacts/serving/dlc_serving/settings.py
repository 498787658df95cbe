"""What the environment says. Each setting has one default and the names it is known by, the first one ours or SageMaker's."""
import glob
import os
from dataclasses import dataclass

MIB = 1024 * 1024


class SettingError(Exception):
    """A variable has a value that means nothing."""


def number(environment, names, default, low=0, kind=int, high=None):
    """The value of the first of `names` that is set and not empty."""
    for name in names:
        text = environment.get(name, "").strip()
        if not text:
            continue
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value < float("inf"):
            raise SettingError(f"{name} is {text!r}, not a number of at least {low}")
        if high is not None and value > high:
            raise SettingError(f"{name} is {text!r}, not a number of at most {high}")
        return value
    return default


def flag(environment, name):
    text = environment.get(name, "").strip().lower()
    if text in ("", "0", "false", "no", "off"):
        return False
    if text in ("1", "true", "yes", "on"):
        return True
    raise SettingError(f"{name} is {text!r}, neither true nor false")


def read_words(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def cpu_count():
    """CPUs of this container: those of its CPU set, at most its quota, at least 1 (the same rule as cpu_threads.sh)."""
    cpus = len(os.sched_getaffinity(0))
    quota = read_words("/sys/fs/cgroup/cpu.max")
    if not quota:
        quota = read_words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + read_words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if len(quota) == 2 and quota[0].isdigit() and int(quota[0]) > 0 and int(quota[1]) > 0:
        cpus = min(cpus, -(-int(quota[0]) // int(quota[1])))
    return max(cpus, 1)


def gpu_count():
    return len(glob.glob("/dev/nvidia[0-9]*"))


@dataclass
class Settings:
    port: int
    workers: int
    gpus: int
    threads: int  # OpenMP threads of a worker; 0: the user has set OMP_NUM_THREADS
    timeout: float  # seconds from the arrival of a request to its answer
    batch_size: int
    batch_delay: float  # seconds that the first request of a batch waits for more
    queue_size: int
    max_body: int
    max_payload_mb: int
    multi_model: bool
    max_models: int  # 0: as many as memory holds
    model_dir: str
    model_name: str
    log_level: int


def read_settings(environment):
    multi_model = flag(environment, "SAGEMAKER_MULTI_MODEL")
    cpus, gpus = cpu_count(), gpu_count()
    # In a multi-model container many models share the machine: one worker each.
    default_workers = 1 if multi_model else gpus or cpus
    workers = number(environment, ["SAGEMAKER_MODEL_SERVER_WORKERS", "DLC_WORKERS"], default_workers, low=1)
    payload = number(environment, ["SAGEMAKER_MAX_PAYLOAD_IN_MB"], 0)
    micros = number(environment, ["SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS"], 0)
    milliseconds = number(environment, ["DLC_BATCH_DELAY_MS", "SAGEMAKER_TS_MAX_BATCH_DELAY"], micros / 1000, kind=float)
    return Settings(
        port=number(environment, ["SAGEMAKER_BIND_TO_PORT"], 8080, low=1, high=65535),
        workers=workers,
        gpus=gpus,
        threads=0 if environment.get("OMP_NUM_THREADS") else max(1, cpus // workers),
        timeout=number(environment, ["SAGEMAKER_MODEL_SERVER_TIMEOUT"], 60, low=0.001, kind=float),
        batch_size=number(
            environment, ["DLC_BATCH_SIZE", "SAGEMAKER_TS_BATCH_SIZE", "SAGEMAKER_TFS_MAX_BATCH_SIZE"], 1, low=1
        ),
        batch_delay=milliseconds / 1000,
        queue_size=number(environment, ["DLC_QUEUE_SIZE"], 100, low=1),
        max_body=payload * MIB or number(environment, ["DLC_MAX_REQUEST_SIZE", "SAGEMAKER_MAX_REQUEST_SIZE"], 100 * MIB, low=1),
        max_payload_mb=payload or 6,
        multi_model=multi_model,
        max_models=number(environment, ["DLC_MAX_MODELS"], 0),
        model_dir=environment.get("SM_MODEL_DIR") or environment.get("SAGEMAKER_MODEL_DIR") or "/opt/ml/model",
        model_name=environment.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME") or "model",
        log_level=number(environment, ["SAGEMAKER_CONTAINER_LOG_LEVEL"], 20),
    )
