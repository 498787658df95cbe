#!/bin/bash
# setup.sh FRAMEWORK: once prepared a framework's files before a build. Nothing needs preparing any more; this makes sure
# that the framework is there and that the program is built, so that the build after it starts at once.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
framework=${1:-}
if [ -n "$framework" ] && ! ls "$root/$framework"/buildspec*.yml >/dev/null 2>&1; then
  echo "setup.sh: there is no $framework/buildspec.yml in $root" >&2
  exit 2
fi
exec "$root/dlc" --version
