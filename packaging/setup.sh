# Prepares CT Studio on this machine; sourced by run and test, never run by itself.
#
#   setup EXTRA [SYSTEM PACKAGE ...]
#
# makes .venv beside this folder with CT Studio and the given extra of pyproject.toml in it, and
# looks after the Debian packages. When everything is in place already it returns at once, and
# needs no network. It tells what it does on stderr, so that stdout stays the program's own.
#
# To take packages from elsewhere, use pip's own variables and files: PIP_INDEX_URL,
# PIP_FIND_LINKS and so on.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV="$ROOT/.venv"
PYTHON="$VENV/bin/python"
CONSTRAINTS="$ROOT/packaging/constraints.txt"
STAMP="$VENV/.ctstudio-complete"
MAKING="$VENV/.ctstudio-making"
# Packages that apt-get could not give; asked for again after a day. (.cache is not under version
# control.)
UNAVAILABLE="$ROOT/.cache/unavailable-packages"

# What Qt loads for a window under X11 and Wayland.
QT_PACKAGES=(
  libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libxcb-cursor0
  libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxcb-xinerama0 libxcb-image0
  libxcb-render-util0 libxcb-randr0 libglib2.0-0
)
# Independent DICOM programs and a virtual screen, for tests.
TEST_PACKAGES=(dicom3tools dcmtk xvfb xauth)

say() { printf 'ctstudio: %s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------- Debian packages

# Print which of the given packages are not installed (nothing where there is no dpkg).
missing_packages() {
  has dpkg-query || return 0
  # Debian 13 and Ubuntu 24.04 renamed some libraries, with "t64" at the end.
  dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "$@" "${@/%/t64}" 2>/dev/null |
    awk -v wanted="$*" '
      $1 ~ /^.i/ { sub(/t64$/, "", $NF); installed[$NF] = 1 }
      END {
        count = split(wanted, names, " ")
        for (i = 1; i <= count; i++) if (!(names[i] in installed)) print names[i]
      }'
}

# Print the words that run a command as root without asking; fail where there is no such way.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    echo env
  elif has sudo && sudo -n true 2>/dev/null; then
    echo sudo -n
  else
    return 1
  fi
}

# Install Debian packages. Never fatal: CT Studio may well work without one of them.
install_packages() {
  local root_words package
  local -a root
  if ! has apt-get; then
    say "these libraries seem to be missing; install them with your package manager: $*"
    return 1
  fi
  if ! root_words=$(as_root); then
    say "some system packages are missing. This line installs them:"
    say "    sudo apt-get update && sudo apt-get install -y $*"
    return 1
  fi
  read -ra root <<<"$root_words"
  root+=(env DEBIAN_FRONTEND=noninteractive)
  say "installing $# system package(s): $*"
  "${root[@]}" apt-get update -qq >/dev/null || say "apt-get update failed; going on with its older lists"
  if "${root[@]}" apt-get install -qq -y --no-install-recommends "$@" >/dev/null; then
    return 0
  fi
  # One unknown name makes apt-get refuse them all.
  for package in "$@"; do
    if ! "${root[@]}" apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1; then
      say "could not install $package; going on without it"
      { mkdir -p -- "$ROOT/.cache" && echo "$package" >>"$UNAVAILABLE"; } 2>/dev/null || true
    fi
  done
}

system_packages() {
  local -a missing
  if ! has dpkg-query; then
    # Not Debian: say it once, when the environment is made.
    [ -f "$STAMP" ] || say "not a Debian system; Qt needs the libraries that Debian calls: $*"
    return 0
  fi
  if [ -n "$(find "$UNAVAILABLE" -mmin -1440 2>/dev/null)" ]; then
    mapfile -t missing < <(missing_packages "$@" | grep -vxF -f "$UNAVAILABLE")
  else
    rm -f -- "$UNAVAILABLE" 2>/dev/null || true
    mapfile -t missing < <(missing_packages "$@")
  fi
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || true
}

# ---------------------------------------------------------------- Python

# Print the first Python that is new enough and runs (a name on the PATH may be a dead shim).
find_python() {
  local name
  for name in python3.11 python3.12 python3.13 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      "$name" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

can_make_environments() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

require_python() {
  SYSTEM_PYTHON=$(find_python) || {
    has apt-get && as_root >/dev/null && install_packages python3 python3-venv
    SYSTEM_PYTHON=$(find_python) ||
      fail "CT Studio needs Python 3.11 or newer, and there is none. On Debian 12 or newer:" \
        "sudo apt-get install -y python3 python3-venv"
  }
  if ! can_make_environments "$SYSTEM_PYTHON"; then
    has apt-get && as_root >/dev/null && install_packages python3-venv
    can_make_environments "$SYSTEM_PYTHON" ||
      fail "$SYSTEM_PYTHON lacks the venv module. On Debian: sudo apt-get install -y python3-venv"
  fi
}

# ---------------------------------------------------------------- the environment

fingerprint() {
  # The folder belongs to it: an environment does not survive being moved.
  { printf '%s\n' "$ROOT"; cat "$ROOT/pyproject.toml" "$CONSTRAINTS"; } | sha256sum | cut -d' ' -f1
}

# Whether .venv is complete for the extra; dev contains test.
is_complete() {
  local extra=$1 print=$2 had_print had_extra
  [ -f "$STAMP" ] && [ ! -e "$MAKING" ] || return 1
  read -r had_print had_extra <"$STAMP" || return 1
  [ "$had_print" = "$print" ] || return 1
  [ "$had_extra" = "$extra" ] || [ "$had_extra" = dev ] || return 1
  "$PYTHON" -I -S -c '' >/dev/null 2>&1
}

# Whether .venv can be built upon: nothing was broken off in it, and it has lived here always.
is_sound() {
  [ ! -e "$MAKING" ] &&
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 &&
    "$PYTHON" -m pip --version >/dev/null 2>&1 &&
    grep -qF -- "$VENV" "$VENV/bin/activate" 2>/dev/null
}

pip_quietly() {
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_ROOT_USER_ACTION=ignore \
    "$PYTHON" -m pip install -qq -c "$CONSTRAINTS" "$@" 1>&2
}

pip_install() {
  if ! pip_quietly "$@"; then
    # pip leaves no half package when it fails by itself: what is there can be built upon.
    rm -f -- "$MAKING"
    fail "pip could not install CT Studio's packages (its words are above)." \
      "If the network was away, run this again."
  fi
}

# PyTorch with its pinned version. PyPI's build for Linux brings gigabytes of NVIDIA's libraries; on
# a machine without such a GPU, PyTorch's own index has a build that does without them. It is asked
# where the user named no index of their own and it can be reached.
install_torch() {
  local torch cpu_index=https://download.pytorch.org/whl/cpu
  torch=$(grep -m1 '^torch==' "$CONSTRAINTS")
  say "installing $torch (the largest part: minutes on a slow network)"
  if [ "$(uname -s)" = Linux ] && [ ! -e /dev/nvidia0 ] && ! has nvidia-smi &&
    ! "$PYTHON" -m pip config list | grep -E 'index|find-links' >/dev/null &&
    "$PYTHON" -c "import urllib.request as u; u.urlopen('$cpu_index/torch/', timeout=3)" 2>/dev/null
  then
    pip_quietly --extra-index-url "$cpu_index" "$torch" && return 0
  fi
  pip_install "$torch"
}

make_environment() {
  local extra=$1 print=$2
  if ! is_sound; then
    require_python
    if [ -e "$VENV" ] || [ -L "$VENV" ]; then
      say "the environment in .venv is incomplete or broken; making it anew"
      rm -rf -- "$VENV"
    else
      say "making a Python environment in .venv with $SYSTEM_PYTHON"
    fi
    mkdir -p -- "$VENV"
    : >"$MAKING"
    "$SYSTEM_PYTHON" -m venv "$VENV" || fail "could not make the environment in $VENV"
  fi
  rm -f -- "$STAMP"
  : >"$MAKING"
  install_torch
  say "installing CT Studio and what it needs"
  pip_install setuptools
  pip_install --no-build-isolation -e "$ROOT[$extra]"
  printf '%s %s\n' "$print" "$extra" >"$STAMP.new"
  mv -f -- "$STAMP.new" "$STAMP"
  rm -f -- "$MAKING"
  say "ready"
}

interrupted() {
  trap - INT TERM
  say "interrupted; start it again to go on"
  exit 130
}

setup() {
  local extra=$1 print
  shift
  trap interrupted INT TERM
  system_packages "$@"
  print=$(fingerprint)
  if ! is_complete "$extra" "$print"; then
    [ -w "$ROOT" ] || fail "cannot write to $ROOT; copy CT Studio to a folder of your own."
    # Two starts at once must not build in the same folder.
    if has flock && mkdir -p -- "$ROOT/.cache" && : >>"$ROOT/.cache/setup.lock"; then
      exec 9>"$ROOT/.cache/setup.lock"
      flock -n 9 || { say "waiting for another setup to finish"; flock 9; }
    fi
    is_complete "$extra" "$print" || make_environment "$extra" "$print"
    { exec 9>&-; } 2>/dev/null || true
  fi
  trap - INT TERM
}

has_screen() {
  [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ]
}
