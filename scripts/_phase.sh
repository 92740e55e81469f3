# Sourced by scripts/check and scripts/test.

# phase NAME COMMAND...: prints NAME, runs the command, and prints how many seconds it took. A command that fails ends the
# script. Do not call phase after `if` or before `||`: bash ignores `set -e` there.
phase() {
    phase_name=$1 phase_started=$SECONDS
    echo "-- $phase_name"
    trap 'echo "-- $phase_name: FAILED with exit code $? after $((SECONDS - phase_started)) s" >&2' EXIT
    "${@:2}"
    trap - EXIT
    echo "-- $phase_name: $((SECONDS - phase_started)) s"
}
