#!/bin/bash -p
# Entrypoint of the inference images: threads for the CPUs at hand, then the command itself. exec keeps the process id,
# so that signals reach the server and its exit status is the container's; "$@" keeps quoting.
# bash, not sh: that drops variables that are no names to it (my.var, a-b). -p: BASH_ENV and functions in variables are the
# command's.
set -eu
. /usr/local/lib/dlc/cpu_threads.sh
if [ -r /usr/local/lib/dlc/openblas_core.sh ]; then
  . /usr/local/lib/dlc/openblas_core.sh
  export_openblas_core
fi
# The model server shares the CPUs out among its workers; everything else gets all of them.
if [ "${1:-}" != serve ]; then
  : "${OMP_NUM_THREADS:=$(cpu_threads)}"
  : "${TF_NUM_INTRAOP_THREADS:=$OMP_NUM_THREADS}" # TensorFlow does not look at OpenMP's, nor at a quota
  export OMP_NUM_THREADS TF_NUM_INTRAOP_THREADS
fi
# Idle OpenMP threads sleep at once. A small network alone on two CPUs takes up to twice as long that way (0.33 ms, 0.2 with threads
# that spin for a while, OpenMP's default); with two processes on them one that spins takes 30 to 80 ms, since it waits for threads
# that the other keeps from running.
: "${OMP_WAIT_POLICY:=PASSIVE}"
export OMP_WAIT_POLICY
if [ "$#" -eq 0 ]; then set -- python3; fi
exec -- "$@"
