"""ssh and mpirun between hosts of a job: keys are made when a container starts, the same from the same secret."""
import socket
import subprocess

import pytest


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# 127.0.0.2 is no name of this host for Open MPI, so that it is reached through ssh.
MPIRUN = "mpirun -np 2 --host 127.0.0.2:2 sh -c 'echo $OMPI_COMM_WORLD_RANK ${SSH_CONNECTION:+ssh}'"


@pytest.fixture
def images_with_ssh(image):
    if "training" not in image:
        pytest.skip("inference images have no ssh")
    if "tensorflow" in image:
        pytest.skip("TensorFlow's hosts talk by TF_CONFIG; its images have no ssh")


@pytest.mark.usefixtures("images_with_ssh")
def test_mpirun_over_ssh(container, port):
    options = ("-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "-e", "DLC_SSH_SECRET=of this test")
    done = container.run("sh", "-c", MPIRUN, options=options)
    assert sorted(done.stdout.splitlines()) == ["0 ssh", "1 ssh"]
    fingerprints = set()
    for secret in ("one", "one", "two"):
        options = ("-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "-e", f"DLC_SSH_SECRET={secret}")
        fingerprints.add(container.run("ssh-keygen", "-lf", "/run/dlc/id_ed25519", options=options).stdout)
    assert len(fingerprints) == 2


@pytest.mark.usefixtures("images_with_ssh")
def test_sessions_have_the_libraries_of_this_host(container, port):
    odd = '/a b:/c"d\\e#f:/é'
    options = ("-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "-e", "DLC_SSH_SECRET=of this test")
    options += ("-e", f"LD_LIBRARY_PATH={odd}", "-e", "OPENBLAS_CORETYPE=Haswell", "-e", "DLC_SGEMM=blas", "-e", "LD_PRELOAD=")
    script = """ssh 127.0.0.2 'printf "%s\\n" "$LD_LIBRARY_PATH" "$OPENBLAS_CORETYPE" "$DLC_SGEMM" "${LD_PRELOAD-none}"'"""
    assert container.run("sh", "-c", script, options=options).stdout.splitlines() == [odd, "Haswell", "blas", "none"]


@pytest.mark.usefixtures("images_with_ssh")
def test_a_key_from_a_mounted_secret(container, port, tmp_path):
    # As Kubernetes mounts one: read-only, a link to a file that everybody may read.
    (tmp_path / "..data").mkdir()
    key = tmp_path / "..data" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", str(key)], check=True)
    key.chmod(0o644)
    (tmp_path / "id_ed25519").symlink_to("..data/id_ed25519")
    options = ("-v", f"{tmp_path}:/root/.ssh:ro", "-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}", "--tmpfs", "/run")
    done = container.run("sh", "-c", MPIRUN, options=options)
    # Open MPI names a race of its own on a busy machine: it moves a child to a process group that has begun its program already.
    said = [line for line in done.stderr.splitlines() if "setpgid(" not in line]
    assert (sorted(done.stdout.splitlines()), said) == (["0 ssh", "1 ssh"], [])
    key.write_text("no key\n", encoding="ascii")
    done = container.run("true", options=options)
    assert "dlc_ssh: /root/.ssh/id_ed25519 is no private key without a passphrase" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("images_with_ssh")
def test_an_ordinary_user_has_no_sshd(container, port):
    done = container.run("true", options=("-u", "1000:1000", "-e", "DLC_SSH=1", "-e", f"DLC_SSH_PORT={port}"))
    assert done.stderr == "dlc_ssh: only root can start sshd here\ntraining-entrypoint.sh: no ssh between hosts\n"


def test_no_key_is_in_the_image(container):
    done = container.run("sh", "-c", "ls /etc/ssh/ssh_host_* /root/.ssh/* /run/dlc/* 2>/dev/null; true")
    assert done.stdout == ""
