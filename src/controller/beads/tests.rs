//! What is asked when, and what stays in force.

use super::*;
use crate::machine::ThisMachine;
use crate::model::BootId;
use crate::observed::beads::parse_issues;
use crate::town::files::read_all;

/// A workspace with two rigs, one of which has beads, and a program that is never run.
struct Given {
    dir: tempfile::TempDir,
    layer: BeadsLayer,
}

fn at(seconds: u64) -> Stamp {
    let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Stamp { boot: BootId("b".to_owned()), since_boot: Duration::from_secs(seconds), wall }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn given(beads: &str) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "mayor/rigs.json",
        r#"{"version":1,"rigs":{"a":{"beads":{"prefix":"x-"}},"b":{"beads":{"prefix":"y"}}}}"#,
    );
    put("a/.beads/metadata.json", "{}");
    put("town.toml", beads);
    let layer = BeadsLayer::open(&ThisMachine::new(), dir.path());
    let mut given = Given { dir, layer };
    given.follow();
    given
}

impl Given {
    fn follow(&mut self) {
        let root = TownRoot::at(self.dir.path()).unwrap();
        let files = read_all(&ThisMachine::new(), &root).unwrap();
        self.layer.follow(&ThisMachine::new(), &root, &files);
    }

    fn hear(&mut self, seconds: u64, answer: &str) -> Option<String> {
        let due = self.layer.due(&at(seconds)).pop().expect("something is due");
        let answer = match answer {
            "" => Seen::unknown("it hangs"),
            "gone" => Seen::Known(None),
            labels => {
                let text = format!(r#"[{{"id":"x-rig-a","status":"open","labels":[{labels}]}}]"#);
                Seen::Known(parse_issues(&text).unwrap().pop())
            }
        };
        let before = self.layer.said();
        let heard = self.layer.hear(&due, answer, &at(seconds));
        assert_eq!(heard.changed, self.layer.said() != before);
        heard.news
    }

    fn label(&self) -> Seen<RigLabel> {
        self.layer.said()[&name("a")].label.clone()
    }
}

const SH: &str = "[beads]\nprogram = '/bin/sh'\nevery = '100s'\ntimeout = '1s'\n";

#[test]
fn only_rigs_with_beads_are_asked_about_and_only_when_it_is_due() {
    let mut given = given(SH);
    let due = given.layer.due(&at(0)).remove(0);
    assert_eq!((due.rig, due.question.bead.as_str()), (name("a"), "x-rig-a"));
    assert_eq!((due.program, due.limit), (PathBuf::from("/bin/sh"), Duration::from_secs(1)));
    assert_eq!(given.layer.said().keys().collect::<Vec<_>>(), [&name("a")]);

    given.hear(0, "\"gt:rig\"");
    assert_eq!(given.layer.due(&at(99)), []);
    assert_eq!(given.layer.until_due(&at(40)), Some(Duration::from_secs(60)));
    assert_eq!(given.layer.due(&at(100)).len(), 1);
}

#[test]
fn law_1_a_rig_that_was_never_answered_for_is_unreadable_and_not_active() {
    let mut given = given(SH);
    assert_eq!(given.label(), Seen::unknown("it has not been asked for yet"));
    assert!(given.hear(0, "").unwrap().contains("cannot be seen: it hangs"));
    assert_eq!(given.label(), Seen::unknown("it hangs"));
    assert_eq!(
        given.layer.until_due(&at(4)),
        Some(Duration::from_secs(6)),
        "a failure is asked about sooner"
    );
}

#[test]
fn law_11_the_last_good_answer_stays_in_force_and_is_known_to_the_next_process() {
    let mut given = given(SH);
    assert_eq!(given.hear(0, "\"status:docked\"").as_deref(), Some("bead x-rig-a says docked"));
    assert!(given.hear(100, "").unwrap().contains("its last answer stays in force"));
    assert_eq!(given.hear(110, ""), None, "the same trouble is told once");
    let said = given.layer.said()[&name("a")].clone();
    assert_eq!((said.label, said.since), (Seen::Known(RigLabel::Docked), Some(at(0).wall)));
    assert_eq!(said.stale, Some((Why::new("it hangs"), at(0).wall)));

    given.layer.save(&ThisMachine::new()).unwrap();
    given.layer = BeadsLayer::open(&ThisMachine::new(), given.dir.path());
    given.follow();
    assert_eq!(given.label(), Seen::Known(RigLabel::Docked));
    assert!(given.layer.due(&at(50)).is_empty(), "the answer of the other process is young enough");
    assert_eq!(given.layer.due(&at(100)).len(), 1);
    assert!(given.hear(200, "").is_some());
    assert_eq!(
        given.hear(300, "\"status:docked\"").as_deref(),
        Some("bead x-rig-a can be seen again and says docked")
    );
    assert_eq!(given.layer.said()[&name("a")].since, Some(at(0).wall));
    assert_eq!(given.hear(400, "\"gt:rig\"").as_deref(), Some("bead x-rig-a holds nothing"));
}

#[test]
fn a_rig_whose_agent_is_started_is_asked_about_soon_and_once() {
    let mut given = given(SH);
    given.hear(0, "\"gt:rig\"");
    given.layer.hurry(&name("a"));
    given.layer.hurry(&name("b"));
    assert_eq!(given.layer.until_due(&at(0)), Some(Duration::from_secs(1)), "as long as an answer may take");
    assert_eq!(given.hear(1, "\"status:docked\"").as_deref(), Some("bead x-rig-a says docked"));
    assert_eq!(given.layer.until_due(&at(1)), Some(Duration::from_secs(100)));
}

#[test]
fn law_11_a_bead_that_is_gone_lifts_no_hold() {
    let mut given = given(SH);
    assert_eq!(given.hear(0, "gone"), None);
    assert_eq!(given.label(), Seen::Known(RigLabel::Active), "a rig without a bead is not held");
    given.hear(100, "\"status:docked\"");
    assert!(given.hear(200, "gone").unwrap().contains("not there any more"));
    assert_eq!(given.label(), Seen::Known(RigLabel::Docked));
    given.hear(300, "\"gt:rig\"");
    assert_eq!(given.label(), Seen::Known(RigLabel::Active));
}

#[test]
fn another_prefix_is_another_bead_of_which_nothing_is_known() {
    let mut given = given(SH);
    given.hear(0, "\"status:docked\"");
    let rigs = r#"{"version":1,"rigs":{"a":{"beads":{"prefix":"z"}}}}"#;
    std::fs::write(given.dir.path().join("mayor/rigs.json"), rigs).unwrap();
    given.follow();
    assert_eq!(given.layer.due(&at(1))[0].question.bead, "z-rig-a");
    assert!(matches!(given.label(), Seen::Unknown(_)));
}

#[test]
fn an_answer_to_a_question_that_nobody_asks_any_more_is_passed_over() {
    let mut given = given(SH);
    let due = given.layer.due(&at(0)).remove(0);
    std::fs::remove_dir_all(given.dir.path().join("a/.beads")).unwrap();
    given.follow();
    assert_eq!(given.layer.hear(&due, Seen::Known(None), &at(1)), Heard { changed: false, news: None });
    assert!(given.layer.said().is_empty());
}

#[test]
fn each_key_of_the_table_changes_what_is_asked() {
    let due = |text: &str| given(text).layer.due(&at(0)).pop();
    assert_eq!(due("[beads]\nprogram = '/bin/sh'\nenabled = false\n"), None);
    assert!(given("[beads]\nprogram = '/bin/sh'\nenabled = false\n").layer.said().is_empty());
    assert_eq!(due("[beads]\nprogram = '/bin/cat'\n").unwrap().program, PathBuf::from("/bin/cat"));
    assert_eq!(due("[beads]\nprogram = '/bin/sh'\ntimeout = '3s'\n").unwrap().limit, Duration::from_secs(3));
    let mut slow = given("[beads]\nprogram = '/bin/sh'\nevery = '1h'\n");
    slow.hear(0, "\"gt:rig\"");
    assert_eq!(slow.layer.until_due(&at(0)), Some(Duration::from_secs(3600)));
}

#[test]
fn a_configured_program_that_is_nowhere_is_unreadable() {
    let given = given("[beads]\nprogram = 'no-such-program'\n");
    assert_eq!(given.layer.due(&at(0)), []);
    assert!(matches!(given.label(), Seen::Unknown(why) if why.0.contains("nowhere on")));
}
