//! All files of a town together.

use std::fs;
use std::path::Path;

use super::*;
use crate::report::diagnostics;

/// A town with these files.
fn town(files: &[(&str, &str)]) -> (tempfile::TempDir, TownRoot) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("mayor")).unwrap();
    for (file, text) in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = TownRoot::at(directory.path()).unwrap();
    (directory, root)
}

fn example(name: &str) -> TownFiles {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let root = TownRoot::at(&path).unwrap();
    read_all(&crate::machine::ThisMachine::new(), &root)
        .unwrap_or_else(|found| panic!("{}", diagnostics::short(&found, &|_| None)))
}

fn names(rigs: &BTreeSet<Name>) -> Vec<&str> {
    rigs.iter().map(Name::as_str).collect()
}

#[test]
fn the_examples_are_good() {
    assert_eq!(example("minimal").town.unwrap().toml.sessions.len(), 2);
    let full = example("full");
    assert!(full.warnings.is_empty());
    assert_eq!(names(&full.rig_names()), ["beads", "gastown"]);
    assert_eq!(full.patrol("refinery").rigs, Some(BTreeSet::from(["beads".to_owned()])));
    let beads = Name::parse("beads").unwrap();
    let Seen::Known(Some(wisp)) = &full.wisps[&beads] else { panic!() };
    assert_eq!(wisp.auto_restart, AutoRestart::No);
}

#[test]
fn the_full_example_uses_every_key() {
    fn missing(
        root: &serde_json::Value,
        path: &mut Vec<String>,
        data: &serde_json::Value,
        found: &mut Vec<String>,
    ) {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let schema = crate::town::schema::at(root, &keys).unwrap();
        let properties = schema.get("properties").and_then(|one| one.as_object()).into_iter().flatten();
        // A role's table has many places; `[roles.…]` stands for all of them.
        let once = path.first().is_some_and(|first| first == "roles") || path.len() > 3;
        found.extend(
            properties
                .filter(|(key, _)| !once && data.get(key).is_none())
                .map(|(key, _)| format!("{keys:?} {key}")),
        );
        for (key, value) in
            data.as_object().into_iter().flatten().filter(|(key, _)| *key != "helper" && *key != "tester")
        {
            path.push(key.clone());
            missing(root, path, value, found);
            path.pop();
        }
    }
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/full/town.toml")).unwrap();
    let document = toml_edit::Document::parse(text.as_str()).unwrap();
    let mut found = Vec::new();
    missing(
        &crate::town::schema::schema(),
        &mut Vec::new(),
        &town_toml::to_json(document.as_table()),
        &mut found,
    );
    // A session has a command or an agent, and the scribe has the command.
    assert_eq!(found, ["[\"sessions\", \"scribe\"] agent"]);
}

#[test]
fn an_empty_workspace_is_a_town_that_says_nothing() {
    let (_directory, root) = town(&[]);
    let files = read_all(&crate::machine::ThisMachine::new(), &root).unwrap();
    assert!(files.town.is_none() && files.rigs.is_none() && files.rig_names().is_empty());
    assert!(files.patrol("deacon").enabled);
}

#[test]
fn s73_the_mistakes_of_all_files_are_reported_at_once() {
    let (_directory, root) =
        town(&[("town.toml", "foo = 1\n"), ("mayor/rigs.json", "{"), ("mayor/daemon.json", "")]);
    let found = read_all(&crate::machine::ThisMachine::new(), &root).unwrap_err();
    let text = diagnostics::short(&found, &|file| fs::read_to_string(root.path().join(file)).ok());
    insta::assert_snapshot!(text, @r#"
    town.toml:1:1: error: unknown key `foo` (allowed: agents, backoff, beads, boot, controller, convoys, crash-loop, defaults, feed, limits, mail, mass-death, orphans, polecats, rigs, roles, sessions, town, usage-limit)
    mayor/rigs.json:1:1: error: not valid JSON: unterminated object
    mayor/daemon.json: error: mayor/daemon.json is empty
    "#);
}

#[test]
fn a_table_for_a_rig_that_does_not_exist_is_a_warning() {
    let (_directory, root) = town(&[
        ("town.toml", "[rigs.gastwn]\nstate = 'parked'\n"),
        ("mayor/rigs.json", "{\"rigs\":{\"gastown\":{}}}"),
    ]);
    let files = read_all(&crate::machine::ThisMachine::new(), &root).unwrap();
    assert_eq!(names(&files.rig_names()), ["gastown"]);
    let text =
        diagnostics::render(&files.warnings, &|file| fs::read_to_string(root.path().join(file)).ok(), false);
    insta::assert_snapshot!(text, @r#"
    warning: rig `gastwn` is not in mayor/rigs.json
     --> town.toml:1:7
      |
    1 | [rigs.gastwn]
      |       ^^^^^^ nothing runs for it
      |
      = help: did you mean `gastown`?
    "#);
    assert_eq!(files.wisps.len(), 2);
}

#[test]
fn without_rigs_json_the_tables_are_the_rigs() {
    let (_directory, root) =
        town(&[("town.toml", "[rigs.a]\n[rigs.b]\n"), (".beads-wisp/config/a.json", "{")]);
    let files = read_all(&crate::machine::ThisMachine::new(), &root).unwrap();
    assert_eq!(names(&files.rig_names()), ["a", "b"]);
    assert!(matches!(files.wisps[&Name::parse("a").unwrap()], Seen::Unknown(_)));
    assert!(matches!(files.wisps[&Name::parse("b").unwrap()], Seen::Known(None)));
}

#[test]
fn law_1_a_directory_of_gt_s_that_cannot_be_looked_at_is_not_taken_for_none() {
    for path in ["mayor", "deacon"] {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(path, directory.path().join(path)).unwrap();
        fs::write(directory.path().join("town.toml"), "").unwrap();
        let root = TownRoot::at(directory.path()).unwrap();
        let found = read_all(&crate::machine::ThisMachine::new(), &root).unwrap_err();
        let told = found.iter().any(|one| one.title.starts_with("whether") && one.title.contains(path));
        assert!(told, "{path}: {found:?}");
    }
}
