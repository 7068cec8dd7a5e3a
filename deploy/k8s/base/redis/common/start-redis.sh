#!/bin/sh
# Starts one Redis of three: as a replica of the master that the Sentinels of the others know; where none of them knows
# any (the very first start), the first of the three is the master.
set -eu
name=${POD_NAME%-*}
domain=$name.${POD_NAMESPACE:-default}.svc
peers=${PEERS:-$name-0.$domain $name-1.$domain $name-2.$domain}
self=${SELF:-$POD_NAME.$domain}

master=
for peer in $peers; do
  [ "$peer" = "$self" ] && continue
  master=$(timeout 2 redis-cli -h "$peer" -p 26379 --raw sentinel get-master-addr-by-name tamis 2>/dev/null |
    head -n 1 || true)
  case $master in *ERR* | *rror*) master= ;; esac
  [ -n "$master" ] && break
done
[ -n "$master" ] || master=${peers%% *}

# A copy: Sentinels let Redis write down who leads, and the original cannot be written to.
data=${DATA:-/data}
cp "${CONFIG:-/etc/redis/redis.conf}" "$data/redis.conf"
# The names of the pods stay, their addresses do not.
set -- "$data/redis.conf" --port 6379 --bind ${BIND:-'*' '-::*'} --dir "$data" \
  --replica-announce-ip "$self" --replica-announce-port 6379
[ "$master" = "$self" ] || set -- "$@" --replicaof "$master" 6379
exec redis-server "$@"
