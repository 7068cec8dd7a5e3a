# Makes this mount and network namespace a machine that may be thrown away: what is written to /usr, /etc and /var is gone afterwards.
# $1: our programs. $2: the working copy. A stub plays systemd, as far as units are started: ExecStartPre, the user, ExecStart.
set -e -o pipefail
mount --make-rprivate /
mkdir upper src && mount -t tmpfs tmpfs upper
for place in usr etc var; do
  mkdir -p "upper/$place/upper" "upper/$place/work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=$PWD/upper/$place/upper,workdir=$PWD/upper/$place/work" "/$place"
done
ip link set lo up
getent group postfix >/dev/null || groupadd --system postfix
ln -s "$2/deploy" src/deploy
mkdir -p src/target/release upper/pids
for program in tamis tamis-edge; do strip -o "src/target/release/$program" "$1/$program"; done
cat > /usr/local/bin/systemctl <<STUB
#!/bin/bash
set -e
case \$1 in enable|restart|start) ;; *) exit 0 ;; esac
for unit in "\$@"; do
  file=/etc/systemd/system/\$unit.service pid=$PWD/upper/pids/\$unit
  [ -e "\$file" ] || continue
  as="setpriv --reuid=tamis --regid=tamis --init-groups"
  if [ -e "\$pid" ]; then kill "\$(cat "\$pid")"; while kill -0 "\$(cat "\$pid")" 2>/dev/null; do sleep 0.1; done; fi
  install -d -o tamis -g tamis -m 750 /var/lib/tamis
  \$as \$(sed -n 's/^ExecStartPre=//p' "\$file") >/dev/null
  # No function: its shell would be what is ended later, and the program would live on.
  \$as \$(sed -n 's/^ExecStart=//p' "\$file") >"/var/log/\$unit" 2>&1 &
  echo \$! >"\$pid"
done
STUB
chmod 755 /usr/local/bin/systemctl
cargo() { :; }
PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin
cd src
