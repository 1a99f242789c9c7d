# Runs commands one after the other. Standard input: a boundary on the first line, then one command a line, escaped for
# `printf %b`. Frames as of probe.sh: `out` and `status-N` on standard output, `err` on standard error; `end` on both closes
# a command, and on standard output says that the next one begins. POSIX shell only, and nothing that commands inherit.
# A command has ended when nobody holds its output any more, as with goss.
IFS= read -r ovenbird_boundary
exec 3>&1
ovenbird_i=0
printf '\n%s 0 end\n' "$ovenbird_boundary"
while IFS= read -r ovenbird_text; do
  case $ovenbird_text in *\\*) ovenbird_text=$(printf '%bx' "$ovenbird_text"); ovenbird_text=${ovenbird_text%x};; esac
  ovenbird_i=$((ovenbird_i + 1))
  printf '\n%s %s out\n' "$ovenbird_boundary" $ovenbird_i
  printf '\n%s %s err\n' "$ovenbird_boundary" $ovenbird_i >&2
  # 3: standard output; 4: the status; 5: the pipe of standard error. What this shell says of a signal goes nowhere.
  ovenbird_status=$({
    {
      {
        sh -c "$ovenbird_text" </dev/null 2>&5 3>&- 4>&- 5>&-
        echo $? >&4
      } 2>/dev/null | cat >&3 4>&- 5>&-
    } 5>&1 | cat >&2 3>&- 4>&-
  } 4>&1)
  printf '\n%s %s end\n' "$ovenbird_boundary" $ovenbird_i >&2
  printf '\n%s %s status-%s\n\n%s %s end\n' "$ovenbird_boundary" $ovenbird_i "$ovenbird_status" "$ovenbird_boundary" $ovenbird_i
done
