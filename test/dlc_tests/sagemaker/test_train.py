"""`train` in real containers: a model that learns, and jobs that end in every other way."""
import json
import signal
import subprocess
import time

import pytest
from containers import make_job

REQUIRED_ACCURACY = 0.95
SHOW = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.environ['SM_HPS']]))"
# Values as SageMaker passes them: JSON as text, or text that is none.
ODD = {
    "blank": '"a  b"',
    "dollar": '"$HOME `id` $(id)"',
    "dashes": '"--not-an-option"',
    "empty": '""',
    "glob": "*",
    "lines": '"one\\ntwo"',
    "list": '["a", 1]',
    "quotes": '"it\'s \\"quoted\\""',
    "slash": '"back\\\\slash"',
    "umlaut": '"\u00fc\u4e16"',
}
FAILURES = {
    # id: (script, hyperparameters, hosts, exit status, the failure file, what stderr must say)
    "exit status": (
        "import sys; print('wrong data', file=sys.stderr); sys.exit(7)", {}, None, 7,
        "train.py ended with exit status 7:\nwrong data", "wrong data",
    ),
    "message": ("import sys; sys.exit('wrong data')", {}, None, 1, "train.py ended with exit status 1:\nwrong data", "wrong data"),
    "killed": ("import os; os.kill(os.getpid(), 9)", {}, None, 137, "train.py ended with signal SIGKILL (out of memory?)", ""),
    "own file": ("import sys; open('/opt/ml/output/failure', 'w').write('mine'); sys.exit(3)", {}, None, 3, "mine", ""),
    "no program": (
        "print('ran')", {"sagemaker_program": '"other.py"'}, None, 1,
        "there is no other.py in /opt/ml/code; it has: train.py", "other.py",
    ),
    "no host": (
        "print('ran')",
        {},
        ["algo-1", "algo-2.invalid"],
        1,
        "these hosts of resourceconfig.json do not resolve to an address after 3 s: algo-2.invalid. Their names must be in DNS or "
        "/etc/hosts of this container; DLC_HOSTS_TIMEOUT sets how long to wait.",
        "waiting for algo-2.invalid to resolve",
    ),
}


def output(base, name):
    return (base / "output" / name).read_text(encoding="utf-8")


def test_a_model_learns(trained):
    result = json.loads(trained.done.stdout.splitlines()[-1])
    assert result["accuracy"] >= REQUIRED_ACCURACY
    assert result["channel"] == "/opt/ml/input/data/training"
    assert output(trained.base, "success") == ""
    assert not (trained.base / "output" / "failure").exists()


@pytest.mark.parametrize("case", FAILURES)
def test_a_job_that_fails(framework, tmp_path, case):
    script, hyperparameters, hosts, status, failure, error = FAILURES[case]
    resources = hosts and {"current_host": hosts[0], "hosts": hosts}
    base = make_job(tmp_path, {"train.py": script}, hyperparameters, resources)
    start = time.monotonic()
    done = framework.train(base, "-e", "DLC_HOSTS_TIMEOUT=3", "-e", "DLC_SSH=0", "--add-host", "algo-1:127.0.0.1")
    assert done.returncode == status, done.stderr
    assert output(base, "failure") == failure
    assert error in done.stderr
    assert "ran" not in done.stdout
    assert not (base / "output" / "success").exists()
    assert not hosts or 3 <= time.monotonic() - start < 60


def test_odd_values_of_hyperparameters(framework, tmp_path):
    base = make_job(tmp_path, {"train.py": SHOW}, ODD)
    done = framework.train(base)
    assert done.returncode == 0, done.stderr
    arguments, hps = json.loads(done.stdout.splitlines()[-1])
    values = {name: value if value == "*" else json.loads(value) for name, value in ODD.items()}
    assert json.loads(hps) == values
    assert arguments == [word for name in sorted(values) for word in (f"--{name}", str(values[name]))]


@pytest.mark.parametrize("status", [0, 5])
def test_sigterm_reaches_the_script(framework, tmp_path, status):
    script = f"""
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({status}))
print("ready", flush=True)
while True: time.sleep(0.05)
"""
    base = make_job(tmp_path, {"train.py": script})
    command = framework.training.command("train", options=("-v", f"{base}:/opt/ml"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == status
    finally:
        process.kill()
    if status:
        assert output(base, "failure") == f"train.py was stopped by SIGTERM and ended with exit status {status}"
    else:
        assert output(base, "success") == ""
