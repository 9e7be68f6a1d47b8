#!/bin/sh
# Makes it possible to build the guest's programs for arm64 on another machine, and so components for arm64.
#
# A Rust toolchain that has the target aarch64-unknown-linux-gnu (`rustup target add`) needs only the linker. For one that has
# not, the standard library's source is fetched from Debian, exactly the compiler's version, and put beside a copy of hard
# links of the toolchain, in target/guest-std; crates/package/build.rs builds the library from it, once.
set -eu

target=aarch64-unknown-linux-gnu
[ "$(uname -m)" != aarch64 ] || exit 0
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 || {
	export DEBIAN_FRONTEND=noninteractive
	$sudo apt-get update -qq
	$sudo apt-get install -qq -y --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross >/dev/null
}
sysroot=$(rustc --print sysroot)
if [ -d "$sysroot/lib/rustlib/$target" ]; then
	touch crates/package/build.rs
	exit 0
fi
version=$(rustc --version | cut -d ' ' -f 2)
std=${CARGO_TARGET_DIR:-target}/guest-std
[ "$(cat "$std/version" 2>/dev/null)" != "$version" ] || exit 0
echo "fetching Rust's standard library $version for $target" >&2
rm -rf "$std"
mkdir -p "$std/apt/state/lists/partial" "$std/apt/cache/archives/partial"
std=$(cd "$std" && pwd)

# Sources of our own: nothing of this machine's configuration changes.
keyring=$(find /usr/share/keyrings -name 'debian-archive-keyring.*' | head -n 1)
# The mirror of the machine's own sources, but for the one with security updates.
mirror=${IRONKIT_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)}
for suite in trixie-backports sid; do
	echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main"
done >"$std/apt/sources.list"
cat >"$std/apt/apt.conf" <<END
Dir::State "$std/apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$std/apt/cache";
Dir::Etc::sourcelist "$std/apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "amd64";
APT::Sandbox::User "";
END
export APT_CONFIG="$std/apt/apt.conf"
apt-get update -qq
package=$(apt-cache madison rust-src | awk -v want="$version+" 'index($3, want) == 1 { print $3; exit }')
[ -n "$package" ] || {
	echo "Debian has no rust-src $version: add the target with rustup, or build for arm64 on arm64" >&2
	exit 1
}
(cd "$std" && apt-get download -qq "rust-src=$package" && dpkg-deb -x rust-src_*.deb source)

mkdir -p "$std/toolchain/lib/rustlib/src"
# The documentation stays behind. Hard links where they can be made.
for part in bin/rustc lib/rustlib/x86_64-unknown-linux-gnu; do
	mkdir -p "$std/toolchain/$(dirname "$part")"
	cp -al "$sysroot/$part" "$std/toolchain/$part" 2>/dev/null || cp -a "$sysroot/$part" "$std/toolchain/$part"
done
for library in "$sysroot"/lib/*.so*; do
	ln "$library" "$std/toolchain/lib/" 2>/dev/null || cp -a "$library" "$std/toolchain/lib/"
done
mv "$std/source/usr/src/rustc-$version" "$std/toolchain/lib/rustlib/src/rust"
rm -rf "$std/apt" "$std/source" "$std"/rust-src_*.deb
echo "$version" >"$std/version"
touch crates/package/build.rs
