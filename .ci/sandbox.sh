#!/usr/bin/env bash
# The hospital sandbox in containers (docker-compose.yml, docs/sandbox.md).
# Usage: sandbox.sh build | up | down | test
#
# Builds work without a registry of images: the Debian bases are then made with debootstrap.
# Packages come to the builds through this machine's pip, whatever index it is told to use.
# Environment: COMPOSE (the command), CXR_WHEELS (a folder of wheels), PIP_ARGS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cd "$root"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cxr-node
work=$(mktemp -d)
engine="" # process id of the engine that this script started
serving=""

finish() {
    [[ -z $serving ]] || kill "$serving" 2>/dev/null || true
    if [[ -n $engine ]]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    rm -rf "$work"
}

say() { echo "$1 (${SECONDS} s)"; }

# A Docker engine that answers: the one that runs, or one started here (root only).
start_engine() {
    docker info >/dev/null 2>&1 && compose version >/dev/null 2>&1 && return
    "$here/apt.sh" docker.io docker-compose
    docker info >/dev/null 2>&1 && return
    if ((EUID != 0)); then
        echo "No Docker engine answers, and only root may start one." >&2
        return 1
    fi
    setsid dockerd >"$cache/dockerd.log" 2>&1 </dev/null &
    engine=$!
    local try
    for try in $(seq 60); do
        docker info >/dev/null 2>&1 && { say "Docker engine started"; return; }
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$cache/dockerd.log" >&2
    return 1
}

compose() {
    if [[ -n ${COMPOSE:-} ]]; then
        $COMPOSE "$@"
    elif docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        docker-compose "$@"
    fi
}

# The base image of a suite: here already, from a registry, or made of Debian's packages.
base() {
    local suite=$1 image=debian:$1-slim tarball
    docker image inspect "$image" >/dev/null 2>&1 && return
    timeout 60 docker pull --quiet "$image" >/dev/null 2>&1 && return
    tarball=$("$here/debian-base.sh" "$suite")
    mkdir "$work/$suite"
    tar -xf "$tarball" -C "$work/$suite" \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./dev/*' \
        --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*'
    # As in the published slim images: no service starts, no manuals, no archives kept.
    printf '#!/bin/sh\nexit 101\n' >"$work/$suite/usr/sbin/policy-rc.d"
    chmod 755 "$work/$suite/usr/sbin/policy-rc.d"
    printf 'path-exclude=/usr/share/%s/*\n' doc man locale info \
        >"$work/$suite/etc/dpkg/dpkg.cfg.d/slim"
    echo 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };' \
        >"$work/$suite/etc/apt/apt.conf.d/slim"
    tar -C "$work/$suite" --numeric-owner -cf - . |
        docker import --change 'CMD ["bash"]' - "$image" >/dev/null
    rm -rf "${work:?}/$suite"
    say "$image made"
}

# Every package that the images hold, for the Python of Debian 12, and the viewer.
fetch() {
    local python=python3 wheels=${CXR_WHEELS:-$cache/wheels}
    [[ -x .venv/bin/python ]] && python=.venv/bin/python
    mkdir -p "$wheels"
    "$python" - >"$work/wanted" <<'END'
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
# Of redis, where Python is older than 3.11.3.
print(*project["dependencies"], *extras["celery"], *extras["model"], sep="\n")
print("async-timeout", "setuptools>=77", sep="\n")
END
    # shellcheck disable=SC2086  # PIP_ARGS is a list of words
    download() {
        "$python" -m pip --disable-pip-version-check download -qq --retries 5 \
            --only-binary=:all: --python-version=3.11 --dest "$wheels" \
            --constraint .ci/constraints.txt ${PIP_ARGS:-} "$@" 2>"$work/pip.log"
    }
    # Torch for the CPU; the ordinary one brings gigabytes of CUDA.
    local torch
    torch=$(sed -n 's/^torch==//p' .ci/constraints.txt)
    { ls "$wheels"/torch-"$torch"* >/dev/null 2>&1 || download --no-deps "torch==$torch+cpu" ||
        download --no-deps "torch==$torch" --index-url https://download.pytorch.org/whl/cpu; } &&
        download --find-links "$wheels" --requirement "$work/wanted" || {
        grep -v '^WARNING' "$work/pip.log" | tail -n 20 >&2
        return 1
    }
    ln -sfn "$wheels" "$work/wheels"
    say "packages fetched"
}

# On the same port whenever it is free: the address is part of what the builds' cache goes by.
serve() {
    local port try
    for port in 18042 0; do
        (cd "$work" && exec python3 -u -m http.server --bind 127.0.0.1 "$port") \
            >"$work/served" 2>/dev/null &
        serving=$!
        for try in $(seq 100); do
            address=$(sed -n 's#.*(\(http://[^)]*\)/).*#\1#p' "$work/served")
            [[ -n $address ]] && return
            kill -0 "$serving" 2>/dev/null || break
            sleep 0.1
        done
    done
    return 1
}

image() {
    local name=$1 file=$2
    shift 2
    DOCKER_BUILDKIT=0 docker build --network host --target "$name" --file "$file" \
        --tag "cxr-node/$name:0.1" "$@" . >"$work/$name.log" 2>&1 || {
        tail -n 30 "$work/$name.log" >&2
        return 1
    }
    say "image $name built"
}

build() {
    local found=0 job
    local jobs=()
    { base bookworm && image broker workers/containers/servers.Dockerfile &&
        image database workers/containers/servers.Dockerfile; } &
    jobs+=($!)
    { base trixie && image pacs orthanc/Dockerfile && image front orthanc/Dockerfile; } &
    jobs+=($!)
    fetch
    serve
    wait "${jobs[0]}"
    local pip=(--build-arg "PIP_FIND_LINKS=$address/wheels/" --build-arg PIP_NO_INDEX=1)
    image node workers/Dockerfile "${pip[@]}"
    image worker workers/Dockerfile "${pip[@]}"
    for job in "${jobs[@]:1}"; do wait "$job" || found=1; done
    ((found == 0)) || return 1
    docker images --format '{{.Repository}}: {{.Size}}' 'cxr-node/*' | sort
}

case ${1:-} in
build | up | down | test) ;;
*)
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
    ;;
esac

up() {
    build
    compose up --detach --no-build --remove-orphans
    local page=http://127.0.0.1:${CXR_PAGE_PORT:-8080}/
    echo "The sandbox is up: $page (make sandbox-down ends it and deletes its data)"
    keep_engine
}

# Only what this script started may end with it.
keep_engine() {
    [[ -z $engine ]] || echo "$engine" >"$cache/dockerd.pid"
    engine=""
}

down() {
    compose --profile gpu down --volumes --remove-orphans
    if [[ -s $cache/dockerd.pid ]]; then
        kill "$(cat "$cache/dockerd.pid")" 2>/dev/null || true
        rm -f "$cache/dockerd.pid"
    fi
}

check() {
    build
    local found=0
    # shellcheck disable=SC2086  # ARGS is a list of words
    .venv/bin/pytest -s tests/compose ${ARGS:-} || found=$?
    # An engine that `sandbox.sh build` left running for this test ends with it.
    if [[ -s $cache/dockerd.pid && -z $(docker ps --quiet) ]]; then
        engine=$(cat "$cache/dockerd.pid")
        rm -f "$cache/dockerd.pid"
    fi
    return "$found"
}

mkdir -p "$cache"
trap finish EXIT
start_engine
case $1 in
build) build && keep_engine ;;
up) up ;;
down) down ;;
test) check ;;
esac
