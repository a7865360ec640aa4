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
        .with("beads", "every = '1s'");
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
        args.extend(["-e", "GT_ROLE=polecat", "-e", "GT_RIG=gastown", "-e", &worker, "-e", &root, "env", "--"]);
        let argv = fake.command(self.root());
        args.extend(argv.iter().map(String::as_str));
        self.tmux(&args).exits(0);
        let found = self.sessions().into_iter().find(|one| one.name == session);
        found.and_then(|session| session.life()).expect("it lives")
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
        let status = town.status();
        let objects = status["objects"].as_array().cloned().unwrap_or_default();
        objects.iter().any(|one| one["address"] == object && one["reason"]["code"] == code)
            || town.gtctl(&["why", object]).stdout.contains(&format!("reason    {code}\n"))
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
    let town = town(&["nux"]);
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
    controller.passes(2);
    town.gtctl(&["why", NUX]).says("the database is locked");
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
