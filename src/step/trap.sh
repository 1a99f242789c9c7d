# What bash reads before a step's script (BASH_ENV): it writes down which command ended the script, and where.
#
# Lines in front of this file set __ovenbird_dir (the step's private folder), __ovenbird_script (the script's path),
# __ovenbird_next (the user's own BASH_ENV, or nothing), __ovenbird_wrap (whether the script sets or lists traps that
# ours must live with) and __ovenbird_errtrace (whether the script turns `set -E` on itself).
# Everything here must work under any `set` and `shopt` that a script can choose, and must not change what it does.

# A program that the script starts reads none of this: only the script itself is watched.
if [[ $0 == "$__ovenbird_script" ]]; then
  if [[ -n $__ovenbird_next ]]; then export BASH_ENV="$__ovenbird_next"; else unset BASH_ENV; fi
  __ovenbird_over=
  __ovenbird_err_set=
  __ovenbird_err_code=
  __ovenbird_err_depth=0
  __ovenbird_err_level=0
  __ovenbird_err_function=

  # Appends one record: kind, subshell level, exit status, shell flags, PIPESTATUS, command, and the stack from the inside
  # to the outside as line, file and function. After the shell's last command only traps run: they are not the cause.
  # An X among the flags says that an EXIT trap was set. skip: how many frames are ours.
  __ovenbird_record() { # kind skip status command pipestatus…
    [[ -n $__ovenbird_over ]] && builtin return 0
    local kind=$1 skip=$2 status=$3 command=$4 flags=$- mode=append pipe= element frames=() i
    builtin shift 4
    for element in "$@"; do pipe+="$element "; done
    for ((i = skip; i < ${#BASH_SOURCE[@]} && i < skip + 50; i++)); do
      frames+=("${BASH_LINENO[i - 1]}" "${BASH_SOURCE[i]}" "${FUNCNAME[i]}")
    done
    if [[ $kind == exit || $- == *e* ]]; then
      if ((BASH_SUBSHELL == 0)); then
        [[ -n $(builtin trap -p EXIT) ]] && flags+=X
        __ovenbird_over=1
      fi
    elif ((BASH_SUBSHELL == 0)); then
      # The shell goes on, so what came before it does not matter any more; the file stays small.
      mode=replace
    fi
    if [[ $mode == append ]]; then
      builtin printf '%s\0' "$kind" "$BASH_SUBSHELL" "$status" "$flags" "$pipe" "${command:0:2000}" "${#frames[@]}" \
        "${frames[@]}" >>"$__ovenbird_dir/.ovenbird-record"
    else
      builtin printf '%s\0' "$kind" "$BASH_SUBSHELL" "$status" "$flags" "$pipe" "${command:0:2000}" "${#frames[@]}" \
        "${frames[@]}" >|"$__ovenbird_dir/.ovenbird-record"
    fi
  } 2>/dev/null

  # The ERR trap's first command. Its status decides whether the script's own ERR trap runs, which then finds its `$?`:
  # without `set -E` of the script's own, bash would not have run it in functions and subshells.
  __ovenbird_err() { # status command pipestatus…
    __ovenbird_record err 2 "$@"
    [[ -z $__ovenbird_err_set ]] && builtin return 0
    if [[ -z $__ovenbird_errtrace ]]; then
      ((BASH_SUBSHELL == __ovenbird_err_level)) || builtin return 0
      local depth
      __ovenbird_depth
      ((depth <= __ovenbird_err_depth)) || builtin return 0
      ((depth < __ovenbird_err_depth || depth == 0)) || [[ ${FUNCNAME[1]-} == "$__ovenbird_err_function" ]] ||
        builtin return 0
    fi
    builtin return "$1"
  }

  # How many functions the caller of our caller is in.
  __ovenbird_depth() {
    local name
    depth=-2
    for name in "${FUNCNAME[@]}"; do
      [[ $name == source || $name == main ]] || depth=$((depth + 1))
    done
    builtin return 0
  }

  __ovenbird_arm() {
    builtin trap -- 'if __ovenbird_err "$?" "$BASH_COMMAND" "${PIPESTATUS[@]}"; then :; else '"$__ovenbird_err_code"'
:; fi' ERR
  }

  # No ERR trap and no message tells where a script called `exit`.
  exit() {
    local __ovenbird_status=$?
    if (($# == 0)); then
      ((__ovenbird_status == 0)) || __ovenbird_record exit 2 "$__ovenbird_status" "exit"
      builtin exit "$__ovenbird_status"
    fi
    [[ $1 =~ ^0*$ || $# -gt 1 ]] || __ovenbird_record exit 2 "$1" "exit $1"
    builtin exit "$@"
  }

  if [[ -n $__ovenbird_wrap ]]; then
    # As the builtin, but that an ERR trap is the script's part of ours.
    trap() {
      local signal others=() err= depth
      case ${1-} in
        -l* | -P*) builtin trap "$@"; builtin return ;;
        '' | -p*)
          if (($# == 0)) || [[ $1 == -p* ]]; then
            (($# > 0)) && builtin shift
            (($# == 0)) && err=1
            for signal in "$@"; do
              case $signal in [Ee][Rr][Rr]) err=1 ;; *) others+=("$signal") ;; esac
            done
            if (($# == 0)); then
              __ovenbird_list
            elif ((${#others[@]} > 0)); then
              builtin trap -p "${others[@]}"
            fi
            if [[ -n $err && -n $__ovenbird_err_set ]]; then
              builtin printf "trap -- '%s' ERR\n" "${__ovenbird_err_code//\'/\'\\\'\'}"
            fi
            builtin return 0
          fi
          ;;
      esac
      local action=$1
      if [[ $action == -- ]]; then builtin shift; action=${1-}; fi
      if (($# == 1)); then action=-; else builtin shift; fi
      for signal in "$@"; do
        case $signal in [Ee][Rr][Rr]) err=1 ;; *) others+=("$signal") ;; esac
      done
      if [[ -n $err ]]; then
        if [[ $action == - ]]; then
          __ovenbird_err_set= __ovenbird_err_code=
        else
          __ovenbird_depth
          __ovenbird_err_set=1 __ovenbird_err_code=$action
          __ovenbird_err_depth=$depth __ovenbird_err_level=$BASH_SUBSHELL __ovenbird_err_function=${FUNCNAME[1]-}
        fi
        __ovenbird_arm
        ((${#others[@]} > 0)) || builtin return 0
      fi
      # Last, so that a DEBUG trap set here sees no command of ours.
      builtin trap -- "$action" "${others[@]}"
    }

    # All traps but ours.
    __ovenbird_list() {
      local line skip=
      while IFS= builtin read -r line; do
        if [[ $line == "trap -- 'if __ovenbird_err "* ]]; then
          skip=1
        elif [[ $line == "trap -- "* ]]; then
          skip=
        fi
        [[ -n $skip ]] || builtin printf '%s\n' "$line"
      done <<<"$(builtin trap -p)"
    }
  fi

  builtin set -E
  __ovenbird_arm
fi
if [[ -n $__ovenbird_next && -r $__ovenbird_next ]]; then . "$__ovenbird_next"; fi
