"""Brings the user's code to /opt/ml/code and installs what it asks for."""
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

from dlc_training import s3
from dlc_training.errors import TrainingError
from dlc_training.log import say


def unpack(archive, folder):
    """A tar file of the user's code. The "data" filter refuses what would lie outside the folder."""
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:
                check_members(tar, folder)
                tar.extractall(folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainingError(f"the code archive {archive} cannot be unpacked: {error}") from None


def check_members(tar, folder):
    """What the filter does, for a Python that does not have it yet: nothing and no link leads out of the folder."""
    root = os.path.realpath(folder)
    for member in tar.getmembers():
        target = os.path.realpath(os.path.join(root, member.name))
        names = [target]
        if member.issym():
            names.append(os.path.realpath(os.path.join(os.path.dirname(target), member.linkname)))
        elif member.islnk():
            names.append(os.path.realpath(os.path.join(root, member.linkname)))
        elif not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name} is neither a file nor a folder nor a link")
        if any(os.path.commonpath([root, name]) != root for name in names):
            raise tarfile.TarError(f"{member.name} leads out of the archive")


def copy_folder(source, folder, root):
    """Copies what is in `source` into `folder`. Links stay links (an editor's lock file is a broken one), but for those that
    lead out of `root`: what they lead to is copied, since from `folder` they would lead elsewhere."""
    for entry in os.scandir(source):
        target = os.path.join(folder, entry.name)
        inside = os.path.commonpath([root, os.path.realpath(entry.path)]) == root
        if entry.is_symlink() and (inside or not os.path.exists(entry.path)):
            os.symlink(os.readlink(entry.path), target)
        elif entry.is_dir():
            os.mkdir(target)
            copy_folder(entry.path, target, root)
        else:
            shutil.copy2(entry.path, target)


def fetch(job):
    """Fills code_dir from submit_directory, unless there is code already."""
    source, folder = job.submit_directory, job.code_dir
    os.makedirs(folder, exist_ok=True)
    if os.path.realpath(source) == os.path.realpath(folder):
        return
    if os.listdir(folder):
        say(f"{folder} has code already, which is used; {source} is not looked at")
        return
    if source.startswith("s3://"):
        with tempfile.TemporaryDirectory() as temporary:
            archive = os.path.join(temporary, "sourcedir.tar.gz")
            s3.download(source, archive, job.region, job.variables)
            unpack(archive, folder)
    elif os.path.isdir(source):
        try:
            copy_folder(source, folder, os.path.realpath(source))
        except OSError as error:  # shutil.Error too
            raise TrainingError(f"the code in {source} cannot be copied to {folder}: {error}") from None
    elif os.path.isfile(source) and tarfile.is_tarfile(source):
        unpack(source, folder)
    elif os.path.isfile(source):
        shutil.copy2(source, folder)
    else:
        raise TrainingError(f"sagemaker_submit_directory is {source}, and there is no such folder, archive or s3:// address")


def pip_install(folder, *arguments):
    command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--break-system-packages"]
    command += ["--root-user-action", "ignore", "--disable-pip-version-check", *arguments]
    status = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise TrainingError(f"pip could not install {' '.join(arguments)} of {folder} (exit status {status}); see the log above")


def install(job):
    """requirements.txt beside the script; the package itself where there is a setup.py."""
    folder = job.code_dir
    if os.path.isfile(os.path.join(folder, "requirements.txt")):
        pip_install(folder, "-r", "requirements.txt")
    if os.path.isfile(os.path.join(folder, "setup.py")):
        pip_install(folder, ".")


def program_path(job):
    """The script; TrainingError with what to do where there is none."""
    if not job.program:
        raise TrainingError(
            "there is no program to run: set the hyperparameter sagemaker_program or the variable SAGEMAKER_PROGRAM to the name "
            f"of your script in {job.code_dir} (or in what sagemaker_submit_directory names)"
        )
    program = str(job.program)
    root = os.path.realpath(job.code_dir)
    path = os.path.realpath(os.path.join(root, program))
    if os.path.isabs(program) or program.startswith("-") or os.path.commonpath([root, path]) != root:
        raise TrainingError(f"the program {program!r} must be a path inside {job.code_dir}")
    if os.path.isfile(os.path.join(root, "setup.py")) and not program.endswith(".sh"):
        return path  # a module of the package that setup.py installs
    if not os.path.isfile(path):
        there = ", ".join(sorted(os.listdir(root))[:20]) or "nothing"
        raise TrainingError(f"there is no {program} in {job.code_dir}; it has: {there}")
    return path
