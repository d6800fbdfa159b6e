#!/bin/sh
# Installs node_exporter (:9100) and Prometheus (:9090), or the exporter alone, as systemd services that start at boot.
#
# For Debian, Ubuntu and Amazon Linux, on amd64 and arm64. The distribution's packages are taken where it has them, else
# the projects' own release archives, pinned by SHA-256. Running it again changes nothing that is in place already.
#
# By hand:  sudo sh setup-monitoring.sh [all|exporter]
# The actuator sends this file over SSM as a document without parameters. For `actuator.monitoring.install: exporter` there
# is another document, in which the next assignment says so.

set -eu

INSTALL=all

NODE_EXPORTER_VERSION=1.8.2
NODE_EXPORTER_SHA256_amd64=6809dd0b3ec45fd6e992c19071d6b5253aed3ead7bf0686885a51d85c6643c66
NODE_EXPORTER_SHA256_arm64=627382b9723c642411c33f48861134ebe893e70a63bcc8b3fc0619cd0bfac4be
PROMETHEUS_VERSION=2.53.1
PROMETHEUS_SHA256_amd64=2234aa0f66d9f9b854144f6faaaed72a316df7a680d9dad7cb48e49a6fa5332c
PROMETHEUS_SHA256_arm64=a7f28c83c3c943b953a9d00860bd3f2422464fb7c27a3c4037ef1ce2a41592b5

say() {
    printf 'setup-monitoring: %s\n' "$*"
}

fail() {
    printf 'setup-monitoring: %s\n' "$*" >&2
    exit 1
}

# What a URL answers, on stdout; fails when it does not answer.
fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --connect-timeout 10 --max-time 300 "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget -qO- --tries=3 --timeout=30 "$1"
    else
        fail "neither curl nor wget is here; install one of them"
    fi
}

systemd_runs() {
    [ -d /run/systemd/system ]
}

# A Prometheus that is here already is left alone when it is not asked for.
prometheus_too() {
    [ "$install" = all ]
}

enable_service() {
    systemctl enable "$1" >/dev/null 2>&1 || fail "cannot enable $1 at boot"
    if systemd_runs; then
        systemctl start "$1" || fail "cannot start $1; see journalctl -u $1"
        say "$1 is running and enabled at boot"
    else
        say "$1 is enabled at boot; systemd does not run here, so it was not started"
    fi
}

wait_for() {
    tries=30
    while [ "$tries" -gt 0 ]; do
        if fetch "$2" >/dev/null 2>&1; then
            say "$1 answers at $2"
            return 0
        fi
        tries=$((tries - 1))
        sleep 1
    done
    fail "$1 does not answer at $2 after 30 s; is the port taken by something else?"
}

# stays_up SERVICE: a second exporter on a taken port dies and is started again, for ever, while the first one answers.
stays_up() {
    seen=$(systemctl show --property=NRestarts "$1")
    checks=4
    while [ "$checks" -gt 0 ]; do
        sleep 2
        if ! systemctl is-active --quiet "$1" || [ "$(systemctl show --property=NRestarts "$1")" != "$seen" ]; then
            fail "$1 does not stay up although its port answers; does another program hold the port? see journalctl -u $1"
        fi
        checks=$((checks - 1))
    done
}

# --- Debian and Ubuntu: packages -------------------------------------------------------------------------------------

install_packages() {
    missing=
    packages=prometheus-node-exporter
    ! prometheus_too || packages="$packages prometheus"
    for package in $packages; do
        if dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$'; then
            say "package $package is installed already"
        else
            missing="$missing $package"
        fi
    done
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    # Right after a boot unattended-upgrades may hold the lock.
    apt-get -o DPkg::Lock::Timeout=300 update -qq || say "apt-get update failed; trying with the lists that are here"
    # shellcheck disable=SC2086 # a list of package names
    if apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null; then
        say "installed packages:$missing"
    else
        return 1
    fi
}

# --- Elsewhere: release archives -------------------------------------------------------------------------------------

# install_release PROJECT VERSION SHA256 BINARY...
install_release() {
    project=$1 version=$2 sha256=$3
    shift 3
    if [ -x "/usr/local/bin/$project" ] &&
        "/usr/local/bin/$project" --version 2>&1 | grep -q "version $version "; then
        say "$project $version is installed already"
        return 0
    fi
    name="$project-$version.linux-$arch"
    say "downloading $name"
    fetch "https://github.com/prometheus/$project/releases/download/v$version/$name.tar.gz" >"$scratch/$name.tar.gz" ||
        fail "cannot download $name.tar.gz from github.com; does the instance reach the internet?"
    printf '%s  %s\n' "$sha256" "$scratch/$name.tar.gz" | sha256sum -c - >/dev/null 2>&1 ||
        fail "$name.tar.gz does not have the expected SHA-256; nothing of it was installed"
    tar -xzf "$scratch/$name.tar.gz" -C "$scratch"
    for binary in "$@"; do
        # In place by rename: a running binary can't be written over.
        install -m 0755 "$scratch/$name/$binary" "/usr/local/bin/.$binary.new"
        mv -f "/usr/local/bin/.$binary.new" "/usr/local/bin/$binary"
    done
    restart="$restart $project.service"
    say "installed $project $version in /usr/local/bin"
}

ensure_user() {
    if ! id "$1" >/dev/null 2>&1; then
        useradd --system --no-create-home --shell /usr/sbin/nologin "$1"
        say "created the system user $1"
    fi
}

# write_file PATH: stdin becomes the file, if it differs.
write_file() {
    cat >"$scratch/file"
    if cmp -s "$scratch/file" "$1"; then
        return 0
    fi
    install -D -m 0644 "$scratch/file" "$1"
    say "wrote $1"
    restart="$restart ${2:-}"
}

install_archives() {
    if [ "$arch" = amd64 ]; then
        node_exporter_sha256=$NODE_EXPORTER_SHA256_amd64 prometheus_sha256=$PROMETHEUS_SHA256_amd64
    else
        node_exporter_sha256=$NODE_EXPORTER_SHA256_arm64 prometheus_sha256=$PROMETHEUS_SHA256_arm64
    fi
    exporter_from_archive
    ! prometheus_too || prometheus_from_archive
    if systemd_runs; then
        systemctl daemon-reload
        for service in $restart; do
            systemctl try-restart "$service"
        done
    fi
}

exporter_from_archive() {
    ensure_user node_exporter
    install_release node_exporter "$NODE_EXPORTER_VERSION" "$node_exporter_sha256" node_exporter
    write_file /etc/systemd/system/node_exporter.service node_exporter.service <<'UNIT'
[Unit]
Description=Prometheus exporter for machine metrics
After=network-online.target
Wants=network-online.target

[Service]
User=node_exporter
ExecStart=/usr/local/bin/node_exporter --web.listen-address=:9100
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
UNIT
}

prometheus_from_archive() {
    ensure_user prometheus
    install -d -m 0755 -o prometheus -g prometheus /var/lib/prometheus
    install_release prometheus "$PROMETHEUS_VERSION" "$prometheus_sha256" prometheus promtool
    write_file /etc/systemd/system/prometheus.service prometheus.service <<'UNIT'
[Unit]
Description=Prometheus
After=network-online.target
Wants=network-online.target

[Service]
User=prometheus
ExecStart=/usr/local/bin/prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/var/lib/prometheus --storage.tsdb.retention.time=15d --web.listen-address=:9090
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
UNIT
    if [ -e /etc/prometheus/prometheus.yml ]; then
        say "kept /etc/prometheus/prometheus.yml"
    else
        write_file /etc/prometheus/prometheus.yml prometheus.service <<'YAML'
global:
  scrape_interval: 15s
scrape_configs:
  - job_name: node
    static_configs:
      - targets: [localhost:9100]
YAML
    fi
}

# ---------------------------------------------------------------------------------------------------------------------

install=${1:-$INSTALL}
case $install in
all | exporter) ;;
*) fail "unknown argument $install; write all (node_exporter and Prometheus) or exporter (node_exporter alone)" ;;
esac
[ "$(id -u)" -eq 0 ] || fail "run it as root (sudo sh setup-monitoring.sh)"
command -v systemctl >/dev/null 2>&1 || fail "this machine has no systemd"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) fail "unknown architecture $(uname -m); amd64 and arm64 are supported" ;;
esac
[ -r /etc/os-release ] || fail "no /etc/os-release: cannot tell the distribution"
# shellcheck source=/dev/null
distribution=$(. /etc/os-release && printf '%s %s' "${ID:-}" "${ID_LIKE:-}")

# Two at a time would fight over the same files; the second waits for the first.
if [ "${SETUP_MONITORING_LOCKED:-}" != 1 ] && command -v flock >/dev/null 2>&1 && [ -f "$0" ]; then
    SETUP_MONITORING_LOCKED=1
    export SETUP_MONITORING_LOCKED
    exec flock -w 600 /run/setup-monitoring.lock sh "$0" "$install"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
restart=

# Whoever set them up, by hand or with another script: what works stays as it is.
if systemd_runs && fetch http://localhost:9100/metrics >/dev/null 2>&1 &&
    { ! prometheus_too || fetch http://localhost:9090/-/ready >/dev/null 2>&1; }; then
    services="prometheus-node-exporter.service node_exporter.service"
    if prometheus_too; then
        say "node_exporter answers on :9100 and prometheus on :9090 already"
        services="$services prometheus.service"
    else
        say "node_exporter answers on :9100 already"
    fi
    for service in $services; do
        if systemctl cat "$service" >/dev/null 2>&1; then
            enable_service "$service"
            stays_up "$service"
        fi
    done
    say "done"
    exit 0
fi

case " $distribution " in
*" debian "* | *" ubuntu "*)
    if install_packages; then
        exporter=prometheus-node-exporter.service
    else
        say "the distribution's packages can't be installed; taking the release archives"
        install_archives
        exporter=node_exporter.service
    fi
    ;;
*" amzn "*)
    # Amazon Linux has no package of either.
    install_archives
    exporter=node_exporter.service
    ;;
*) fail "unknown distribution ($distribution); Debian, Ubuntu and Amazon Linux are supported" ;;
esac

enable_service "$exporter"
! prometheus_too || enable_service prometheus.service
if systemd_runs; then
    wait_for node_exporter http://localhost:9100/metrics
    ! prometheus_too || wait_for prometheus http://localhost:9090/-/ready
    stays_up "$exporter"
    ! prometheus_too || stays_up prometheus.service
fi
say "done"
