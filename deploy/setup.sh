#!/usr/bin/env bash
# Set this repository up, and say what is done.  Run it again at any time: it does only what is missing.
#
#   deploy/setup.sh demo   what `make demo` needs: Python 3.11 and a virtual environment
#   deploy/setup.sh test   the tests too: Debian packages (strangers, browser), linters
#   deploy/setup.sh bench  what `make bench` compares with, too: a C compiler, rtpengine
#
# Tried on Debian 12 with nothing but git, make and python3.  Debian packages are installed as root or
# by sudo without a password; where neither is possible, the words say what to ask for.
set -euo pipefail
cd "$(dirname "$0")/.."

PROFILE=${1:-test}
VENV=.venv
LOCK_WAIT_S=120
TRIES=4

# A program or a file that shows whether a package is there, and the package.  libatomic1: Playwright's own
# Node wants it.
TEST_PACKAGES=(
  ip:iproute2 nft:nftables
  dnsmasq:dnsmasq-base linphonec:linphone-cli
  kamailio:kamailio "/usr/lib/*/kamailio/modules/tls.so:kamailio-tls-modules"
  espeak-ng:espeak-ng flite:flite "/usr/lib/*/libspandsp.so.2:libspandsp2"
  sipp:sip-tester baresip:baresip-core /usr/lib/baresip/modules/avcodec.so:baresip-ffmpeg
  chromium:chromium "/usr/lib/*/libatomic.so.1:libatomic1"
  gcc:gcc /usr/include/stdio.h:libc6-dev
  "/usr/lib/postgresql/*/bin/initdb:postgresql-15"
)
BENCH_PACKAGES=(rtpengine:rtpengine-daemon)

say() { printf '== %s\n' "$*"; }
stop() {
  printf '\nSet-up stopped: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# step WORDS COMMAND…: run it with its output in $LOG; a terminal sees the seconds and the last line of it.
step() {
  local words=$1 start=$SECONDS status=0
  shift
  if [[ -t 1 ]]; then
    while :; do
      printf '\r\033[K== %s … %d s  %.48s' "$words" $((SECONDS - start)) "$(tail -n 1 "$LOG")"
      sleep 1
    done &
    TICKER=$!
  else
    say "$words"
  fi
  "$@" >"$LOG" 2>&1 || status=$?
  stop_ticker
  if [[ -t 1 ]]; then printf '\r\033[K== %s' "$words"; else printf '  '; fi
  if ((status == 0)); then printf ' … %d s\n' $((SECONDS - start)); else printf ' … failed\n'; fi
  return "$status"
}
stop_ticker() {
  if [[ -n $TICKER ]]; then
    kill "$TICKER" && wait "$TICKER"
    TICKER=
  fi 2>/dev/null || true
}

# Debian's own goes first: it is built with profile-guided optimisation and needs a sixth less CPU a call
# than one that pyenv builds (docs/measurements.md).
find_python() {
  local candidate
  for candidate in /usr/bin/python3.11 python3.11 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11.*/bin/python3.11; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit(1); print(sys.executable)' 2>/dev/null; then
      return
    fi
  done
  stop "Python 3.11 was not found." \
    "On Debian 12:   apt-get install python3" \
    "Elsewhere:      pyenv install 3.11"
}

# Prints the way to install Debian packages: "", "sudo -n", or nothing with status 1.
as_root() {
  command -v apt-get >/dev/null || return 1
  if ((EUID == 0)); then
    return
  fi
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo "sudo -n"
}

apt() { # apt ARGUMENT…: retried while another program holds the lock, or a mirror is busy
  local try
  for ((try = 1; try <= TRIES; try++)); do
    # shellcheck disable=SC2086  # $ROOT is nothing or two words
    if step "apt-get $*" $ROOT env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes \
      --no-install-recommends -o "DPkg::Lock::Timeout=$LOCK_WAIT_S" -o Acquire::Retries=3 "$@"; then
      return
    fi
    if ((try < TRIES)); then
      say "try $try of $TRIES did not work; again in $((try * 5)) s"
      sleep $((try * 5))
    fi
  done
  tail -n 15 "$LOG" >&2
  stop "apt-get does not work; its last words stand above."
}

install_packages() { # install_packages PACKAGE…
  if ((UPDATED == 0)); then
    apt update
    UPDATED=1
  fi
  apt install "$@"
}

is_there() {
  case $1 in
  /*) compgen -G "$1" >/dev/null ;;
  *) command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 || -x /sbin/$1 ]] ;;
  esac
}

ensure_venv_module() {
  if "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    return
  fi
  if ((HAS_ROOT == 0)); then
    stop "$PYTHON lacks the module venv, and only root may install it." \
      "Ask for:   apt-get install python3.11-venv"
  fi
  install_packages python3.11-venv
}

ensure_test_packages() {
  local entry missing=()
  for entry in "${TEST_PACKAGES[@]}"; do
    is_there "${entry%:*}" || missing+=("${entry##*:}")
  done
  if ((${#missing[@]} == 0)); then
    return
  fi
  if ((HAS_ROOT)); then
    install_packages "${missing[@]}"
  elif [[ ${CI:-} == true ]]; then
    stop "these Debian packages are missing, and there is neither root nor sudo: ${missing[*]}"
  else
    say "Missing, and only root may install them: ${missing[*]}"
    say "The tests that need them will be skipped.  To run them all:"
    say "  sudo apt-get install --no-install-recommends ${missing[*]}"
  fi
}

ensure_venv() { # ensure_venv EXTRAS: again only when pyproject.toml or the Python changed
  local wanted stamp
  wanted="$(sha256sum pyproject.toml | cut -d' ' -f1) $("$PYTHON" -VV | tr '\n' ' ')$PWD"
  for stamp in "$VENV/.set-up-$PROFILE" "$VENV/.set-up-test"; do
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
      return
    fi
  done
  if [[ ! -w . || (-e $VENV && ! -w $VENV) ]]; then
    stop "you may not write to $VENV in this folder; it belongs to another user." \
      "Run this as that user, or clone the repository for yourself."
  fi
  if [[ $("$VENV/bin/python" -c 'import pip, sys; print(sys.version)' 2>/dev/null) != \
    "$("$PYTHON" -c 'import sys; print(sys.version)')" ]]; then
    rm -rf "$VENV"
    step "a virtual environment in $VENV, with $PYTHON" "$PYTHON" -m venv "$VENV" || show_log_and_stop \
      "Python could not make a virtual environment; its last words stand above."
  fi
  step "pip install --editable .[$1]" \
    "$VENV/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off \
    --root-user-action ignore --retries 5 --timeout 30 --editable ".[$1]" || show_log_and_stop \
    "pip could not install the Python packages; its last words stand above." \
    "No way to PyPI?   Name a mirror by PIP_INDEX_URL, or a folder of packages by PIP_FIND_LINKS."
  printf '%s' "$wanted" >"$VENV/.set-up-$PROFILE"
}
show_log_and_stop() {
  tail -n 15 "$LOG" >&2
  stop "$@"
}

case $PROFILE in
demo | test) ;;
bench) TEST_PACKAGES+=("${BENCH_PACKAGES[@]}") ;;
*) stop "there is no profile $PROFILE: give demo, test or bench" ;;
esac
UPDATED=0
HAS_ROOT=0
ROOT=
if ROOT=$(as_root); then
  HAS_ROOT=1
fi
TICKER=
LOG=$(mktemp)
trap 'stop_ticker; rm -f "$LOG"' EXIT

PYTHON=$(find_python)
ensure_venv_module
if [[ $PROFILE == demo ]]; then
  ensure_venv sim
else
  ensure_test_packages
  ensure_venv sim,dev
fi
if [[ $PROFILE == bench && -d /run/systemd/system ]] && systemctl --quiet is-active rtpengine-daemon; then
  say "Debian started rtpengine as a service; the benches run their own: systemctl disable --now rtpengine-daemon"
fi
if ((SECONDS)); then say "set up for make $PROFILE in $SECONDS s"; fi
