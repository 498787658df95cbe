"""sgemm.c, preloaded: which products go to oneDNN and which to the caller's BLAS, and that all come out right.

Both are small libraries of this test that count their calls and multiply in the plainest way; the caller is linked with its BLAS
and loaded for itself alone, as Python loads a framework.
"""
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(" avx2 " not in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), reason="a processor without AVX2")
SOURCE = pathlib.Path(__file__).resolve().parents[3] / "artifacts" / "blas" / "sgemm.c"

MULTIPLY = """
#include <stddef.h>
#include <stdint.h>
static void multiply(int ta, int tb, long m, long n, long k, float alpha, const float *a, long lda, const float *b, long ldb, float beta, float *c,
                     long ldc) { /* row-major */
  for (long i = 0; i < m; ++i)
    for (long j = 0; j < n; ++j) {
      float sum = 0;
      for (long l = 0; l < k; ++l) sum += (ta ? a[l * lda + i] : a[i * lda + l]) * (tb ? b[j * ldb + l] : b[l * ldb + j]);
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
    }
}
"""
BLAS = MULTIPLY + """
int blas_calls;
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c,
                 int ldc) {
  ++blas_calls;
  if (order == 101) multiply(ta != 111, tb != 111, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (order == 102) multiply(tb != 111, ta != 111, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
}
void sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha, const float *a, const int *lda,
            const float *b, const int *ldb, const float *beta, float *c, const int *ldc, size_t la, size_t lb) {
  (void)la, (void)lb, ++blas_calls;
  multiply(*tb != 'N' && *tb != 'n', *ta != 'N' && *ta != 'n', *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c, *ldc);
}
"""
ONEDNN = MULTIPLY + """
int onednn_calls, onednn_fails;
int dnnl_sgemm(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
               float *c, int64_t ldc) {
  if (onednn_fails == 1) /* out of memory: it has begun */
    for (long i = 0; i < m; ++i)
      for (long j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0 : c[i * ldc + j] * beta;
  if (onednn_fails) return onednn_fails;
  ++onednn_calls;
  multiply(ta == 'T', tb == 'T', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  return 0;
}
"""
CALLER = """
void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
void sgemm_(const char *, const char *, const int *, const int *, const int *, const float *, const float *, const int *, const float *,
            const int *, const float *, float *, const int *);
void call_c(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c,
            int ldc) {
  cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void call_fortran(char ta, char tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c,
                  int ldc) {
  sgemm_(&ta, &tb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc); /* as C calls it: without the lengths of the strings */
}
"""
# Runs one product for each line of JSON and says who computed it and whether it is right.
DRIVER = """
import ctypes, json, sys
caller = ctypes.CDLL(sys.argv[1])
blas = ctypes.CDLL(sys.argv[2])
try:
    onednn = ctypes.CDLL("libdnnl.so.2")
    ctypes.c_int.in_dll(onednn, "onednn_calls")
except (OSError, ValueError):
    onednn = None
count = lambda library, name: ctypes.c_int.in_dll(library, name).value if library else 0
f, pad = ctypes.c_float, 3
for line in sys.stdin:
    case = json.loads(line)
    m, n, k, alpha, beta, ta, tb = (case[name] for name in ("m", "n", "k", "alpha", "beta", "ta", "tb"))
    if onednn:
        ctypes.c_int.in_dll(onednn, "onednn_fails").value = case.get("fails", 0)
    row_major = case["order"] == 101
    def matrix(rows, columns, value):
        \"\"\"(values, leading dimension, index of an element)\"\"\"
        leading = (columns if row_major else rows) + pad
        index = (lambda i, j: i * leading + j) if row_major else (lambda i, j: j * leading + i)
        values = (f * (leading * (rows if row_major else columns)))()
        for i in range(rows):
            for j in range(columns):
                values[index(i, j)] = value(i, j)
        return values, leading, index
    a_at, b_at = (lambda i, j: (i * 3 + j) % 5 - 2), (lambda i, j: (i + j * 2) % 7 - 3)
    yes = lambda trans: trans not in (111, "N", "n")
    a, lda, _ = matrix(*((k, m) if yes(ta) else (m, k)), (lambda i, j: a_at(j, i)) if yes(ta) else a_at)
    b, ldb, _ = matrix(*((n, k) if yes(tb) else (k, n)), (lambda i, j: b_at(j, i)) if yes(tb) else b_at)
    c, ldc, at = matrix(m, n, lambda i, j: float("nan") if beta == 0 else i - j)
    before = count(blas, "blas_calls"), count(onednn, "onednn_calls")
    if case["order"] == "fortran":
        caller.call_fortran(ctypes.c_char(ta.encode()), ctypes.c_char(tb.encode()), m, n, k, f(alpha), a, lda, b, ldb, f(beta), c, ldc)
    else:
        caller.call_c(case["order"], ta, tb, m, n, k, f(alpha), a, lda, b, ldb, f(beta), c, ldc)
    by = [name for name, was, now in zip(("blas", "onednn"), before, (count(blas, "blas_calls"), count(onednn, "onednn_calls"))) if now > was]
    corners = {(0, 0), (m - 1, 0), (0, n - 1), (m - 1, n - 1), (m // 2, n // 3)}
    right = lambda i, j: alpha * sum(a_at(i, l) * b_at(l, j) for l in range(k)) + (beta * (i - j) if beta else 0)
    print(json.dumps([by, all(c[at(i, j)] == right(i, j) for i, j in corners)]), flush=True)
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sgemm")
    for name in ("onednn", "no-library", "no-function"):
        (folder / name).mkdir()

    def compiled(name, text, *options):
        source = folder / (pathlib.Path(name).name + ".c")
        source.write_text(text, encoding="utf-8")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", folder / name, source, *options], check=True)

    compiled("libodd-blas.so", BLAS)
    compiled("onednn/libdnnl.so.2", ONEDNN)
    compiled("no-function/libdnnl.so.2", "int nothing;")
    (folder / "no-library/libdnnl.so.2").write_text("no library", encoding="utf-8")  # and not one of this machine's
    compiled("libcaller.so", CALLER, f"-L{folder}", "-l:libodd-blas.so", f"-Wl,-rpath,{folder}")
    warnings = ("-Wall", "-Wextra", "-Werror", "-fvisibility=hidden")
    subprocess.run(["gcc", "-O2", *warnings, "-shared", "-fPIC", "-o", folder / "libdlc_sgemm.so", *SOURCE.parent.glob("*.c")], check=True)
    return folder


def run(libraries, cases, onednn="onednn", **variables):
    """onednn: the folder with libdnnl.so.2."""
    environment = {
        "PATH": os.environ["PATH"],
        "LD_PRELOAD": str(libraries / "libdlc_sgemm.so"),
        "LD_LIBRARY_PATH": str(libraries / onednn),
        **variables,
    }
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    command = [sys.executable, "-c", DRIVER, str(libraries / "libcaller.so"), str(libraries / "libodd-blas.so")]
    return subprocess.run(command, input=lines, env=environment, capture_output=True, text=True, check=False)


def products(libraries, cases, **how):
    """[(who computed it, whether it is right)] of each case."""
    done = run(libraries, cases, **how)
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def case(m, n, k, order=101, ta=None, tb=None, **more):
    none = "N" if order == "fortran" else 111
    return {"m": m, "n": n, "k": k, "order": order, "ta": ta or none, "tb": tb or none, "alpha": 1, "beta": 0, **more}


def all_forms(m, n, k):
    for order, alpha, beta in itertools.product((101, 102, "fortran"), (1, -2), (0, 1, 3)):
        for ta, tb in itertools.product("NntTCc" if order == "fortran" else (111, 112, 113), repeat=2):
            yield case(m, n, k, order, ta, tb, alpha=alpha, beta=beta)


def test_large_products_go_to_onednn_in_every_form(libraries):
    cases = list(all_forms(20, 40, 700))
    assert products(libraries, cases) == [(["onednn"], True)] * len(cases)


def test_small_products_stay_with_the_blas_in_every_form(libraries):
    cases = list(all_forms(4, 5, 6))
    assert products(libraries, cases) == [(["blas"], True)] * len(cases)


@pytest.mark.parametrize("order", [101, 102, "fortran"])
def test_what_is_worth_a_call(libraries, order):
    worth = [(80, 80, 80), (1, 1, 600000), (1, 600000, 1), (600000, 1, 1)]
    not_worth = [(79, 80, 80), (1, 1, 500000), (1, 500000, 1)]
    assert products(libraries, [case(*size, order) for size in worth]) == [(["onednn"], True)] * 4
    assert products(libraries, [case(*size, order) for size in not_worth]) == [(["blas"], True)] * 3


def test_what_onednn_does_otherwise_stays_with_the_blas(libraries):
    cases = [
        case(800, 800, 0, beta=2),  # BLAS multiplies C by beta
        case(80, 80, 80, alpha=0, beta=2),
        *(case(80, 80, 80, order, fails=fails, beta=2) for order in (101, 102, "fortran") for fails in (2, 3)),
        case(80, 80, 80, fails=1),  # out of memory with nothing in C that counts
    ]
    assert products(libraries, cases) == [(["blas"], True)] * len(cases)
    wrong = [case(100, 100, 100, ta=115), case(100, 100, 100, "fortran", "X")]  # the BLAS's to refuse
    assert [by for by, _ in products(libraries, wrong)] == [["blas"]] * 2


def test_a_product_that_failed_in_the_middle_is_not_begun_anew(libraries):
    done = run(libraries, [case(80, 80, 80, fails=1, beta=2)])
    assert done.returncode == -signal.SIGABRT
    assert done.stderr == "libdlc_sgemm.so: oneDNN failed with status 1 in the middle of a product: out of memory?\n"


def test_without_onednn_all_stay_with_the_blas(libraries):
    for folder in ("no-library", "no-function"):
        assert products(libraries, [case(80, 80, 80), case(2, 2, 2, "fortran")], onednn=folder) == [(["blas"], True)] * 2
    assert products(libraries, [case(80, 80, 80)], DLC_SGEMM="blas") == [(["blas"], True)]


def test_a_caller_without_a_blas_gets_the_usual_one_or_is_told(libraries, tmp_path):
    """The host may have an OpenBLAS, so the names are ones that only this test has."""
    text = SOURCE.read_text(encoding="utf-8").replace("libopenblas.so.0", "libnone.so.0").replace("libblas.so.3", "libnone.so.3")
    for name, source in (("alone", CALLER), ("shim", text)):
        (tmp_path / f"{name}.c").write_text(source, encoding="utf-8")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", tmp_path / f"{name}.so", tmp_path / f"{name}.c"], check=True)
    script = f"import ctypes; ctypes.CDLL('{tmp_path}/alone.so').call_c(101, 111, 111, 0, 1, 1, *[None] * 8)"

    def call(**variables):
        environment = {"LD_PRELOAD": str(tmp_path / "shim.so"), "LD_LIBRARY_PATH": str(tmp_path), **variables}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert call() == (-signal.SIGABRT, "libdlc_sgemm.so: no BLAS has cblas_sgemm: take this library out of LD_PRELOAD\n")
    (tmp_path / "libnone.so.3").symlink_to(libraries / "libodd-blas.so")
    assert call() == (0, "")
    (tmp_path / "libnone.so.3").unlink()
    assert call(LD_PRELOAD=f"{tmp_path}/shim.so {libraries}/libodd-blas.so") == (0, "")
