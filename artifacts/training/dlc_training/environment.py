"""What SageMaker says about the job (/opt/ml/input/config), and the SM_* variables and arguments made of it."""
import glob
import json
import os
import re
from dataclasses import dataclass, field

from dlc_training.errors import TrainingError

# Hyperparameters for this program, not for the script. So is every other one that begins with "sagemaker_".
OURS = "sagemaker_"
TUNING = "_tuning_objective_metric"
# Those of ours that are no parameter of a framework or launcher (SM_FRAMEWORK_PARAMS).
PLAIN = {
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_s3_output",
}
HOST = re.compile(r"[A-Za-z0-9_.:%-]+\Z")  # an IPv6 address too


def read_json(path, default):
    """The object in a file of SageMaker's; the default where there is no file or it is empty."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        value = json.loads(text) if text.strip() else default
    except FileNotFoundError:
        return default
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise TrainingError(f"{path} must hold a JSON object")
    return value


def decoded(value):
    """A hyperparameter: SageMaker passes text, in which numbers, lists and booleans are JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def written(value):
    """A value as the text of a variable."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def arguments(hyperparameters):
    """--name value for each hyperparameter, sorted by name (-n for a name of one letter)."""
    result = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, dict):
            value = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        result += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return result


@dataclass
class Job:
    """One training job as this container sees it."""

    base: str
    hyperparameters: dict  # for the script
    settings: dict  # for this program and launchers
    resources: dict
    inputs: dict
    variables: dict = field(repr=False)  # of the container

    @property
    def code_dir(self):
        return os.path.join(self.base, "code")

    @property
    def model_dir(self):
        return os.path.join(self.base, "model")

    @property
    def output_dir(self):
        return os.path.join(self.base, "output")

    @property
    def hosts(self):
        return self.resources["hosts"]

    @property
    def current_host(self):
        return self.resources["current_host"]

    @property
    def program(self):
        return self.variables.get("SAGEMAKER_PROGRAM") or self.settings.get("sagemaker_program")

    @property
    def submit_directory(self):
        named = self.settings.get("sagemaker_submit_directory") or self.variables.get("SAGEMAKER_SUBMIT_DIRECTORY")
        return str(named or self.code_dir)

    @property
    def region(self):
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "SAGEMAKER_REGION"):
            if self.variables.get(name):
                return self.variables[name]
        return str(self.settings.get("sagemaker_region") or "")

    @property
    def log_level(self):
        level = self.settings.get("sagemaker_container_log_level", self.variables.get("SAGEMAKER_CONTAINER_LOG_LEVEL"))
        return int(level) if str(level).isdecimal() else 20

    def switched_on(self, name):
        """A setting that is true or false. The SDK writes true; people also write "True" or 1."""
        value = self.settings.get(name)
        spelling = str(value).strip().lower()
        if value is None or spelling in ("", "false", "0"):
            return False
        if spelling in ("true", "1"):
            return True
        raise TrainingError(f"the hyperparameter {name} is {value!r}: it must be true or false")

    def count(self, name):
        """A setting that is a number of things; 0 where it is not set."""
        value = self.settings.get(name)
        if value in (None, ""):
            return 0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != value // 1:
            raise TrainingError(f"the hyperparameter {name} is {value!r}: it must be a whole number, 0 or more")
        return int(value)

    def instance_groups(self):
        """{group: its entry}, of a job with several kinds of instances."""
        return {group["instance_group_name"]: group for group in self.resources.get("instance_groups") or []}

    def script_variables(self):
        """The SM_* variables, as sagemaker-training gives them."""
        groups = self.instance_groups()
        group = self.resources.get("current_group_name", "homogeneousCluster")
        distributed = self.settings.get("sagemaker_distribution_instance_groups", sorted(groups))
        launcher = {name: value for name, value in self.settings.items() if name not in PLAIN and name != TUNING}
        channels = {name: os.path.join(self.base, "input", "data", name) for name in self.inputs}
        gpus = len(glob.glob("/dev/nvidia[0-9]*"))
        values = {
            "channels": sorted(channels),
            "current_host": self.current_host,
            "current_instance_group": group,
            "current_instance_group_hosts": groups.get(group, {}).get("hosts", []),
            "current_instance_type": self.resources.get("current_instance_type", "local"),
            "distribution_instance_groups": distributed,
            "framework_module": self.variables.get("SAGEMAKER_TRAINING_MODULE"),
            "framework_params": launcher,
            "hosts": self.hosts,
            "hps": self.hyperparameters,
            "input_config_dir": os.path.join(self.base, "input", "config"),
            "input_data_config": self.inputs,
            "input_dir": os.path.join(self.base, "input"),
            "instance_groups": sorted(groups),
            "instance_groups_dict": groups,
            "is_hetero": len(groups) > 1,
            "log_level": self.log_level,
            "master": self.hosts[0],
            "model_dir": self.model_dir,
            "module_dir": self.submit_directory,
            "module_name": os.path.splitext(str(self.program))[0],
            "network_interface_name": self.resources.get("network_interface_name", "eth0"),
            "num_cpus": len(os.sched_getaffinity(0)),
            "num_gpus": gpus,
            "num_neurons": 0,
            "output_data_dir": os.path.join(self.output_dir, "data"),
            "output_dir": self.output_dir,
            "output_intermediate_dir": os.path.join(self.output_dir, "intermediate"),
            "resource_config": self.resources,
            "user_args": arguments(self.hyperparameters),
            "user_entry_point": self.program,
        }
        # SM_TRAINING_ENV is all of it in one; scripts read it instead of the many.
        values["training_env"] = {
            **{key: value for key, value in values.items() if key not in ("hps", "framework_params", "user_args", "channels", "master")},
            "additional_framework_parameters": launcher,
            "channel_input_dirs": channels,
            "hyperparameters": self.hyperparameters,
            "is_master": self.current_host == self.hosts[0],
            "job_name": self.variables.get("TRAINING_JOB_NAME"),
            "master_hostname": self.hosts[0],
        }
        values.update({f"channel_{name}": path for name, path in channels.items()})
        values.update({f"hp_{name}": value for name, value in self.hyperparameters.items()})
        result = {f"SM_{name.upper()}": written(value) for name, value in values.items()}
        result["SAGEMAKER_JOB_NAME"] = str(self.settings.get("sagemaker_job_name", ""))
        result["SAGEMAKER_REGION"] = self.region
        result["CURRENT_HOST"] = self.current_host
        return result


def check_resources(resources, path):
    """What the rest takes for granted of resourceconfig.json."""
    hosts = resources.get("hosts")
    if not isinstance(hosts, list) or not hosts or resources.get("current_host") not in hosts:
        raise TrainingError(f"{path} must have hosts, and current_host among them")
    for host in hosts:
        if not isinstance(host, str) or not HOST.match(host):
            raise TrainingError(f"{path}: {host!r} in hosts is no name of a host: letters, digits, '.', '-' and '_' make one")
    groups = resources.get("instance_groups") or []
    if not isinstance(groups, list) or not all(is_group(group) for group in groups):
        raise TrainingError(f"{path}: instance_groups must be a list of objects with instance_group_name and hosts (a list)")
    if not isinstance(resources.get("current_group_name", ""), str):
        raise TrainingError(f"{path}: current_group_name must be text, not {resources['current_group_name']!r}")


def is_group(value):
    return isinstance(value, dict) and isinstance(value.get("instance_group_name"), str) and isinstance(value.get("hosts", []), list)


def passable(text):
    """Whether the kernel takes it as an argument or in a variable."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def check_passable(job):
    """TrainingError for what cannot reach the script, before anything is done for it."""
    why = "neither a variable nor an argument can hold a NUL or half of a surrogate pair"
    for name, value in {**job.hyperparameters, **job.settings}.items():
        if not all(passable(text) for text in arguments({name: value})):
            raise TrainingError(f"the hyperparameter {name!r:.200} is {value!r:.200}: {why}")
    for name, value in job.script_variables().items():
        if "=" in name or not passable(name):
            raise TrainingError(f"{name!r} cannot be a variable: take '=', NUL and halves of surrogate pairs out of the name")
        if not passable(value):
            raise TrainingError(f"the job's configuration makes {name} {value!r:.200}: {why}")


def read_job(variables):
    base = variables.get("SAGEMAKER_BASE_DIR") or "/opt/ml"
    config = os.path.join(base, "input", "config")
    everything = read_json(os.path.join(config, "hyperparameters.json"), {})
    everything = {name: decoded(value) for name, value in everything.items()}
    ours = {name: value for name, value in everything.items() if name.startswith(OURS) or name == TUNING}
    resources = read_json(os.path.join(config, "resourceconfig.json"), {"current_host": "localhost", "hosts": ["localhost"]})
    check_resources(resources, os.path.join(config, "resourceconfig.json"))
    job = Job(
        base=base,
        hyperparameters={name: value for name, value in everything.items() if name not in ours},
        settings=ours,
        resources=resources,
        inputs=read_json(os.path.join(config, "inputdataconfig.json"), {}),
        variables=variables,
    )
    check_passable(job)
    return job
