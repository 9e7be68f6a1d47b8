#!/bin/sh
# Installs the programs that building, running and testing need and that are missing, from Debian's packages.
#
# Building wants a C compiler (for zstd and ring) and gpgv or sqv (to verify Debian's archive); running wants QEMU. The rest
# are judges: tools that we did not write, which read what we wrote.
set -eu

missing=
need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need cc gcc
# Only recommended by gcc; it also has the static C library of the guest's programs.
dpkg -s libc6-dev >/dev/null 2>&1 || missing="$missing libc6-dev"
command -v sqv >/dev/null 2>&1 || need gpgv gpgv
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || [ -e /usr/share/keyrings/debian-archive-keyring.pgp ] ||
	missing="$missing debian-archive-keyring"
need qemu-system-x86_64 qemu-system-x86
need qemu-system-aarch64 qemu-system-arm
need qemu-img qemu-utils
need swtpm swtpm
need ip iproute2
need skopeo skopeo
need umoci umoci
need docker-registry docker-registry
need openssl openssl
need cpio cpio
need unsquashfs squashfs-tools
need sgdisk gdisk
need sfdisk fdisk
need sbsign sbsigntool
need mkimage u-boot-tools
need objdump binutils
# Firmware, which is no command.
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || missing="$missing ovmf"
[ -e /usr/share/AAVMF/AAVMF_CODE.fd ] || missing="$missing qemu-efi-aarch64"
# Debian 12 has it in qemu-system-common.
[ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] || missing="$missing virtiofsd"
[ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ] || missing="$missing ipxe-qemu"
need fsck.erofs erofs-utils
need e2fsck e2fsprogs
need git git
need faketime faketime
need fsck.fat dosfstools
need mdir mtools
need xorriso xorriso
need isoinfo genisoimage
need bsdtar libarchive-tools
need mkfs.ext4 e2fsprogs
need python3 python3
# The first Python that can make an environment: the one in PATH may be a shim, or built without.
python() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import ensurepip, venv' 2>/dev/null || continue
		echo "$python"
		return
	done
	return 1
}
python >/dev/null || missing="$missing python3-venv"

# judges PACKAGE...: programs of Python's registry, in a folder of the checkout.
judges() {
	folder=$(dirname "$0")/../.judges
	[ "$(cat "$folder/packages" 2>/dev/null)" != "$*" ] || return 0
	echo "installing: $*" >&2
	"$(python)" -m venv "$folder"
	"$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
	echo "$*" >"$folder/packages"
}
python_judges() {
	judges spdx-tools==0.8.5 'cyclonedx-python-lib[json-validation]==11.12.0' PyYAML==6.0.3
}

# For components for arm64, and their test; building anything else does without.
arm64() {
	"$(dirname "$0")/arm64.sh" || echo "components for arm64 cannot be built here" >&2
}

[ -n "$missing" ] || { python_judges; arm64; exit 0; }
echo "installing:$missing" >&2
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# The services of these packages are not wanted: the tests start their own.
# shellcheck disable=SC2086
$sudo env RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $missing >/dev/null
python_judges
arm64
