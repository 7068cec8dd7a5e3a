# Read by the other two: who the three are (`peers`), who this is (`self`), and whom Sentinels of the others know as the
# master; where none of them knows any (the very first start), the first of the three.
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
