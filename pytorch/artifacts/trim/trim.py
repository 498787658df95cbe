#!/usr/bin/env python3
"""Takes out of installed wheels what nobody runs. Package metadata stays as it is.

    trim.py [--strip] FOLDER LIST...

FOLDER is a site-packages folder. Each LIST has one pattern a line, as pathlib's glob takes them, relative to FOLDER; what matches
is removed. A pattern that matches nothing is an error, so that a new release of a package is looked at; one that only some
releases have begins with `?`. --strip also takes symbols for debuggers out of large libraries, and makes links of copies
of one library under several names.
"""
import argparse
import filecmp
import os
import pathlib
import shutil
import struct
import subprocess

PT_LOAD = 1
PAGE = 4096
WORTH_STRIPPING = 1_000_000


def patterns(path):
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def remove(folder, pattern):
    found = sorted(folder.glob(pattern.lstrip("?")))
    if not found and not pattern.startswith("?"):
        raise SystemExit(f"trim.py: nothing matches {pattern} in {folder}")
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_large_elf(path):
    if path.is_symlink() or not path.is_file() or path.stat().st_size < WORTH_STRIPPING:
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def is_loadable(path):
    """Whether each loadable segment lies in the file as it will in memory, page by page. strip breaks that in libraries which
    patchelf has changed (`ELF load command address/offset not page-aligned`)."""
    with path.open("rb") as file:
        header = file.read(64)
        (table,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        for index in range(count):
            file.seek(table + index * size)
            kind, _, offset, address = struct.unpack("<IIQQ", file.read(24))
            if kind == PT_LOAD and (offset - address) % PAGE:
                return False
    return True


def strip(path):
    """Keeps the stripped file only where it is worth it and can be loaded."""
    stripped = path.with_name(path.name + ".stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, path], check=True)
    saved = path.stat().st_size - stripped.stat().st_size
    if saved < WORTH_STRIPPING or not is_loadable(stripped):
        stripped.unlink()
        return
    shutil.copystat(path, stripped)
    os.replace(stripped, path)
    print(f"{saved // 1_000_000} MB of symbols: {path}")


def link_copies(folder):
    """Wheels cannot hold links: libx.so, libx.so.1 and libx.so.1.2 are three copies. The longest name stays a file."""
    for directory, _, names in os.walk(folder):
        libraries = {}
        for name in names:
            path = pathlib.Path(directory, name)
            if ".so" in name and not path.is_symlink() and path.stat().st_size >= WORTH_STRIPPING:
                libraries.setdefault((name.split(".so")[0], path.stat().st_size), []).append(path)
        for paths in libraries.values():
            paths.sort(key=lambda path: len(path.name), reverse=True)
            for path in paths[1:]:
                if filecmp.cmp(paths[0], path, shallow=False):
                    path.unlink()
                    path.symlink_to(paths[0].name)


def main():
    parser = argparse.ArgumentParser(description="takes out of installed wheels what nobody runs")
    parser.add_argument("--strip", action="store_true")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("lists", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"trim.py: {options.folder} is not a folder")
    for pattern in [pattern for path in options.lists for pattern in patterns(path)]:
        remove(options.folder, pattern)
    if options.strip:
        link_copies(options.folder)
        for path in sorted(options.folder.rglob("*")):
            if is_large_elf(path):
                strip(path)


if __name__ == "__main__":
    main()
