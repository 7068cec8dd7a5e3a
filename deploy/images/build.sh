#!/usr/bin/env bash
# Makes the images tamis and tamis-edge from binaries that are built already. Pulls nothing, runs nothing.
#
#   deploy/images/build.sh [DIR]      DIR has the binaries [default: target/release]
#
#   BASE=scratch      image to build on, which must be here already
#   TAG=0.1.0         their tag
#   BUILDAH=buildah   the program, with options such as --root
#
# A static binary goes in alone; of others the shared libraries go in, too (cargo builds these):
#   RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu -p tamis -p tamis-edge
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/../../target/release}
base=${BASE:-scratch}
tag=${TAG:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../../Cargo.toml" | head -n 1)}
read -ra buildah <<<"${BUILDAH:-buildah}"

# Copies a binary and what it is linked to.
stage() {
  local binary=$1 root=$2 library
  mkdir -p "$root/tmp" "$root/etc"
  # Names of users and of this machine, which scratch has none of.
  printf 'tamis:x:65532:65532::/:/sbin/nologin\n' >"$root/etc/passwd"
  printf 'tamis:x:65532:\n' >"$root/etc/group"
  chmod 1777 "$root/tmp"
  install -m 755 "$binary" "$root/"
  [ "$base" = scratch ] || return 0
  for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true); do
    install -D -m 755 "$(readlink -f "$library")" "$root$library"
  done
}

for program in tamis tamis-edge; do
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  stage "$dir/$program" "$context/root"
  "${buildah[@]}" bud --quiet --format oci --build-arg "BASE=$base" --build-arg "VERSION=$tag" \
    --file "$here/$program.Containerfile" --tag "$program:$tag" "$context" >/dev/null
  printf '%s:%s %s bytes\n' "$program" "$tag" \
    "$("${buildah[@]}" images --json "$program:$tag" | sed -n 's/.*"size": "\(.*\)",*/\1/p' | head -n 1)"
  rm -rf "$context"
done
