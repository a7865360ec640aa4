#!/usr/bin/env bash
# Shows gtctl at work on a throw-away town: a directory of its own, a tmux server of its own, agents that only print a heartbeat.
# Everything that it shows is what it runs, and everything that it made is gone when it ends, after Ctrl-C too.
set -euo pipefail

# How long to wait for anything; nothing here takes as long unless something is wrong.
patience=15

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(cd "$here/.." && cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
if [ ! -x "$target/debug/gtctl" ]; then
    echo 'error: gtctl is not built yet; run: make demo' >&2
    exit 1
fi

# Nothing of the caller's own town or tmux server may be meant by anything below.
for variable in $(compgen -e); do
    case $variable in GT_* | GTCTL_* | TMUX*) unset "$variable" ;; esac
done
# A socket's path must be short, so this is not $TMPDIR.
home=$(mktemp -d /tmp/gtctl-demo.XXXXXX)
export TMUX_TMPDIR="$home/tmux"
export PATH="$home/bin:$target/debug:$PATH"
controller=

clean_up() {
    trap - EXIT INT TERM HUP
    if [ -n "$controller" ]; then
        kill "$controller" 2>/dev/null || true
        wait "$controller" 2>/dev/null || true
    fi
    # The private socket is named with its path: this cannot mean another server.
    if [ -S "$TMUX_TMPDIR/tmux-$(id -u)/demo" ]; then
        tmux -S "$TMUX_TMPDIR/tmux-$(id -u)/demo" kill-server 2>/dev/null || true
    fi
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' dim='' plain=''
fi

caption() { printf '\n%s== %s%s\n\n' "$bold" "$1" "$plain"; }

# Prints a command and runs it.
show() {
    printf '%s$ %s%s\n' "$dim" "$1" "$plain"
    eval "$1"
}

# Waits until a command succeeds.
until_true() {
    local deadline=$((SECONDS + patience))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            printf 'error: in vain waited %s s for: %s\n' "$patience" "$*" >&2
            cat "$home/town/controller.log" >&2 || true
            exit 1
        fi
        sleep 0.05
    done
}

all_as_wanted() {
    local said
    said=$(gtctl status) && [[ $said != *starting* && $said != *"under way"* ]]
}
controller_answers() { gtctl status -o json | grep -q '"answers": true'; }
pid_of() { tmux -L demo list-panes -t "=$1:" -F '#{pane_pid}'; }
has_new_life() { [ "$(pid_of "$1")" != "$2" ] && all_as_wanted; }
is_gone() { tmux -L demo has-session && ! tmux -L demo has-session -t "=$1"; }

mkdir -p "$home/tmux" "$home/bin" "$home/town/gastown" "$home/town/beads"
cp "$here/heartbeat" "$home/bin/"
chmod +x "$home/bin/heartbeat"
cd "$home/town"
cat >town.toml <<'TOML'
[town]
socket = "demo"

[defaults]
agent = "demo"

[agents.demo]
command = ["heartbeat"]

[roles.witness]
directory = "{rig}"

[roles.refinery]
directory = "{rig}"
after = ["witness"]

[rigs.gastown]

[rigs.beads]

[sessions.scribe]
command = ["heartbeat"]
TOML

caption 'A town is a directory with a town.toml: two rigs and one more session'
show 'cat town.toml'

caption 'What would be done? A dry run changes nothing'
show 'gtctl plan'

caption 'Do it'
show 'gtctl reconcile'

caption 'Do it again: there is nothing to do'
show 'gtctl reconcile'

caption 'Let the controller keep it so'
show 'gtctl controller 2>controller.log &'
controller=$!
until_true controller_answers
show 'gtctl status'

caption 'An agent crashes'
before=$(pid_of gt-gastown-witness)
show 'kill -9 "$(tmux -L demo list-panes -t =gt-gastown-witness: -F "#{pane_pid}")"'
until_true has_new_life gt-gastown-witness "$before"

caption 'It is back. Why, and since when?'
show 'gtctl why gastown/witness'

caption 'Rest a rig: an edit of town.toml is all it takes'
show "sed -i 's/^\\[rigs.gastown\\]\$/&\\nstate = \"parked\"\\nreason = \"enough for today\"/' town.toml"
until_true is_gone gt-gastown-witness
until_true is_gone gt-gastown-refinery
until_true all_as_wanted
show 'gtctl status'

caption 'And wake it'
show 'gtctl unpark gastown'
until_true pid_of gt-gastown-refinery
until_true all_as_wanted
show 'gtctl status'

caption 'The controller leaves, the agents stay'
show 'kill %1'
wait "$controller" || true
controller=
show 'tmux -L demo list-sessions -F "#{session_name}"'

caption 'That was it; the town, its tmux server and its agents are removed'
