# shellcheck shell=bash
# Go for other people's code, to be sourced: bring_go LEAST sets go to a Go of at least that version. $cache has to be set.
# Debian's is too old; it can fetch a newer one as a module, which the checksum database vouches for.
toolchain=1.26.11
export GOTOOLCHAIN=local
bring_go() {
  local least=$1 at=$cache/go-$toolchain version module
  version=$(go env GOVERSION 2>/dev/null || true)
  if [ -n "$version" ] && printf 'go%s\n%s\n' "$least" "$version" | sort --check=quiet --version-sort; then
    go=go
    return
  fi
  go=$at/bin/go
  [ ! -e "$at/complete" ] || return 0
  echo "setup: fetching Go $toolchain with Debian's Go"
  if ! command -v go >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends golang-go >/dev/null
  fi
  module=golang.org/toolchain@v0.0.1-go$toolchain.$(go env GOOS)-$(go env GOARCH)
  (cd / && go mod download "$module")
  rm -rf "$at"
  cp -r "$(go env GOMODCACHE)/$module" "$at"
  chmod -R u+rwX "$at"
  find "$at/bin" "$at/pkg/tool" -type f -exec chmod +x {} +  # a module's files are never executable
  touch "$at/complete"
}
