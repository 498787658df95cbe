#!/bin/bash -p
# Entrypoint of the training images: threads for the CPUs at hand, ssh between hosts where the job has several, then the
# command itself. exec keeps the process id, so that signals reach the user's program and its exit status is the
# container's; "$@" keeps quoting.
# bash, not sh: that drops variables that are no names to it (my.var, a-b). -p: BASH_ENV and functions in variables are the
# command's.
set -eu
. /usr/local/lib/dlc/cpu_threads.sh
if [ -r /usr/local/lib/dlc/openblas_core.sh ]; then
  . /usr/local/lib/dlc/openblas_core.sh
  export_openblas_core
fi
: "${OMP_NUM_THREADS:=$(cpu_threads)}"
# TensorFlow does not look at OpenMP's, nor at a quota.
: "${TF_NUM_INTRAOP_THREADS:=$OMP_NUM_THREADS}"
export OMP_NUM_THREADS TF_NUM_INTRAOP_THREADS
# One host has no comma between "hosts": [ and ]. DLC_SSH=0 never starts sshd, DLC_SSH=1 always; TensorFlow's images have none.
several_hosts() {
  [ -r /opt/ml/input/config/resourceconfig.json ] || return 1
  tr -d '\n' </opt/ml/input/config/resourceconfig.json | grep -q '"hosts" *: *\[[^]]*,'
}
if [ "${DLC_SSH:-}" = 1 ] || { [ "${DLC_SSH:-}" != 0 ] && command -v dlc_ssh.py >/dev/null && several_hosts; }; then
  dlc_ssh.py || echo "training-entrypoint.sh: no ssh between hosts" >&2
fi
if [ "$#" -eq 0 ]; then set -- /bin/bash; fi
exec -- "$@"
