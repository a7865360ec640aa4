//! What people and scripts read of one rich world. The moments of waits are left out: they are told in the local zone.

use insta::assert_snapshot;

use super::{json, text};
use crate::model::{Exit, Reason, Seen, SpecHash};
use crate::plan::tests::builders::{Given, address, town};
use crate::plan::{Decision, Plan};

const TOWN: &str = r#"
[defaults]
agent = "claude"

[roles.mayor]
enabled = true

[rigs.active]
roles.refinery = { after = ["witness"] }
crew.max = { enabled = true }
crew.joe = { enabled = false }

[rigs.resting]
state = "parked"
reason = "budget"

[sessions.build]
command = ["make", "watch"]
restart = "on-failure"

[sessions.scribe]
command = ["./scribe", "--follow"]
after = ["mayor"]

[sessions.twin]
command = ["./twin"]
"#;

/// Something of everything: alive, drifted, dead, starting, parked, foreign, twice there, left over, asked for.
fn rich() -> Given {
    town(TOWN)
        .running("mayor")
        .nudge("mayor")
        .dead("active/witness", Some(Exit::Signal(9)))
        .starting("active/crew/max")
        .edit(|session| session.spec = SpecHash::from_hex("000000000000"))
        .running("resting/witness")
        .named_like("resting/refinery")
        .dead("sessions/build", Some(Exit::Code(0)))
        .running("sessions/twin")
        .running("sessions/twin")
        .running("active/crew/gone")
        .of_other_town("other/witness")
        .place("sessions/scribe", |place| place.program = Seen::Known(None))
}

fn planned(given: &Given) -> (Plan, String) {
    let plan = given.plan();
    let out = text::plan(&plan, &given.observed, "/nowhere/town");
    (plan, out)
}

#[test]
fn a_plan_as_text() {
    let (_, out) = planned(&rich());
    assert_snapshot!(out, @r#"
    Town /nowhere/town, tmux server 100 (3.4) at /nowhere/socket, 10 sessions.

        ~ mayor                        nudge (asked): asked for by a test
          # process 1001 in session hq-mayor ($1), 10m old
          # asked for by town.toml:6:1
      -/+ active/witness               restart (exited): it ended: signal 9
          # in its dead pane
          # its pane is dead and process 1002 is gone: signal 9
          # asked for by town.toml:9:1
        - resting/witness              kill (parked): its rig is parked
          # process 1004 in session gt-resting-witness ($4), 10m old
          # asked for by town.toml:15:9 (budget)
          # `gtctl unpark resting` ends that
        ! resting/refinery             held (parked): its rig is parked
          # asked for by town.toml:15:9 (budget)
          # `gtctl unpark resting` ends that
        ! active/crew/joe              held (disabled): it is disabled
          # no session carries its marker or has its name
          # asked for by town.toml:12:24
        = active/crew/max              starting (starting): started 200ms ago, not settled yet
          # process 1003 in session gt-active-crew-max ($3), 200ms old
          # asked for by town.toml:11:12
          # differs from config; `gtctl restart` applies it
        ! sessions/build               held (finished): finished (exit status 0), and its restart policy leaves it at that
          # its pane is dead and process 1006 is gone: exit status 0
          # asked for by town.toml:18:1
        ! sessions/twin                held (duplicate): 2 living sessions carry its marker; stop all but one by hand
          # asked for by town.toml:26:1
        + active/refinery              start (absent): it is not there
          # after active/witness
          # no session carries its marker or has its name
          # asked for by town.toml:9:1
        ! sessions/scribe              held (program-missing): cannot start: command not found: ./scribe (PATH=/bin)
          # no session carries its marker or has its name
          # asked for by town.toml:22:1

    Not managed:
      gt-resting-refinery ($5): not started by gtctl
      active-crew-gone ($9): active/crew/gone, which no file lists any more; `gtctl reconcile --prune` stops it
      other-witness ($10): other/witness of another town

    Plan: 1 to start, 1 to restart, 1 to nudge, 1 to kill, 5 held.
    "#);
}

#[test]
fn a_plan_that_is_refused_as_text() {
    let given = ["a", "b", "c"].iter().fold(
        town("[rigs.a]\nstate = \"parked\"\n[rigs.b]\nstate = \"parked\"\n[rigs.c]\n"),
        |given, rig| given.running(&format!("{rig}/witness")).running(&format!("{rig}/refinery")),
    );
    let (_, out) = planned(&given);
    assert_snapshot!(out, @r#"
    Town /nowhere/town, tmux server 100 (3.4) at /nowhere/socket, 6 sessions.

        ! a/witness                    held (mass-stop): mass stop refused: 4 stops planned, 2 allowed; `gtctl approve 0f44b4af` lifts it once
          # process 1001 in session gt-a-witness ($1), 10m old
          # asked for by town.toml:3:9
        ! b/witness                    held (mass-stop): mass stop refused: 4 stops planned, 2 allowed; `gtctl approve 0f44b4af` lifts it once
          # process 1003 in session gt-b-witness ($3), 10m old
          # asked for by town.toml:5:9
        = c/witness                    running
          # process 1005 in session gt-c-witness ($5), 10m old
        ! a/refinery                   held (mass-stop): mass stop refused: 4 stops planned, 2 allowed; `gtctl approve 0f44b4af` lifts it once
          # process 1002 in session gt-a-refinery ($2), 10m old
          # asked for by town.toml:3:9
        ! b/refinery                   held (mass-stop): mass stop refused: 4 stops planned, 2 allowed; `gtctl approve 0f44b4af` lifts it once
          # process 1004 in session gt-b-refinery ($4), 10m old
          # asked for by town.toml:5:9
        = c/refinery                   running
          # process 1006 in session gt-c-refinery ($6), 10m old

    held: mass stop refused: a/witness, b/witness, a/refinery, b/refinery would be stopped at once, and no more than 2 may be; if that is meant, `gtctl approve 0f44b4af` lifts it once

    No changes. Something is held for a reason that no file asked for, see above.
    Plan: 0 to start, 0 to restart, 0 to nudge, 0 to kill, 4 held.
    "#);
}

#[test]
fn a_plan_of_a_world_that_cannot_be_seen_as_text() {
    let given = town("[sessions.scribe]\ncommand = [\"./x\"]").server(Seen::unknown("tmux timed out"));
    let (_, out) = planned(&given);
    assert_snapshot!(out, @r#"
    Town /nowhere/town, tmux at /nowhere/socket cannot be seen: tmux timed out.

        ! sessions/scribe              held (unknown): cannot tell: tmux timed out
          # asked for by town.toml:2:1

    No changes. Something is held for a reason that no file asked for, see above.
    Plan: 0 to start, 0 to restart, 0 to nudge, 0 to kill, 1 held.
    "#);
}

#[test]
fn a_plan_without_changes_as_text() {
    let given = town("[sessions.scribe]\ncommand = [\"./x\"]").running("sessions/scribe");
    let (_, out) = planned(&given);
    assert_snapshot!(out, @r#"
    Town /nowhere/town, tmux server 100 (3.4) at /nowhere/socket, 1 sessions.

        = sessions/scribe              running
          # process 1001 in session scribe ($1), 10m old

    No changes. What runs is what the files ask for.
    Plan: 0 to start, 0 to restart, 0 to nudge, 0 to kill, 0 held.
    "#);
}

#[test]
fn a_plan_as_json() {
    let given =
        town("[rigs.a]\nstate = \"parked\"\nreason = \"budget\"\n[sessions.scribe]\ncommand = [\"./x\"]");
    let given =
        given.running("a/witness").dead("sessions/scribe", Some(Exit::Code(3))).of_other_town("b/witness");
    let mut plan = given.plan();
    plan.verdicts.retain(|verdict| !verdict.is_off_by_default());
    let value = json::plan(&plan, &given.observed, "/nowhere/town");
    assert_snapshot!(serde_json::to_string_pretty(&value).unwrap(), @r#"
    {
      "at": "2023-11-16T02:00:00Z",
      "format-version": 1,
      "orphans": [],
      "refusal": null,
      "summary": {
        "held": 1,
        "kill": 1,
        "notify": 0,
        "nudge": 0,
        "restart": 1,
        "start": 0
      },
      "town": "/nowhere/town",
      "unmanaged": [
        {
          "id": "$3",
          "ours": false,
          "session": "b-witness",
          "why": "b/witness of another town"
        }
      ],
      "verdicts": [
        {
          "address": "a/witness",
          "after": null,
          "as-wanted": false,
          "decision": "kill",
          "drifted": false,
          "evidence": [
            {
              "age-seconds": 600.0,
              "what": "process 1001 in session gt-a-witness ($1)"
            }
          ],
          "gate": "ready",
          "gate-text": null,
          "incarnation": {
            "marker": "bf3d6fb8eeb8.a/witness.000000000001",
            "pane": 1,
            "process": {
              "pid": 1001,
              "start": 50
            },
            "server": {
              "pid": 100,
              "start": 7
            },
            "session": 1
          },
          "lived-seconds": 600,
          "note": "budget",
          "origin": {
            "at": {
              "column": 9,
              "file": "town.toml",
              "line": 3
            }
          },
          "origin-text": "town.toml:3:9",
          "reason": {
            "code": "parked"
          },
          "session": "gt-a-witness",
          "state": "running",
          "text": "its rig is parked",
          "unknown": false,
          "wanted": "parked"
        },
        {
          "address": "a/refinery",
          "after": null,
          "as-wanted": true,
          "decision": "held",
          "drifted": false,
          "evidence": [
            {
              "age-seconds": null,
              "what": "no session carries its marker or has its name"
            }
          ],
          "gate": null,
          "gate-text": null,
          "incarnation": null,
          "lived-seconds": null,
          "note": "budget",
          "origin": {
            "at": {
              "column": 9,
              "file": "town.toml",
              "line": 3
            }
          },
          "origin-text": "town.toml:3:9",
          "reason": {
            "code": "parked"
          },
          "session": null,
          "state": "absent",
          "text": "its rig is parked",
          "unknown": false,
          "wanted": "parked"
        },
        {
          "address": "sessions/scribe",
          "after": null,
          "as-wanted": false,
          "decision": "restart",
          "drifted": false,
          "evidence": [
            {
              "age-seconds": null,
              "what": "its pane is dead and process 1002 is gone: exit status 3"
            }
          ],
          "gate": "ready",
          "gate-text": null,
          "incarnation": null,
          "lived-seconds": null,
          "note": null,
          "origin": {
            "at": {
              "column": 1,
              "file": "town.toml",
              "line": 5
            }
          },
          "origin-text": "town.toml:5:1",
          "reason": {
            "code": "exited",
            "exit": {
              "code": 3
            }
          },
          "session": null,
          "state": "dead",
          "text": "it ended: exit status 3",
          "unknown": false,
          "wanted": "run"
        }
      ]
    }
    "#);
}

#[test]
fn why_something_is_as_it_is() {
    let given = rich();
    let plan = given.plan();
    let why = |of: &str| {
        let object = &given.desired.objects[&address(of)];
        let after: Vec<_> = object.after.iter().cloned().collect();
        text::why(plan.of(&address(of)).unwrap(), &given.observed.at, &after)
    };
    assert_snapshot!(why("active/refinery"), @r#"
      + active/refinery              start (absent): it is not there
        # after active/witness
        # no session carries its marker or has its name
        # asked for by town.toml:9:1

    reason    absent
    state     absent
    asked by  town.toml:9:1
    after     active/witness
    "#);
    assert_snapshot!(why("resting/witness"), @r#"
      - resting/witness              kill (parked): its rig is parked
        # process 1004 in session gt-resting-witness ($4), 10m old
        # asked for by town.toml:15:9 (budget)
        # `gtctl unpark resting` ends that

    reason    parked
    state     running
    asked by  town.toml:15:9 (budget)
    life      000000000004 (session $4, pane %4)
    "#);
    assert_snapshot!(why("sessions/scribe"), @r#"
      ! sessions/scribe              held (program-missing): cannot start: command not found: ./scribe (PATH=/bin)
        # no session carries its marker or has its name
        # asked for by town.toml:22:1

    reason    program-missing
    state     absent
    asked by  town.toml:22:1
    after     mayor
    "#);
}

/// Every line of a plan carries the code that docs and scripts know.
#[test]
fn law_10_each_hold_of_the_text_carries_its_code() {
    let (plan, out) = planned(&rich());
    for verdict in
        plan.verdicts.iter().filter(|one| one.decision == Decision::Held && !one.is_off_by_default())
    {
        let line = out.lines().find(|line| line.contains(&format!(" {} ", verdict.address))).unwrap();
        assert!(
            line.contains(verdict.because.code()) && *verdict.because.code() != *Reason::Running.code(),
            "{line}"
        );
    }
}
