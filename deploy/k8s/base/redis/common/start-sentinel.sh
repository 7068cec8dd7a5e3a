#!/bin/sh
# Starts the Sentinel beside one Redis of three. Its configuration is written anew; its id follows from its name, so that
# the others do not count it twice after a restart.
set -eu
. "${0%/*}/who-leads.sh"

config=${SENTINEL_DATA:-/sentinel}/sentinel.conf
cat >"$config" <<CONFIG
port 26379
bind ${BIND:-* -::*}
protected-mode no
dir ${SENTINEL_DATA:-/sentinel}
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $self
sentinel myid $(printf %s "$self" | sha1sum | cut -d' ' -f1)
sentinel monitor tamis $master 6379 2
sentinel down-after-milliseconds tamis 3000
sentinel failover-timeout tamis 15000
sentinel parallel-syncs tamis 1
CONFIG
# All three are made at once, and a Sentinel whose master has no address yet ends.
tries=0
until getent ahosts "$master" >/dev/null || [ "$tries" -ge 60 ]; do
  tries=$((tries + 1))
  sleep 1
done
exec redis-server "$config" --sentinel
