//! Polecats on a real tmux server: a controller, agents that gt would have started, and a `bd` and a `gt` that say what the test wants.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::{Fake, Life, SOON, TestTown};
use serde_json::{Value, json};

const NUX: &str = "gastown/polecats/nux";
const SLIT: &str = "gastown/polecats/slit";

/// A `bd` whose answers are files: `hooked`, `agents`, and one for each bead that can be shown. It writes down how it was called.
const BD: &str = r#"#!/bin/sh
d="${0%/*}/bd.d"
echo "$*" >> "$d/calls"
[ -e "$d/hangs" ] && exec sleep 1000
[ -e "$d/fails" ] && { echo "Error: the database is locked" >&2; exit 1; }
case "$1 $2" in
"list --status=hooked") cat "$d/hooked" ;;
"list --label=gt:agent") cat "$d/agents" ;;
"show gastown-rig-gastown") cat "$d/rig" ;;
show*) if [ -e "$d/show.$2" ]; then cat "$d/show.$2"; else echo "Error: issue not found: $2" >&2; exit 1; fi ;;
*) exit 2 ;;
esac
"#;

/// A `gt` that keeps the letters it is given, one a line.
const GT: &str = r#"#!/bin/sh
d="${0%/*}/gt.d"
case "$1 $2" in
"mail inbox") echo '[]' ;;
"mail send")
    echo "$3 | $5 | $BD_ACTOR" >> "$d/letters"
    printf '%s\n' "$7" >> "$d/bodies"
    [ -e "$d/fails" ] && { echo "Error: no such recipient" >&2; exit 1; }
    echo sent
    ;;
*) exit 2 ;;
esac
"#;

fn install(town: &TestTown, name: &str, text: &str) {
    let program = town.root().join("bin").join(name);
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(town.root().join("bin").join(format!("{name}.d"))).unwrap();
}

fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// A workspace with a rig that has these polecats, which nobody has started, and both programs.
fn town(polecats: &[&str]) -> TestTown {
    let town = TestTown::new()
        .workspace(&["gastown"], Fake::Ok)
        .with("roles.witness", "enabled = false")
        .with("roles.refinery", "enabled = false")
        .with("beads", "timeout = '1s'")
        .with("beads", "every = '1s'")
        // So that the server lives on without them.
        .session("scribe", Fake::Ok);
    town.make_dirs(&["gastown/.beads"]);
    for name in polecats {
        town.make_dirs(&[&format!("gastown/polecats/{name}/gastown")]);
    }
    install(&town, "bd", BD);
    install(&town, "gt", GT);
    town.says("rig", &json!([{"id": "gastown-rig-gastown", "status": "open", "labels": ["gt:rig"]}]));
    town.says("hooked", &json!([]));
    town.says("agents", &json!([]));
    town
}

/// What a test does with a town of polecats.
trait Polecats {
    /// What `bd` says from now on.
    fn says(&self, file: &str, answer: &Value);
    /// Makes a program behave otherwise.
    fn make(&self, program: &str, how: &str);
    /// The work on the hooks of these polecats.
    fn hooked(&self, polecats: &[&str]);
    /// What the bead of a polecat's agent says of itself.
    fn agent(&self, name: &str, state: &str);
    /// Starts a polecat as gt does.
    fn spawn(&self, name: &str, fake: &Fake) -> Life;
    /// The letters that gt was given: whom for, and about what.
    fn letters(&self) -> Vec<String>;
    /// How often beads were asked for what begins like this.
    fn asked(&self, begin: &str) -> usize;
}

impl Polecats for TestTown {
    fn says(&self, file: &str, answer: &Value) {
        put(&self.root().join("bin/bd.d").join(file), &answer.to_string());
    }

    fn make(&self, program: &str, how: &str) {
        fs::write(self.root().join(format!("bin/{program}.d/{how}")), "").unwrap();
    }

    fn hooked(&self, polecats: &[&str]) {
        let work = |name: &&str| {
            json!({"id": format!("gastown-{name}1"), "status": "hooked", "issue_type": "task",
                   "assignee": format!("gastown/polecats/{name}"), "updated_at": "2026-01-24T10:00:00Z"})
        };
        self.says("hooked", &Value::Array(polecats.iter().map(work).collect()));
    }

    fn agent(&self, name: &str, state: &str) {
        let updated = jiff::Timestamp::now().to_string();
        self.says(
            "agents",
            &json!([{"id": format!("gastown-polecat-{name}"), "status": "open", "issue_type": "task",
                     "labels": ["gt:agent"], "agent_state": state, "updated_at": updated}]),
        );
    }

    fn spawn(&self, name: &str, fake: &Fake) -> Life {
        let root = self.path("").canonicalize().unwrap();
        let root = format!("GT_ROOT={}", root.display().to_string().trim_end_matches('/'));
        let (session, worker) = (format!("gt-gastown-{name}"), format!("GT_POLECAT={name}"));
        let directory = self.path(&format!("gastown/polecats/{name}/gastown")).display().to_string();
        let mut args = vec!["new-session", "-d", "-s", &session, "-c", &directory];
        args.extend([
            "-e",
            "GT_ROLE=polecat",
            "-e",
            "GT_RIG=gastown",
            "-e",
            &worker,
            "-e",
            &root,
            "env",
            "--",
        ]);
        let argv = fake.command(self.root());
        args.extend(argv.iter().map(String::as_str));
        self.tmux(&args).exits(0);
        let found = self.sessions().into_iter().find(|one| one.name == session);
        found.and_then(|session| session.life()).unwrap()
    }

    fn letters(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("bin/gt.d/letters")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn asked(&self, begin: &str) -> usize {
        let text = fs::read_to_string(self.root().join("bin/bd.d/calls")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(begin)).count()
    }
}

/// Waits until a polecat is held for this reason.
#[track_caller]
fn wait_held(town: &TestTown, object: &str, code: &str) {
    town.wait_until(&format!("{object} is held: {code}"), SOON, || {
        town.gtctl(&["why", object]).stdout.contains(&format!("reason    {code}\n"))
    });
}

#[test]
fn a_polecat_that_dies_with_work_on_its_hook_is_started_again_as_gt_starts_it() {
    let town = town(&["nux", "slit"]);
    town.hooked(&["nux"]);
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_until("it is adopted", SOON, || town.alive(NUX).is_some());
    assert_eq!(town.life(NUX), before);

    before.kill();
    let session = town.wait_replaced(NUX, before, SOON);
    assert_eq!(session.path, town.path("gastown/polecats/nux/gastown").canonicalize().unwrap());
    assert_eq!(session.name, "gt-gastown-nux");
    let environment = session.life().unwrap().environ();
    for (name, value) in [
        ("GT_ROLE", "polecat"),
        ("GT_RIG", "gastown"),
        ("GT_POLECAT", "nux"),
        ("BD_ACTOR", NUX),
        ("BEADS_AGENT_NAME", "gastown/nux"),
        ("GIT_AUTHOR_NAME", "nux"),
        ("GT_POLECAT_PATH", &session.path.display().to_string()),
        ("POLECAT_SLOT", "0"),
    ] {
        assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
    }
    // Nobody has seen the other one.
    assert_eq!(town.start_count(SLIT), 0);
    assert_eq!(controller.terminate(), Some(0));
}

#[test]
fn a_polecat_rests_whose_work_is_done_or_whose_agent_says_so_or_that_somebody_starts() {
    for (hooked, state, expected) in [
        (false, "working", "no-work"),
        (true, "done", "work-done"),
        (true, "nuked", "work-done"),
        (true, "spawning", "spawning"),
    ] {
        let town = town(&["nux"]);
        town.hooked(if hooked { &["nux"] } else { &[] });
        town.agent("nux", state);
        let before = town.spawn("nux", &Fake::Ok);
        let controller = town.controller();
        town.wait_settled(&[NUX]);
        before.kill();
        wait_held(&town, NUX, expected);
        controller.passes(2);
        assert!(town.alive(NUX).is_none(), "{state}");
    }
}

#[test]
fn work_that_is_closed_on_a_hook_is_no_reason_to_start_a_polecat() {
    // gt gives no notice of what it starts.
    let town = town(&["nux"]).with("controller", "resync = '1s'");
    let agent = json!({"id": "gastown-polecat-nux", "status": "open", "issue_type": "agent", "hook_bead": "gastown-9",
                       "labels": ["gt:agent"], "agent_state": "working"});
    town.says("agents", &json!([agent]));
    town.says("show.gastown-9", &json!([{"id": "gastown-9", "status": "closed"}]));
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    before.kill();
    wait_held(&town, NUX, "work-closed");
    controller.passes(2);
    assert!(town.alive(NUX).is_none());

    // The same hook, and the work is open: the column of gt's first era counts.
    town.says("show.gastown-9", &json!([{"id": "gastown-9", "status": "in_progress"}]));
    let before = town.spawn("nux", &Fake::Ok);
    town.wait_settled(&[NUX]);
    before.kill();
    town.wait_replaced(NUX, before, SOON);
}

#[test]
fn law_1_a_polecat_of_which_beads_say_nothing_is_left_and_one_answer_later_it_is_not() {
    let town = town(&["nux"]);
    town.hooked(&["nux"]);
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    town.make("bd", "fails");
    before.kill();
    wait_held(&town, NUX, "work-unknown");
    town.wait_until("why is told", SOON, || {
        town.gtctl(&["why", NUX]).stdout.contains("the database is locked")
    });
    controller.passes(2);
    assert!(town.alive(NUX).is_none());

    fs::remove_file(town.root().join("bin/bd.d/fails")).unwrap();
    town.wait_until("it is back", SOON, || town.alive(NUX).is_some());
    drop(controller);
}

#[test]
fn law_8_what_beads_said_before_a_death_is_void() {
    let town = town(&["nux"]).with("beads", "every = '1h'");
    town.hooked(&["nux"]);
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    town.wait_until("its work was asked for", SOON, || town.asked("list --status=hooked") == 1);
    // It has finished, and ends.
    town.hooked(&[]);
    before.kill();
    wait_held(&town, NUX, "no-work");
    controller.passes(2);
    assert!(town.alive(NUX).is_none());
    assert_eq!(town.asked("list --status=hooked"), 2, "asked once more, and not again while nothing changes");
}

#[test]
fn law_12_a_rig_whose_polecats_are_not_there_is_never_asked_about_work() {
    let town = town(&[]);
    let controller = town.controller();
    controller.passes(3);
    assert_eq!(town.asked("list"), 0);
    // A directory is noticed, and a polecat that nobody has seen is not started.
    town.make_dirs(&["gastown/polecats/nux"]);
    town.hooked(&["nux"]);
    wait_held(&town, NUX, "never-seen");
    controller.passes(2);
    assert!(town.alive(NUX).is_none());
    fs::remove_dir_all(town.path("gastown/polecats/nux")).unwrap();
    town.wait_until("it is forgotten", SOON, || town.plan().find(NUX).is_none());
}

// --- what the witness is told

#[test]
fn a_polecat_that_crashes_again_and_again_is_told_once() {
    let town = town(&["nux"])
        .with("crash-loop", "count = 2")
        .with("crash-loop", "probe-after = '1m'")
        .with("backoff", "initial = '1s'")
        .with("backoff", "max = '1s'");
    town.hooked(&["nux"]);
    town.agent("nux", "working");
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    // Whatever is started from now on ends at once.
    town.set("agents.fake", &format!("command = {}", town.command(&Fake::Exit0)));
    town.set("agents.fake", &format!("command = {}", town.command(&Fake::Crash(0))));
    controller.passes(1);
    before.kill();
    wait_held(&town, NUX, "crash-loop");
    town.wait_until("the witness is told", SOON, || !town.letters().is_empty());
    controller.passes(3);
    assert_eq!(town.letters(), ["gastown/witness | CRASHED_POLECAT: gastown/nux restart failed | daemon"]);
    let bodies = fs::read_to_string(town.root().join("bin/gt.d/bodies")).unwrap();
    assert!(bodies.contains("hook_bead: gastown-nux1"), "{bodies}");
    assert_eq!(controller.terminate(), Some(0));
    // Nor does the next controller tell it again.
    let controller = town.controller();
    controller.passes(3);
    assert_eq!(town.letters().len(), 1);
}

#[test]
fn work_of_the_dead_that_is_not_started_again_is_told_once() {
    let town = town(&["nux", "slit"]).with("polecats", "orphaned-after = '1s'");
    town.hooked(&["nux", "slit"]);
    town.agent("nux", "working");
    let lives = [town.spawn("nux", &Fake::Ok), town.spawn("slit", &Fake::Ok)];
    let controller = town.controller();
    town.wait_settled(&[NUX, SLIT]);
    town.set("rigs.gastown", "state = 'parked'");
    controller.passes(1);
    lives[0].kill();
    town.wait_until("the witness is told", SOON, || !town.letters().is_empty());
    controller.passes(3);
    assert_eq!(
        town.letters(),
        ["gastown/witness | ORPHANED_WORK: gastown-polecat-nux has hooked work but is dead | daemon"]
    );
    assert!(lives[1].is_alive(), "parked leaves what runs");
    town.plan().assert_held(NUX, "parked");
}

#[test]
fn a_letter_that_gt_does_not_take_is_reported_and_stops_nothing() {
    let town = town(&["nux"]).with("polecats", "orphaned-after = '1s'");
    town.hooked(&["nux"]);
    town.make("gt", "fails");
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    town.set("roles.polecat", "enabled = false");
    controller.passes(1);
    before.kill();
    town.wait_until("it was tried", SOON, || !town.letters().is_empty());
    town.wait_until("it was told", SOON, || {
        town.gtctl(&["events"])
            .stdout
            .contains("gt did not take the letter and said: Error: no such recipient")
    });
    controller.passes(2);
    assert_eq!(town.letters().len(), 1, "the next try waits");
    // Passes go on as ever.
    let scribe = town.life("sessions/scribe");
    scribe.kill();
    town.wait_replaced("sessions/scribe", scribe, SOON);
}

#[test]
fn work_that_does_not_get_on_is_told_once_and_not_again_after_three_more_looks() {
    let town = town(&["nux"]).with("polecats", "gupp-after = '2s'");
    town.hooked(&["nux"]);
    town.says(
        "agents",
        &json!([{"id": "gastown-polecat-nux", "status": "open", "issue_type": "task", "labels": ["gt:agent"],
                 "agent_state": "working", "updated_at": "2026-01-24T10:00:00Z"}]),
    );
    let life = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_until("the witness is told", SOON, || !town.letters().is_empty());
    let asked = town.asked("list --status=hooked");
    town.wait_until("beads were asked three more times", SOON, || {
        town.asked("list --status=hooked") >= asked + 3
    });
    controller.passes(1);
    let letters = town.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(
        letters[0].starts_with("gastown/witness | GUPP_VIOLATION: gastown-polecat-nux stuck for "),
        "{letters:?}"
    );
    assert!(life.is_alive());
    town.gtctl(&["events"]).says("notify (no-progress)");
}

#[test]
fn without_gt_nobody_is_told_and_why_says_so() {
    let town = town(&["nux"]).with("polecats", "orphaned-after = '1s'");
    fs::remove_file(town.root().join("bin/gt")).unwrap();
    town.hooked(&["nux"]);
    let before = town.spawn("nux", &Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    town.set("roles.polecat", "enabled = false");
    controller.passes(1);
    before.kill();
    town.wait_until("why says so", SOON, || {
        town.gtctl(&["why", NUX]).stdout.contains("its witness is not told, because gt is not there")
    });
    drop(controller);
}

// --- docked

#[test]
fn a_docked_rig_tells_its_polecats_waits_and_then_stops_them() {
    let town = town(&["nux"]).with("polecats", "drain = '4s'");
    town.hooked(&["nux"]);
    let life = town.spawn("nux", &Fake::Prompt);
    let controller = town.controller();
    town.wait_settled(&[NUX]);
    town.set("rigs.gastown", "state = 'docked'");
    controller.passes(1);
    let lines = town.root().join("agents.log/unmanaged.lines");
    town.wait_until("it is told", SOON, || {
        fs::read_to_string(&lines).unwrap_or_default().contains("RIG DOCKED: finish or hand off")
    });
    assert!(life.is_alive(), "it may finish");
    town.wait_until("it is stopped", SOON, || !life.is_alive());
    assert_eq!(fs::read_to_string(&lines).unwrap().lines().count(), 1, "it is told once");
    controller.passes(2);
    assert!(town.alive(NUX).is_none());
    town.plan().assert_held(NUX, "docked");
}

// --- mass death

#[test]
fn agents_that_die_together_are_one_event_and_come_back_one_at_a_time() {
    let names = ["a", "b", "c", "d", "e"];
    let town = names.iter().fold(TestTown::new(), |town, name| town.session(name, Fake::Ok));
    let town = town.with("mass-death", "count = 2").with("mass-death", "gap = '1s'");
    let objects: Vec<String> = names.iter().map(|name| format!("sessions/{name}")).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let controller = town.controller();
    let lives = town.wait_settled(&objects);
    lives.iter().for_each(|life| life.kill());
    town.wait_until("all are back", SOON * 2, || {
        objects.iter().all(|object| town.start_count(object) == 2 && town.alive(object).is_some())
    });
    let log = fs::read_to_string(town.root().join("agents.log/starts")).unwrap();
    let times: Vec<f64> = log.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    let last: Vec<f64> = times[times.len() - 3..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(last.iter().all(|gap| *gap > 0.8), "{last:?}");
    let events = town.gtctl(&["events"]).stdout;
    assert_eq!(events.matches("mass death: ").count(), 1, "{events}");
    assert!(controller.log().contains("they are started again one at a time"));
}

#[test]
fn two_deaths_are_no_mass_death_and_both_are_back_at_once() {
    let town = TestTown::new().session("a", Fake::Ok).session("b", Fake::Ok).with("mass-death", "gap = '1m'");
    let _controller = town.controller();
    let lives = town.wait_settled(&["sessions/a", "sessions/b"]);
    lives.iter().for_each(|life| life.kill());
    for (object, life) in ["sessions/a", "sessions/b"].iter().zip(lives) {
        town.wait_replaced(object, life, Duration::from_secs(5));
    }
}

#[test]
fn a_restart_by_hand_is_followed_by_another_life_whatever_is_on_the_hook() {
    let town = town(&["nux"]);
    let before = town.spawn("nux", &Fake::Ok);
    let _controller = town.controller();
    town.wait_settled(&[NUX]);
    let ran = town.gtctl(&["restart", NUX]);
    assert_eq!(ran.code, Some(0), "{ran}{}", town.diagnosis());
    assert_ne!(town.life(NUX), before);
}

#[test]
fn a_town_with_polecats_is_simulated_without_them() {
    let town = town(&["nux"]).with("beads", "enabled = false");
    town.hooked(&["nux"]);
    town.gtctl(&["simulate", "--seeds", "2"]).exits(0);
}
