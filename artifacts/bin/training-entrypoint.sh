#!/bin/sh
# Entrypoint of the training images: threads for the CPUs at hand, then the command itself. exec keeps the process id,
# so that signals reach the user's program and its exit status is the container's; "$@" keeps quoting.
set -eu
. /usr/local/lib/dlc/cpu_threads.sh
: "${OMP_NUM_THREADS:=$(cpu_threads)}"
export OMP_NUM_THREADS
if [ "$#" -eq 0 ]; then set -- /bin/bash; fi
exec "$@"
