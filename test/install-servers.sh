#!/usr/bin/env bash
# Installs the real servers of the tests from Debian's packages. It starts no service, and ends at once if all are there.
# If it can't install them (not root, not Debian), it says so and exits with 0, and the tests are skipped.
# With CI=true a missing server is an error.
set -euo pipefail

packages=(
  slapd ldap-utils                                                                      # OpenLDAP
  389-ds-base                                                                           # 389 Directory Server
  samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind python3-samba ldb-tools # Samba AD
  postgresql                                                                            # as a database beside SQLite
  iproute2 openssl
  chromium fonts-liberation                                                             # the console's tests
)

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
  done
else
  missing=("${packages[@]}")
fi
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

cannot() {
  echo "install-servers: $1; missing: ${missing[*]}. Tests that need them are skipped." >&2
  [ "${CI:-}" = true ] && exit 1
  exit 0
}
command -v apt-get >/dev/null || cannot "this is not Debian (no apt-get)"
[ "$(id -u)" -eq 0 ] || cannot "not root; run 'sudo test/install-servers.sh'"

# Debian starts a daemon when its package is installed, unless policy-rc.d forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
echo "install-servers: installing ${missing[*]}" >&2
log=$(mktemp)
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
  tail -n 20 "$log" >&2
  cannot "apt-get failed (whole log: $log)"
fi
rm -f "$log"
