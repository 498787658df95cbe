"""openblas_core.sh: which kernels an old OpenBLAS is told to take, by /proc/cpuinfo of known processors."""
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "lib" / "openblas_core.sh"
AVX2 = "fpu sse2 avx fma avx2"
AVX512 = AVX2 + " avx512f avx512dq avx512cd avx512bw avx512vl"


def cpu(vendor, family, model, flags):
    lines = ("processor\t: 0", f"vendor_id\t: {vendor}", f"cpu family\t: {family}", f"model\t\t: {model}", "model name\t: of 207", f"flags\t\t: {flags}")
    return "\n".join(lines) + "\n\n"


@pytest.mark.parametrize(
    "name, text, core",
    [
        ("Emerald Rapids", cpu("GenuineIntel", 6, 207, AVX512) * 2, "SkylakeX"),
        ("Raptor Lake", cpu("GenuineIntel", 6, 183, AVX2), "Haswell"),
        ("Arrow Lake", cpu("GenuineIntel", 6, 197, AVX2), "Haswell"),
        ("above 175 and without AVX2", cpu("GenuineIntel", 6, 207, "fpu sse2"), ""),
        ("Sierra Forest, which OpenBLAS judges by its flags", cpu("GenuineIntel", 6, 175, AVX2), ""),
        ("Sapphire Rapids, which it knows", cpu("GenuineIntel", 6, 143, AVX512), ""),
        ("Zen 4", cpu("AuthenticAMD", 25, 207, AVX512), ""),
        ("another family", cpu("GenuineIntel", 19, 207, AVX512), ""),
        ("two different processors: the first counts", cpu("GenuineIntel", 6, 143, AVX512) + cpu("GenuineIntel", 6, 207, AVX512), ""),
        ("Graviton", "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd sve\n", ""),
        ("model that is no number", cpu("GenuineIntel", 6, "unknown", AVX512), ""),
        ("nothing", "", ""),
    ],
)
def test_core(tmp_path, name, text, core):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["sh", "-euc", f". {SCRIPT}; core=$(openblas_core {cpuinfo}); printf %s \"$core\""], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, core, ""), name


def test_no_cpuinfo(tmp_path):
    done = subprocess.run(["sh", "-euc", f". {SCRIPT}; openblas_core {tmp_path}/none"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
