# Sourced by scripts/bootstrap and test/run: the Debian packages of packages.txt. Needs $root, the checkout.

# listed_packages SECTION...: the packages of these sections, one a line.
listed_packages() {
  local line section='' wanted=" $* "
  while IFS= read -r line; do
    line=${line%%#*}
    line=${line//[[:space:]]/}
    case $line in
      '') ;;
      '['*']')
        section=${line#[}
        section=${section%]}
        ;;
      *) case $wanted in *" $section "*) printf '%s\n' "$line" ;; esac ;;
    esac
  done <"$root/packages.txt"
}

# missing_packages SECTION...: those of them that are not installed.
missing_packages() {
  local packages
  mapfile -t packages < <(listed_packages "$@")
  # dpkg-query fails for names it does not know and still prints the others.
  comm -23 <(printf '%s\n' "${packages[@]}" | LC_ALL=C sort -u) \
    <(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^ii //p' | LC_ALL=C sort -u)
}

# progress LABEL DONE TOTAL START: one line, rewritten on a terminal; elsewhere a line for every tenth.
progress_last=-1
progress() {
  local label=$1 done=$2 total=$3 seconds=$((SECONDS - $4)) filled bar tenth
  local elapsed=${seconds}s
  if [ "$total" -lt 1 ]; then total=1; fi
  if [ "$seconds" -ge 60 ]; then elapsed=$((seconds / 60))m$((seconds % 60))s; fi
  if [ -t 2 ]; then
    filled=$((done * 20 / total))
    printf -v bar '%*s' "$filled" ''
    printf '\r  %-9s%s%*s %s/%s  %s\033[K' "$label" "${bar// /━}" $((20 - filled)) '' "$done" "$total" "$elapsed" >&2
  else
    tenth=$((done * 10 / total))
    if [ "$tenth" != "$progress_last" ]; then
      printf '  %-9s%3d%%  %s/%s  %s\n' "$label" $((done * 100 / total)) "$done" "$total" "$elapsed" >&2
      progress_last=$tenth
    fi
  fi
}
progress_end() {
  progress_last=-1
  if [ -t 2 ]; then echo >&2; fi
}

# install_packages PACKAGE...: by apt-get, as root, with progress; on failure the end of apt's output and status 1.
install_packages() {
  local log kind percent rest start=$SECONDS total=$# status
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  log=$(mktemp)
  progress packages 0 "$total" "$start"
  if ! DEBIAN_FRONTEND=noninteractive "${apt[@]}" update </dev/null >"$log" 2>&1; then
    # An unreachable extra source is no reason to stop: the install below says what is really missing.
    printf '\n' >>"$log"
  fi
  {
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" -o APT::Status-Fd=3 install --no-install-recommends "$@" \
      </dev/null 3>&1 >>"$log" 2>&1
    printf 'exit:%s\n' "$?"
  } | {
    status=1
    # Status lines: dlstatus:N:PERCENT:..., pmstatus:PACKAGE:PERCENT:...; the second half of the work is unpacking.
    while IFS=: read -r kind rest; do
      case $kind in
        dlstatus | pmstatus)
          percent=${rest#*:}
          percent=${percent%%.*}
          case $percent in '' | *[!0-9]*) continue ;; esac
          if [ "$kind" = dlstatus ]; then percent=$((percent / 2)); else percent=$((50 + percent / 2)); fi
          progress packages $((percent * total / 100)) "$total" "$start"
          ;;
        exit) status=$rest ;;
      esac
    done
    exit "$status"
  }
  status=$?
  progress_end
  if [ "$status" -ne 0 ]; then
    tail -n 20 "$log" >&2
    echo "dlc: the packages could not be installed (apt-get gave status $status); its output: $log" >&2
    return 1
  fi
  rm -f "$log"
}

# need_packages SECTION...: installs what is missing; without root says what to run and gives status 1.
need_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    echo "dlc: this is not a Debian system (no dpkg-query): install what packages.txt lists by your own means." >&2
    return 0
  fi
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then return 0; fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "dlc: ${#missing[@]} Debian packages are missing, and only root can install them. Run:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  install_packages "${missing[@]}"
}
