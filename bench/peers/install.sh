#!/bin/sh
# Installs what the peers are built from, on Debian 12 or a system like it. Run it by hand, as root: nothing calls it.
set -eu
apt-get update
apt-get install -y --no-install-recommends \
  g++ pkg-config util-linux default-jdk-headless \
  libboost1.81-dev libconcurrentqueue-dev libreaderwriterqueue-dev libabsl-dev \
  libdisruptor-java libjctools-java
