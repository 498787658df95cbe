# Sourced by the entrypoints of images whose OpenBLAS is older than 0.3.25. Those take an Intel processor of family 6 and a model
# above 175 (Raptor Lake is 183, Emerald Rapids 207) for a Prescott, of 2004, and multiply matrices there five times as slowly as
# they could: a `break` is missing in get_coretype (driver/others/dynamic.c).

# openblas_core [CPUINFO] prints the value of OPENBLAS_CORETYPE for such a processor, and nothing for the others.
openblas_core() {
  cpuinfo=${1:-/proc/cpuinfo}
  of_first_cpu() { sed -n "/^$1[[:blank:]]*: */{s///p;q}" "$cpuinfo" 2>/dev/null; }
  [ "$(of_first_cpu vendor_id)" = GenuineIntel ] && [ "$(of_first_cpu 'cpu family')" = 6 ] || return 0
  [ "$(of_first_cpu model)" -gt 175 ] 2>/dev/null || return 0
  case " $(of_first_cpu flags) " in
    *" avx512vl "*) echo SkylakeX ;;
    *" avx2 "*) echo Haswell ;;
  esac
}

# Sets the variable for the programs that follow, but where it is set already, be it to nothing.
export_openblas_core() {
  if [ -z "${OPENBLAS_CORETYPE+set}" ]; then
    OPENBLAS_CORETYPE=$(openblas_core)
    if [ -n "$OPENBLAS_CORETYPE" ]; then export OPENBLAS_CORETYPE; else unset OPENBLAS_CORETYPE; fi
  fi
}
