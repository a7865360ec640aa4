//! The adapter against a program that says what it is told to say. The shapes are those of both programs; neither is run here.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::machine::ThisMachine;
use crate::model::Seen;

const LONG: Duration = Duration::from_secs(20);

/// A town with one rig that has beads, and a program.
struct Given {
    dir: tempfile::TempDir,
    beads: Beads<ThisMachine>,
}

impl Given {
    /// A program that runs this shell script, and writes down how it was called.
    fn program(name: &str, script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("town/r/.beads")).unwrap();
        let program = dir.path().join(name);
        let head = "#!/bin/sh\nprintf '%s|%s|%s|%s\\n' \"$*\" \"$PWD\" \"$BEADS_DIR\" \"$BD_ACTOR\" >> \"${0%/*}/calls\"\n";
        write_program(&program, &format!("{head}{script}\n"));
        Self { beads: Beads { machine: ThisMachine::new(), program, limit: LONG }, dir }
    }

    fn question(&self) -> Question {
        Question { bead: "gt-rig-r".to_owned(), database: self.database() }
    }

    fn database(&self) -> Database {
        match Database::of(&ThisMachine::new(), &self.dir.path().join("town"), "r") {
            Seen::Known(Some(database)) => database,
            other => panic!("{other:?}"),
        }
    }

    async fn show(&self) -> Seen<Option<Issue>> {
        self.beads.show(&self.question()).await
    }

    fn calls(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("calls")).unwrap()
    }
}

/// Written by another process, so that no fork of this one holds it open for writing when it is to be run.
fn write_program(path: &Path, text: &str) {
    use std::io::Write;
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh", path.to_str().unwrap()])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o755);
}

fn why<T: std::fmt::Debug>(seen: Seen<T>) -> String {
    match seen {
        Seen::Unknown(why) => why.0,
        known @ Seen::Known(_) => panic!("{known:?}"),
    }
}

#[tokio::test]
async fn a_bead_is_asked_for_with_an_argv_in_its_place_and_in_nobodys_name() {
    for name in ["bd", "br"] {
        let given = Given::program(
            name,
            r#"echo '[{"id":"gt-rig-r","status":"open","labels":["gt:rig","status:docked"]}]'"#,
        );
        let Seen::Known(Some(issue)) = given.show().await else { panic!("{name}") };
        assert_eq!(RigLabel::of(Some(&issue)), RigLabel::Docked);
        let place = given.dir.path().join("town/r");
        let place = place.display();
        assert_eq!(given.calls(), format!("show gt-rig-r --json|{place}|{place}/.beads|\n"));
    }
}

#[tokio::test]
async fn a_list_is_asked_for_without_a_limit() {
    let given = Given::program("bd", r#"echo '[{"id":"a","status":"hooked","assignee":"r/polecats/nux"}]'"#);
    let Seen::Known(issues) = given.beads.list(&given.database(), &["--status=hooked"]).await else {
        panic!()
    };
    assert_eq!(hooked(&issues, "r/polecats/nux").count(), 1);
    assert!(given.calls().starts_with("list --status=hooked --json --limit=0|"), "{}", given.calls());
}

#[tokio::test]
async fn law_1_only_a_program_that_says_so_of_this_bead_knows_that_there_is_none() {
    for none in [
        "echo '[]'",
        "echo null",
        "echo 'Error: no issue found matching \"gt-rig-r\"' >&2; exit 1",
        "echo 'Issue not found: gt-rig-r' >&2; exit 1",
        "echo 'Error fetching gt-rig-r: issue not found.' >&2",
        r#"echo '{"error":{"code":"ISSUE_NOT_FOUND","message":"Issue not found: gt-rig-r"}}' >&2; exit 3"#,
    ] {
        assert_eq!(Given::program("bd", none).show().await, Seen::Known(None), "{none}");
    }
    for unknown in [
        "exit 1",
        "exit 0",
        "echo 'Error: database not found' >&2; exit 1",
        "echo 'gt-rig-r2: issue not found' >&2; exit 1",
        "echo 'x-gt-rig-r: issue not found' >&2; exit 1",
        "echo 'warning: stale' >&2",
        "echo '[{\"id\":\"gt-rig-r\"'",
        "echo '[{\"id\":\"gt-rig-other\",\"status\":\"open\"}]'",
        "echo '[]'; exit 1",
        "kill -9 $$",
    ] {
        assert!(why(Given::program("bd", unknown).show().await).starts_with("bd: "), "{unknown}");
    }
}

#[tokio::test]
async fn a_program_that_hangs_or_never_ends_its_answer_is_unknown_in_time() {
    let mut given = Given::program("br", "sleep 1000");
    given.beads.limit = Duration::from_millis(200);
    assert!(why(given.show().await).contains("did not answer within"));
    let gone = Given::program("br", "exit 0");
    std::fs::remove_file(&gone.beads.program).unwrap();
    assert!(why(gone.show().await).contains("is not there"));
}

#[test]
fn the_first_program_that_is_installed_is_taken_and_a_configured_one_must_be_there() {
    let given = Given::program("br", "exit 0");
    let root = given.dir.path();
    let by_path = given.beads.program.to_str().unwrap();
    let machine = ThisMachine::new();
    assert_eq!(find(&machine, Some(by_path), root), Seen::Known(Some(given.beads.program.clone())));
    assert!(why(find(&machine, Some("no-such-program"), root)).contains("nowhere on"));
}

#[test]
fn redirects_lead_to_the_data_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let make = |path: &str| std::fs::create_dir_all(dir.path().join(path)).unwrap();
    let redirect = |from: &str, to: &str| {
        make(&format!("{from}/.beads"));
        std::fs::write(dir.path().join(from).join(".beads/redirect"), format!("{to}\n")).unwrap();
    };
    let of = |below: &str| Database::of(&ThisMachine::new(), dir.path(), below);
    make("plain/.beads");
    make("none");
    redirect("one", "mayor/rig/.beads");
    make("one/mayor/rig/.beads");
    redirect("dangling", "nowhere/.beads");
    redirect("circle", ".beads");

    let beads = |below: &str| match of(below) {
        Seen::Known(Some(found)) => found.beads,
        other => panic!("{other:?}"),
    };
    assert_eq!(beads("plain"), dir.path().join("plain/.beads"));
    assert_eq!(beads("one"), dir.path().join("one/mayor/rig/.beads"));
    assert_eq!(of("none"), Seen::Known(None));
    assert_eq!(of("nowhere"), Seen::Known(None));
    assert!(why(of("dangling")).contains("does not exist"));
    assert!(why(of("circle")).contains("redirects more than"));
}
