#!/bin/sh
# Starts one Redis of three: as the master, or as a replica of who is.
set -eu
. "${0%/*}/who-leads.sh"

# A copy: Sentinels let Redis write down who leads, and the original cannot be written to.
data=${DATA:-/data}
cp "${CONFIG:-/etc/redis/redis.conf}" "$data/redis.conf"
# The names of the pods stay, their addresses do not.
set -- "$data/redis.conf" --port 6379 --bind ${BIND:-'*' '-::*'} --dir "$data" \
  --replica-announce-ip "$self" --replica-announce-port 6379
[ "$master" = "$self" ] || set -- "$@" --replicaof "$master" 6379
exec redis-server "$@"
