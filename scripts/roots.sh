#!/usr/bin/env bash
# Private Debian trees in which the tests run other people's mail servers.
#
# Postfix and Sendmail refuse to be installed side by side, and neither belongs on a machine that only
# wants to run a test suite. So each of them lives in a root of its own: one small Debian tree made
# once, one layer of packages per server on top of it, and for each run a throw-away layer in memory.
# Nothing is configured or started on the machine itself, and several runs do not see each other.
#
#   scripts/roots.sh make         build what is missing (about a minute when cold, at once when warm)
#   scripts/roots.sh run CMD...   run CMD with TAMIS_TEST_ROOTS set; all it started dies with it
#   scripts/roots.sh mount        mount the roots for work by hand, print the variable to export
#   scripts/roots.sh umount       undo `mount`
#   scripts/roots.sh path         print the cache directory (TAMIS_TEST_CACHE overrides it)
#   scripts/roots.sh clean        delete the cache
set -euo pipefail

# The packages of each root. `swaks` and the other senders run on the machine itself.
ROOT_NAMES=(postfix sendmail)
declare -A ROOT_PACKAGES=(
  [postfix]="postfix"
  [sendmail]="sendmail-bin sendmail-cf m4 sensible-mda"
)
# Raise it when the way a layer is made changes, so that old caches are not used.
RECIPE=1

CACHE=${TAMIS_TEST_CACHE:-/var/cache/tamis-tests}
# The name of the machine as the programs inside see it: full, so that they need no name server.
INSIDE_NAME=peers.tamis.test

say() { printf 'roots: %s\n' "$*"; }
die() { printf 'roots: %s\n' "$*" >&2; exit 1; }

codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }
base_dir() { printf '%s/base-%s-%s' "$CACHE" "$(codename)" "$RECIPE"; }
layer_dir() {
  local key
  key=$(printf '%s' "$(codename) $RECIPE ${ROOT_PACKAGES[$1]}" | sha256sum | cut -c1-12)
  printf '%s/layer-%s-%s' "$CACHE" "$1" "$key"
}

all_made() {
  [ -d "$(base_dir)" ] || return 1
  local name
  for name in "${ROOT_NAMES[@]}"; do [ -d "$(layer_dir "$name")" ] || return 1; done
}

# Mounts and processes made by CMD live in namespaces of their own: the kernel takes them away when
# CMD ends, however it ends, so an interrupted run leaves neither daemons nor mounts behind.
in_namespaces() {
  [ "$(id -u)" = 0 ] || die "the real-program tests need root; './test fast' runs without"
  unshare --mount true 2>/dev/null ||
    die "this machine lets root make no mount namespace (CAP_SYS_ADMIN); './test fast' runs without"
  exec unshare --mount --uts --pid --fork --kill-child --mount-proc bash "$0" "$@"
}

# stack MOUNTPOINT UPPER WORK LOWER... : shows the lower directories under a writable one.
# `LOWER...` is given top first, as overlayfs wants it.
stack() {
  local at=$1 upper=$2 work=$3
  shift 3
  mkdir -p "$at" "$upper" "$work"
  local lowers
  lowers=$(IFS=:; printf '%s' "$*")
  if [ -z "${TAMIS_TEST_NO_OVERLAY:-}" ] &&
    mount -t overlay tamis -o "lowerdir=$lowers,upperdir=$upper,workdir=$work" "$at" 2>/dev/null; then
    return
  fi
  say "overlayfs is not available here: copying $(du -shc "$@" | tail -n 1 | cut -f1) instead"
  mount --bind "$upper" "$at"
  local i
  for ((i = $#; i >= 1; i--)); do cp -a --reflink=auto "${!i}/." "$at/"; done
}

# What a program inside needs to see of the machine: processes, devices, names.
furnish() {
  local at=$1
  mount -t proc proc "$at/proc"
  mount --rbind /dev "$at/dev"
  mount --make-rslave "$at/dev" # else a later umount would take the machine's own /dev/pts with it
  cp -L /etc/resolv.conf "$at/etc/resolv.conf" 2>/dev/null || true
  printf '127.0.0.1 %s\n' localhost "$INSIDE_NAME ${INSIDE_NAME%%.*}" "$(uname -n)" >"$at/etc/hosts"
  printf '%s\n' "$INSIDE_NAME" >"$at/etc/hostname"
}

# The archives that this machine's own apt uses, one "URI SUITE COMPONENT" a line; none is written
# down here. `indextargets` reads both formats of source lists.
# shellcheck disable=SC2016  # apt expands these, not the shell
archives() {
  apt-get indextargets --format '$(ORIGIN)|$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    sed -n 's/^Debian|//p' | sort -u
}

make_base() {
  local to suite mirror
  to=$(base_dir)
  [ -d "$to" ] && return
  suite=$(codename)
  mirror=$(archives | awk -v suite="$suite" '$2 == suite { print $1; exit }')
  [ -n "$mirror" ] || die "apt on this machine lists no Debian archive for '$suite'; run apt-get update"
  say "making a small Debian tree ($suite)"
  rm -rf "$to.new"
  debootstrap --variant=minbase "$suite" "$to.new" "$mirror" >"$CACHE/base.log" 2>&1 ||
    { tail -n 20 "$CACHE/base.log" >&2; die "debootstrap failed"; }
  archives | sed 's/^/deb /' >"$to.new/etc/apt/sources.list"
  apt-config dump | grep '^Acquire::' >"$to.new/etc/apt/apt.conf.d/00machine" || true
  cp -a /etc/apt/auth.conf /etc/apt/auth.conf.d "$to.new/etc/apt/" 2>/dev/null || true
  # Installing a server must not start it.
  printf '#!/bin/sh\nexit 101\n' >"$to.new/usr/sbin/policy-rc.d"
  chmod 755 "$to.new/usr/sbin/policy-rc.d"
  chroot "$to.new" apt-get update -qq >>"$CACHE/base.log" 2>&1 ||
    { tail -n 20 "$CACHE/base.log" >&2; die "apt-get update failed"; }
  rm -f "$to.new"/var/cache/apt/archives/*.deb
  mv "$to.new" "$to"
}

install_inside() {
  # shellcheck disable=SC2086  # a list of package names
  DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get install -y --no-install-recommends \
    ${ROOT_PACKAGES[$2]} </dev/null && rm -f "$1"/var/cache/apt/archives/*.deb
}

make_layer() {
  local name=$1 to at
  to=$(layer_dir "$name")
  [ -d "$to" ] && return
  say "installing into the root '$name': ${ROOT_PACKAGES[$name]}"
  rm -rf "$to.new" "$to.work"
  at=$CACHE/building
  stack "$at" "$to.new" "$to.work" "$(base_dir)"
  furnish "$at"
  # Lists as old as the base may name packages that the archive has replaced since.
  { install_inside "$at" "$name" || { chroot "$at" apt-get update -qq && install_inside "$at" "$name"; }; } \
    >"$CACHE/layer-$name.log" 2>&1 ||
    { tail -n 20 "$CACHE/layer-$name.log" >&2; die "installing ${ROOT_PACKAGES[$name]} failed"; }
  umount -R "$at"
  rm -rf "$to.work"
  mv "$to.new" "$to"
}

# Runs inside the namespaces, one at a time on a machine.
make_inside() {
  hostname_inside
  exec 9>"$CACHE/lock"
  flock 9
  make_base
  local name
  for name in "${ROOT_NAMES[@]}"; do make_layer "$name"; done
}

hostname_inside() { printf '%s' "$INSIDE_NAME" >/proc/sys/kernel/hostname; }

make_roots() {
  mkdir -p "$CACHE"
  all_made && { say "ready in $CACHE"; return; }
  command -v debootstrap >/dev/null || die "debootstrap is missing; ./test installs it"
  (in_namespaces _make)
  say "made in $CACHE ($(du -sh "$CACHE" | cut -f1))"
}

# Mounts every root under $1/NAME, writes going to memory.
mount_roots() {
  local to=$1 name
  mkdir -p "$to"
  mount -t tmpfs -o mode=755 tamis-roots "$to"
  for name in "${ROOT_NAMES[@]}"; do
    stack "$to/$name" "$to/.layers/$name/upper" "$to/.layers/$name/work" \
      "$(layer_dir "$name")" "$(base_dir)"
    furnish "$to/$name"
  done
}

run_inside() {
  hostname_inside
  mount_roots "$CACHE/mnt"
  export TAMIS_TEST_ROOTS=$CACHE/mnt
  # Not exec: the first process of the namespace has to wait for orphans.
  "$@"
}

umount_roots() {
  mountpoint -q "$CACHE/mnt" || return 0
  local held
  held=$(for p in /proc/[0-9]*; do
    case $(readlink "$p/root" 2>/dev/null) in "$CACHE"/mnt/*) printf '%s ' "${p##*/}" ;; esac
  done)
  [ -z "$held" ] || die "still in use by process $held"
  umount -R "$CACHE/mnt"
}

case ${1:-} in
  make) make_roots ;;
  run)
    shift
    [ $# -gt 0 ] || die "run what?"
    all_made || die "run 'scripts/roots.sh make' first"
    in_namespaces _run "$@"
    ;;
  mount)
    all_made || die "run 'scripts/roots.sh make' first"
    mountpoint -q "$CACHE/mnt" || mount_roots "$CACHE/mnt"
    printf 'export TAMIS_TEST_ROOTS=%s\n' "$CACHE/mnt"
    ;;
  umount) umount_roots ;;
  path) printf '%s\n' "$CACHE" ;;
  clean)
    umount_roots
    rm -rf --one-file-system "$CACHE"
    ;;
  _make) make_inside ;;
  _run) shift; run_inside "$@" ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 64 ;;
esac
