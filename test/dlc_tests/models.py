"""Models of tests: their own code, and files that are damaged."""
import shutil
import zipfile

WHEEL = object()
PACKAGE = {"greeting-1.0-py3-none-any.whl": WHEEL, "requirements.txt": "--no-index\n./greeting-1.0-py3-none-any.whl\n"}


def add_code(folder, files):
    """Writes code/NAME of a model; the value WHEEL stands for a small package `greeting`."""
    for name, text in files.items():
        path = folder / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not WHEEL:
            path.write_text(text, encoding="utf-8")
            continue
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("greeting.py", "TEXT = 'hello'")
            archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
            archive.writestr("greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr("greeting-1.0.dist-info/RECORD", "")
    return folder


def damaged(model, folder):
    """A copy of the model of which each file ends in the middle."""
    shutil.copytree(model, folder)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return folder
