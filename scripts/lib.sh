# What the scripts share; sourced by sh: finds or installs a Rust and a C
# compiler, and builds the library. The caller sets $root, the project.

library=$root/target/release/liboxmalloc.so
rust_oldest=1.85                        # rust-version in Cargo.toml
rustup_bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
numbered_rusts=/usr/lib/rust-*/bin      # of Ubuntu's rustc-1.N, never on PATH

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# new_enough VERSION: whether it is $rust_oldest or later.
new_enough() {
    [ "$(printf '%s\n' "$rust_oldest" "$1" | sort -V | head -n 1)" = "$rust_oldest" ]
}

may_apt() { have apt-get && [ "$(id -u)" = 0 ]; }

# apt_install PACKAGE...: output goes to stderr, as a command's own stdout may be a pipe.
apt_install() {
    say "installing $* with apt-get"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

# Refreshes the package lists, once in a process.
apt_lists=stale
apt_update() {
    [ "$apt_lists" = fresh ] || apt-get update -q >&2 || say "apt-get update failed; going on with the lists there are"
    apt_lists=fresh
}

# find_rust: the first directory with a cargo and a new enough rustc comes first
# on PATH. In a shell that is no login shell, rustup's may not be on it at all.
find_rust() {
    # shellcheck disable=SC2086  # a pattern
    for bin in "$(dirname "$(command -v cargo || echo /none)")" "$rustup_bin" $numbered_rusts; do
        [ -x "$bin/cargo" ] && [ -x "$bin/rustc" ] || continue
        version=$("$bin/rustc" --version 2>/dev/null | cut -d ' ' -f 2)
        if [ -n "$version" ] && new_enough "$version"; then
            [ "$(command -v cargo)" = "$bin/cargo" ] || PATH=$bin:$PATH
            export PATH
            return
        fi
    done
    return 1
}

# apt_rust: the packages of a new enough Rust, or nothing. Debian 12's rustc is
# too old, its rustc-web is not; Ubuntu has rustc-1.N beside its default.
apt_rust() {
    for suffix in '' -web $(apt-cache pkgnames rustc-1. | sed -n 's/^rustc\(-1\.[0-9]*\)$/\1/p' | sort -V); do
        candidate=$(apt-cache policy "rustc$suffix" | sed -n 's/^ *Candidate: //p')
        if [ -n "$candidate" ] && [ "$candidate" != '(none)' ] && new_enough "$candidate"; then
            echo "rustc$suffix cargo$suffix"
            return
        fi
    done
}

need_rust() {
    find_rust && return
    if may_apt; then
        apt_update
        packages=$(apt_rust)
        # shellcheck disable=SC2086  # two packages
        if [ -n "$packages" ] && apt_install $packages && find_rust; then
            return
        fi
    fi
    if rustup=$(command -v rustup || command -v "$rustup_bin/rustup"); then
        die "Rust $rust_oldest or newer is needed. Install it with:
    $rustup update stable && $rustup default stable"
    fi
    die "Rust $rust_oldest or newer is needed. Install it with:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
}

need_cc() {
    have cc && return
    if may_apt; then
        apt_update
        apt_install gcc libc6-dev && return
    fi
    die "a C compiler (cc) is needed. Install it with:
    sudo apt-get install gcc libc6-dev        # Debian, Ubuntu
    sudo dnf install gcc                      # Fedora"
}

# build_library: asks cargo only when a source has changed since the last time.
# The stamp is as old as the start of that build, so no later change is missed.
# A subshell: the PATH of the caller's command stays as it was.
build_library() (
    stamp=$root/target/built
    if [ -e "$library" ] && [ -e "$stamp" ] && [ -z "$(cd "$root" &&
        find src build.rs Cargo.toml Cargo.lock cbindgen.toml -newer "$stamp" | head -n 1)" ]; then
        exit
    fi
    need_rust
    need_cc
    mkdir -p "$root/target"
    touch "$stamp.new"
    (cd "$root" && cargo build --release --locked --target-dir "$root/target") >&2
    mv "$stamp.new" "$stamp"
)
