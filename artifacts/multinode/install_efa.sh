#!/bin/sh
# Installs AWS's software for EFA into the root file system it runs in: install_efa.sh ARCHIVE SHA256.
# A build step of the GPU training images, where they are built with EFA=with (docs/sagemaker.md). The kernel module is the host's.
set -eu
echo "$2  $1" | sha256sum --check --strict
mkdir /tmp/efa
tar -xzf "$1" -C /tmp/efa --strip-components=1
cd /tmp/efa
apt-get update
DEBIAN_FRONTEND=noninteractive ./efa_installer.sh -y -g --skip-kmod --skip-limit-conf --no-verify
ldconfig
apt-get clean
rm -rf /tmp/efa /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old \
  /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log
