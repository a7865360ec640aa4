//! Whose session is it? Proof is a label or gt's own environment, on a real tmux server.

#![expect(clippy::expect_used, reason = "a test whose preparation fails has to fail")]

mod common;

use common::{Fake, TestTown};

/// Starts a witness of rig `a` as gt does: the name, and the environment.
fn started_by_gt(town: &TestTown, root: &str, role: &str) {
    let argv = Fake::Ok.command(town.root());
    let (role, root) = (format!("GT_ROLE={role}"), format!("GT_ROOT={root}"));
    let mut args = vec!["new-session", "-d", "-s", "gt-a-witness"];
    let directory = town.path("a/witness").display().to_string();
    args.extend(["-c", &directory, "-e", &role, "-e", "GT_RIG=a", "-e", &root, "env", "--"]);
    args.extend(argv.iter().map(String::as_str));
    town.tmux(&args).exits(0);
}

/// The town's root as the kernel knows it, which is what gt exports.
fn real_root(town: &TestTown) -> String {
    town.path("")
        .canonicalize()
        .expect("the town exists")
        .display()
        .to_string()
        .trim_end_matches('/')
        .to_owned()
}

#[test]
fn law_2_what_gt_started_for_this_town_is_adopted_and_not_restarted() {
    let town = TestTown::new().workspace(&["a"], Fake::Ok);
    started_by_gt(&town, &real_root(&town), "witness");
    let before = town.sessions()[0].life().expect("it lives");

    let plan = town.plan();
    assert_eq!((plan.decision("a/witness"), plan.reason("a/witness")), ("adopt", "started-by-gt"));
    town.once().says("a/witness: adopted");

    assert!(before.is_alive(), "the same process lives on");
    assert_eq!(town.life("a/witness"), before, "and carries our label");
    assert_eq!(town.plan().decision("a/witness"), "nothing");
}

#[test]
fn law_2_what_gt_started_for_another_town_or_role_is_foreign() {
    for (root, role) in [("/another/town", "witness"), ("", "witness"), ("{root}", "refinery")] {
        let town = TestTown::new().workspace(&["a"], Fake::Ok);
        started_by_gt(&town, &root.replace("{root}", &real_root(&town)), role);
        let before = town.sessions();

        town.plan().assert_held("a/witness", "foreign");
        town.once().exits(5);

        assert!(before.iter().all(|session| town.sessions().contains(session)), "{root} {role}");
    }
}

#[test]
fn a_session_that_was_renamed_or_lost_its_label_is_still_ours() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let before = town.life("sessions/scribe");

    town.tmux(&["rename-session", "-t", "=scribe", "mine"]).exits(0);
    town.once().says("No changes.").exits(0);
    assert_eq!((town.sessions().len(), town.start_count("sessions/scribe")), (1, 1));

    town.tmux(&["rename-session", "-t", "=mine", "scribe"]).exits(0);
    town.tmux(&["set-option", "-u", "-t", "=scribe:", "@gtctl"]).exits(0);
    town.once().says("sessions/scribe: adopted");
    assert_eq!((town.life("sessions/scribe"), town.start_count("sessions/scribe")), (before, 1));
}

#[test]
fn a_pane_that_a_person_opened_in_a_session_is_neither_the_agent_nor_in_its_way() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let agent = town.life("sessions/scribe");
    town.tmux(&["split-window", "-d", "-t", "=scribe:", "env", "sleep", "1000"]).exits(0);
    let person =
        town.sessions().iter().filter_map(|pane| pane.life()).find(|life| *life != agent).expect("it lives");

    agent.kill();
    town.wait_until("the agent's pane is dead", common::SOON, || {
        town.plan().state("sessions/scribe") == "dead"
    });
    town.once().exits(0);

    assert!(person.is_alive(), "the person's pane lives on");
    assert_eq!(town.start_count("sessions/scribe"), 2);
}

#[test]
fn law_11_a_file_that_is_gone_is_missed_until_a_person_says_otherwise() {
    let town = TestTown::new().witness("a", Fake::Ok).started();
    let before = town.sessions();
    let text = std::fs::read_to_string(town.path("town.toml")).expect("it is there");
    std::fs::remove_file(town.path("town.toml")).expect("it can be removed");

    // Nothing but its absence says that nothing should run: that is no instruction.
    town.once().exits(6).says("town.toml").says("gtctl approve --missing town.toml");
    assert_eq!(town.sessions(), before);

    std::fs::write(town.path("town.toml"), text).expect("it can be written");
    town.once().exits(0).says("No changes.");
}

#[test]
fn s27_a_changed_config_restarts_nobody_by_itself_and_is_told() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    let before = town.wait_settled(&["sessions/scribe"]);

    town.set("sessions.scribe", "env = { COLOUR = 'blue' }");
    town.wait_until("it is told", common::SOON, || {
        town.gtctl(&["status"]).stdout.contains("differs from config")
    });
    controller.passes(5);

    assert_eq!(town.lives(&["sessions/scribe"]), before, "the same life goes on");
    assert_eq!(town.start_count("sessions/scribe"), 1);
}
