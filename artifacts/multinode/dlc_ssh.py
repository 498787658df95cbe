#!/usr/bin/env python3
"""ssh without a password between the hosts of a job; started by the training entrypoint where DLC_SSH=1 or the job has
several hosts. No key is in the image.

All hosts need the same key without having met. It is made, in this order, from
  /root/.ssh/id_ed25519 where that exists already (a mounted secret, as MPI Operator has it),
  DLC_SSH_SECRET, any text that all hosts are given,
  the description of a SageMaker job (its ARN, hosts and hyperparameters): the same on all its hosts, and known to those only
  who may see the job.

All that is written lies in /run/dlc, and for ssh in /etc/ssh/ssh_config.d: a mounted /root/.ssh is often read-only, with keys
that everybody may read, which ssh refuses (Kubernetes' secrets are so).
"""
import base64
import hashlib
import os
import pathlib
import struct
import subprocess
import sys

MOUNTED_KEY = pathlib.Path("/root/.ssh/id_ed25519")
FOLDER = pathlib.Path("/run/dlc")
KEY = FOLDER / "id_ed25519"
CLIENT = pathlib.Path("/etc/ssh/ssh_config.d/dlc.conf")
SESSION_VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "OPENBLAS_CORETYPE", "DLC_SGEMM")
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # an Ed25519 private key of 32 bytes follows


def seed(variables, config=pathlib.Path("/opt/ml/input/config")):
    """32 bytes, the same on all hosts; None where nothing is shared."""
    secret = variables.get("DLC_SSH_SECRET")
    if secret:
        return hashlib.scrypt(secret.encode(), salt=b"dlc-ssh", n=16384, r=8, p=1, dklen=32)
    if not variables.get("TRAINING_JOB_ARN"):
        return None
    digest = hashlib.sha256(b"dlc-ssh\0" + variables["TRAINING_JOB_ARN"].encode())
    hyperparameters = config / "hyperparameters.json"
    if hyperparameters.exists():
        digest.update(hyperparameters.read_bytes())
    return digest.digest()


def public_of(private):
    """The 32 bytes of the public key."""
    command = ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"]
    return subprocess.run(command, input=PKCS8 + private, stdout=subprocess.PIPE, check=True).stdout[-32:]


def text(data):
    """A string of the ssh protocol."""
    return struct.pack(">I", len(data)) + data


def openssh_files(private, public):
    """(private, public) as ssh reads them."""
    blob = text(b"ssh-ed25519") + text(public)
    check = struct.pack(">I", int.from_bytes(hashlib.sha256(public).digest()[:4], "big"))
    inner = check + check + text(b"ssh-ed25519") + text(public) + text(private + public) + text(b"dlc")
    inner += bytes(range(1, 1 + -len(inner) % 8))
    whole = b"openssh-key-v1\0" + text(b"none") + text(b"none") + text(b"") + struct.pack(">I", 1) + text(blob) + text(inner)
    body = base64.encodebytes(whole).decode()
    line = f"ssh-ed25519 {base64.b64encode(blob).decode()}"
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----\n", line


def write(path, content, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)


def make_keys(variables):
    """The public line of the key that hosts know one another by."""
    if MOUNTED_KEY.exists():
        write(KEY, MOUNTED_KEY.read_text(encoding="ascii"))
        command = ["ssh-keygen", "-y", "-P", "", "-f", str(KEY)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)
        if done.returncode != 0:
            raise ValueError(f"{MOUNTED_KEY} is no private key without a passphrase: {' '.join(done.stderr.split())}")
        return " ".join(done.stdout.split()[:2])
    private = seed(variables)
    if private is None:
        print("dlc_ssh: hosts share nothing a key could be made of: set DLC_SSH_SECRET, or mount /root/.ssh with id_ed25519", file=sys.stderr)
        private = os.urandom(32)  # this container can still reach itself
    secret, line = openssh_files(private, public_of(private))
    write(KEY, secret)
    return line


def session_variables(variables):
    """A line of sshd_config: what of the container's variables a program needs that another host starts here. Its libraries,
    and OpenBLAS's kernels, which are for the processor of this host."""
    words = [f"{name}={variables[name]}" for name in SESSION_VARIABLES if variables.get(name)]
    quoted = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words if "\n" not in word]
    return f"SetEnv {' '.join(quoted)}\n" if quoted else ""


def start():
    """sshd's exit status once it is in the background."""
    port = os.environ.get("DLC_SSH_PORT", "22")
    line = make_keys(os.environ)
    # The same key proves a user and a host, so that no host key is taken on trust.
    write(FOLDER / "authorized_keys", line + "\n")
    write(FOLDER / "known_hosts", f"* {line}\n")
    # The user's own files stay in use beside ours, as for a git server.
    write(
        CLIENT,
        f"Host *\n  Port {port}\n  StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel ERROR\n"
        f"  UserKnownHostsFile {FOLDER}/known_hosts ~/.ssh/known_hosts\n  IdentityFile {KEY}\n  IdentityFile ~/.ssh/id_rsa\n",
        0o644,
    )
    os.makedirs("/run/sshd", exist_ok=True)
    # StrictModes looks at the folders above: /run may be a tmpfs that everybody may write to. FOLDER is root's alone.
    config = FOLDER / "sshd_config"
    write(
        config,
        f"Port {port}\nHostKey {KEY}\nAuthorizedKeysFile {FOLDER}/authorized_keys\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nAcceptEnv LANG SM_* SAGEMAKER_*\n"
        f"PidFile {FOLDER}/sshd.pid\n{session_variables(os.environ)}",
    )
    return subprocess.run(["/usr/sbin/sshd", "-f", str(config)], check=False).returncode


def main():
    if os.geteuid() != 0:
        print("dlc_ssh: only root can start sshd here", file=sys.stderr)
        return 1
    try:
        return start()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"dlc_ssh: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
