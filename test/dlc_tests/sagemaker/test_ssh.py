"""ssh and mpirun between hosts of a job: keys are made when a container starts, the same from the same secret."""
import socket

import pytest


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_mpirun_over_ssh(container, port):
    if "training" not in container.image:
        pytest.skip("inference images have no ssh")
    if "tensorflow" in container.image:
        pytest.skip("TensorFlow's hosts talk by TF_CONFIG; its images have no ssh")
    # 127.0.0.2 is no name of this host for Open MPI, so that it is reached through ssh.
    script = "mpirun -np 2 --host 127.0.0.2:2 sh -c 'echo $OMPI_COMM_WORLD_RANK ${SSH_CONNECTION:+ssh}'"
    options = ("-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "-e", "DLC_SSH_SECRET=of this test")
    done = container.run("sh", "-c", script, options=options)
    assert sorted(done.stdout.splitlines()) == ["0 ssh", "1 ssh"]
    fingerprints = set()
    for secret in ("one", "one", "two"):
        options = ("-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "-e", f"DLC_SSH_SECRET={secret}")
        fingerprints.add(container.run("ssh-keygen", "-lf", "/root/.ssh/id_ed25519", options=options).stdout)
    assert len(fingerprints) == 2


def test_no_key_is_in_the_image(container):
    done = container.run("sh", "-c", "ls /etc/ssh/ssh_host_* /root/.ssh/* 2>/dev/null; true")
    assert done.stdout == ""
