#!/usr/bin/env bash
# Installs the programs that specs of real processes need to harm them, where they are missing. Who is not root cannot use most of them: specs say
# so and are skipped.
set -euo pipefail
[[ $EUID -eq 0 && $(uname -s) == Linux ]] || exit 0

# Each program and the Debian package that has it.
programs=(strace:strace mkfs.ext4:e2fsprogs mount:mount ip:iproute2)

missing=()
for each in "${programs[@]}"; do
	command -v "${each%%:*}" >/dev/null || missing+=("${each##*:}")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "make real needs what Debian has in the packages ${missing[*]}: install it and run again." >&2
	exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
