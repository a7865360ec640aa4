//! The judgement, on facts that this machine need not have.

use std::path::PathBuf;
use std::time::Duration;

use super::facts::{Facts, Permission, Units};
use super::judge::{Finding, Level, all, unit};
use super::orphans::Orphans;
use crate::cli::controller::Controller;
use crate::model::{ProcessId, Seen, TownId};
use crate::plan::{Lone, LoneKind};

const SERVICE: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/gtctl.service";
const OTHER: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.service";
const SCOPE: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope";

/// A town in which there is nothing.
fn facts() -> Facts {
    Facts {
        town: TownId::from_hex("0123456789ab").unwrap(),
        root: PathBuf::from("/town"),
        installed: Seen::Known(Some("tmux 3.3a".to_owned())),
        files: Ok(()),
        memory: Ok(()),
        controller: Controller::None,
        leftovers: Seen::Known(Vec::new()),
        servers: Seen::Known(Vec::new()),
        names: None,
        orphans: Seen::Known(Orphans::default()),
        pid_file: None,
        controller_files: Vec::new(),
        units: Units::default(),
        permissions: Vec::new(),
        user: 1000,
    }
}

fn finding(facts: &Facts, check: &str) -> Finding {
    all(facts).into_iter().find(|finding| finding.check == check).unwrap()
}

fn known(group: &str) -> Option<Seen<Option<String>>> {
    Some(Seen::Known(Some(group.to_owned())))
}

fn service(controller: Option<&str>, server: &str, kill_mode: Option<Seen<String>>) -> Finding {
    let units = Units { controller: controller.and_then(known), server: known(server), kill_mode };
    finding(&Facts { units, ..facts() }, "service")
}

#[test]
fn s25_a_server_in_the_controllers_own_service_is_wrong_unless_its_kill_mode_spares_it() {
    let mode = |mode: &str| Some(Seen::Known(mode.to_owned()));
    for (kill_mode, level) in [
        ("control-group", Level::Wrong),
        ("mixed", Level::Wrong),
        ("process", Level::Ok),
        ("none", Level::Ok),
    ] {
        let found = service(Some(SERVICE), SERVICE, mode(kill_mode));
        assert_eq!(found.level, level, "{kill_mode}: {found:?}");
        assert!(found.text.contains("gtctl.service") && found.text.contains(kill_mode), "{found:?}");
    }
    let wrong = service(Some(SERVICE), SERVICE, mode("control-group"));
    assert!(wrong.hint.unwrap().contains("systemctl --user edit gtctl.service"));
    // A service that gtctl is not in is somebody's choice.
    assert_eq!(service(Some(SERVICE), OTHER, mode("control-group")).level, Level::Note);
    assert_eq!(service(None, OTHER, mode("control-group")).level, Level::Note);
    // What cannot be asked is not known to be well.
    let unknown = Some(Seen::unknown("systemctl does not answer"));
    assert_eq!(service(Some(SERVICE), SERVICE, unknown).level, Level::Unknown);
}

#[test]
fn s25_a_server_outside_of_every_service_is_fine() {
    for group in [SCOPE, "/", "/user.slice/user-1000.slice/session-3.scope", "/user.slice/user@1000.service"]
    {
        assert_eq!(unit(group), None, "{group}");
        assert_eq!(service(Some(SERVICE), group, None).level, Level::Ok, "{group}");
    }
    assert_eq!(unit(SERVICE), Some(("gtctl.service", true)));
    assert_eq!(unit("/system.slice/gtctl.service"), Some(("gtctl.service", false)));
    let hidden = Units { server: Some(Seen::unknown("/proc cannot be read")), ..Units::default() };
    assert_eq!(finding(&Facts { units: hidden, ..facts() }, "service").level, Level::Unknown);
}

#[test]
fn a_tmux_that_is_missing_or_too_old_is_wrong() {
    for (installed, level) in [
        (Seen::Known(Some("tmux 3.3a".to_owned())), Level::Ok),
        (Seen::Known(Some("tmux 3.1c".to_owned())), Level::Wrong),
        (Seen::Known(Some("tmux master".to_owned())), Level::Unknown),
        (Seen::Known(None), Level::Wrong),
        (Seen::unknown("it hangs"), Level::Unknown),
    ] {
        let facts = Facts { installed, ..facts() };
        assert_eq!(finding(&facts, "tmux").level, level, "{:?}", facts.installed);
    }
}

#[test]
fn what_belongs_to_others_or_is_open_to_them_is_wrong() {
    let one = |private: bool, mode: u32, owner: u32| {
        let one = Permission { name: "it".to_owned(), private, mode, owner };
        finding(&Facts { permissions: vec![one], ..facts() }, "permissions").level
    };
    assert_eq!(one(true, 0o700, 1000), Level::Ok);
    assert_eq!(one(true, 0o750, 1000), Level::Wrong);
    assert_eq!(one(false, 0o775, 1000), Level::Ok, "a group of one's own is usual");
    assert_eq!(one(false, 0o777, 1000), Level::Wrong);
    assert_eq!(one(false, 0o700, 1001), Level::Wrong);
    assert_eq!(one(false, 0o755, 0), Level::Ok, "the system's own");
}

#[test]
fn law_1_what_cannot_be_seen_is_no_finding_of_absence() {
    let blind = Facts {
        leftovers: Seen::unknown("/proc cannot be read"),
        servers: Seen::unknown("/proc cannot be read"),
        orphans: Seen::unknown("/proc cannot be read"),
        ..facts()
    };
    for check in ["leftovers", "servers", "names", "orphans"] {
        assert_eq!(finding(&blind, check).level, Level::Unknown, "{check}");
    }
}

#[test]
fn s68_whoever_outlived_its_terminal_or_its_agent_is_told_with_the_command_that_ends_it() {
    let lone = |kind, is_ended| Lone {
        address: "sessions/scribe".parse().unwrap(),
        process: ProcessId { pid: 77, start: 1 },
        name: "scribe".to_owned(),
        lived: Duration::from_secs(90),
        kind,
        is_ended,
    };
    let told = |kind, is_ended| {
        let orphans = Orphans { lone: vec![lone(kind, is_ended)], alike: Vec::new() };
        finding(&Facts { orphans: Seen::Known(orphans), ..facts() }, "orphans")
    };
    for (kind, word, level) in [
        (LoneKind::Survivor, "outlived its terminal", Level::Note),
        (LoneKind::Leftover, "left behind", Level::Note),
        (LoneKind::Elsewhere, "not the town's", Level::Wrong),
    ] {
        let found = told(kind, false);
        assert_eq!(found.level, level, "{found:?}");
        assert!(found.text.contains("process 77 (scribe) of sessions/scribe, 1m30s old"), "{found:?}");
        assert!(found.text.contains(word), "{found:?}");
        assert!(found.hint.is_some_and(|hint| hint.contains("`kill 77`")));
    }
    assert!(told(LoneKind::Survivor, true).hint.unwrap().contains("gtctl ends it"));
    let alike = vec![(ProcessId { pid: 78, start: 1 }, "claude".to_owned())];
    let orphans = Seen::Known(Orphans { lone: Vec::new(), alike });
    let found: Vec<Finding> = super::orphans::judge(&orphans);
    assert_eq!(found.iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Ok, Level::Note]);
    assert!(found[1].text.contains("78 (claude)"));
}
