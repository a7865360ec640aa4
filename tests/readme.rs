//! What the documentation says is so: its examples parse, its verbs, codes, tests, files and numbers exist.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gtctl::cli::exit;
use gtctl::desired::Policy;
use gtctl::ledger::{Cause, Ledger};
use gtctl::model::{Address, BootId, SpecHash, Stamp};
use gtctl::sim::faults::FAULTS;
use gtctl::town::files::town_toml::parse_town_toml;
use gtctl::town::source::Source;

/// The project's directory.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page of the documentation, by its path.
fn pages() -> Vec<(String, String)> {
    let mut paths: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/scenarios.md"]
            .map(str::to_owned)
            .to_vec();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// The fenced blocks of a page: language, line of the fence, text.
fn blocks(page: &str) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.trim().to_owned(), index + 1, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    found
}

/// The rows of all tables of a page, as cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    page.lines().filter_map(cells).collect()
}

/// `x` of a cell that is nothing but `` `x` ``.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

fn help() -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_gtctl")).arg("--help").output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

/// The verbs of `gtctl --help`, with their aliases.
fn verbs() -> (BTreeSet<String>, BTreeSet<String>) {
    let help = help();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let is_verb = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let names: BTreeSet<String> =
        commands.lines().filter(is_verb).filter_map(first).filter(|verb| verb != "help").collect();
    let flat = commands.split_whitespace().collect::<Vec<_>>().join(" ");
    let aliases = flat.split("[alias: ").skip(1).filter_map(|rest| rest.split(']').next()).map(str::to_owned);
    (names, aliases.collect())
}

/// The words that follow `gtctl ` where a command begins: in code, or after a prompt.
fn verbs_mentioned(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["`gtctl ", "$ gtctl "] {
        for rest in page.split(start).skip(1) {
            let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if !word.is_empty() && !word.starts_with('-') {
                found.insert(word);
            }
        }
    }
    found
}

#[test]
fn every_toml_block_is_a_valid_town_toml() {
    let mut count = 0;
    for (path, page) in pages() {
        for (_, line, text) in blocks(&page).into_iter().filter(|(language, _, _)| language == "toml") {
            let source = Source { file: format!("{path}:{line}"), text };
            if let Err(mistakes) = parse_town_toml(source) {
                panic!("{path}, block at line {line}: {mistakes:#?}");
            }
            count += 1;
        }
    }
    assert!(count >= 2, "the README has examples");
}

#[test]
fn every_verb_that_is_mentioned_exists_and_the_readme_has_them_all() {
    let (names, aliases) = verbs();
    for (path, page) in pages() {
        for verb in verbs_mentioned(&page) {
            assert!(names.contains(&verb) || aliases.contains(&verb), "{path} mentions `gtctl {verb}`");
        }
    }
    let mentioned = verbs_mentioned(&read("README.md"));
    let missing: Vec<_> = names.union(&aliases).filter(|verb| !mentioned.contains(*verb)).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
}

#[test]
fn every_exit_code_is_in_the_readme_and_no_other() {
    let number = |text: &str| text.parse::<u8>().ok();
    let in_readme: BTreeSet<u8> =
        rows(&read("README.md")).iter().filter_map(|row| number(row.first()?)).collect();
    let in_help: BTreeSet<u8> =
        exit::HELP.lines().filter_map(|line| number(line.split_whitespace().next()?)).collect();
    assert_eq!(in_readme, in_help);
}

#[test]
fn every_reason_is_explained_and_no_other() {
    let source = read("src/model/reason.rs");
    let arms = source.split("pub fn code(").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let codes: BTreeSet<&str> =
        arms.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(codes.len() > 30, "{codes:?}");
    let page = read("docs/reasons.md");
    let rows = rows(&page);
    let explained: Vec<&str> = rows.iter().filter_map(|row| code(row.first()?)).collect();
    assert_eq!(explained.iter().copied().collect::<BTreeSet<_>>(), codes);
    assert_eq!(explained.len(), codes.len(), "each once");
    for row in &rows {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

#[test]
fn every_kind_of_fault_is_explained_as_the_verb_explains_it_and_no_other() {
    let explained: Vec<(String, String)> = rows(&read("docs/simulate.md"))
        .into_iter()
        .filter_map(|row| Some((code(row.first()?)?.to_owned(), row.get(1)?.clone())))
        .collect();
    let known: Vec<(String, String)> =
        FAULTS.iter().map(|fault| (fault.name.to_owned(), fault.text.to_owned())).collect();
    assert_eq!(explained, known);
}

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = String::new();
    let mut todo = vec![root().join("src"), root().join("tests")];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let is_test = |word: &str| {
        let of_a_scenario =
            word.strip_prefix(['s', 't']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        (of_a_scenario || word.starts_with("law_")) && word.contains('_') && !word.contains(' ')
    };
    let mut count = 0;
    for (path, page) in pages() {
        for word in page.split('`').filter(|word| is_test(word)) {
            assert!(sources.contains(&format!("fn {word}(")), "{path} names {word}");
            count += 1;
        }
    }
    assert!(count >= 13, "each law has a test");
}

#[test]
fn every_trap_of_tmux_has_a_row_and_every_row_a_test_in_its_file() {
    let mut traps = Vec::new();
    for row in rows(&read("tests/scenarios.md")) {
        let [trap, _, file, test] = &row[..] else { continue };
        let Some(number) = trap.strip_prefix('T').and_then(|number| number.parse::<u32>().ok()) else {
            continue;
        };
        traps.push(number);
        if test == "open" {
            assert!(file.is_empty(), "{trap} is open, and {file} has its test");
            continue;
        }
        let test = code(test).unwrap_or_else(|| panic!("{trap} names no test: {test}"));
        let source = read(&format!("tests/{file}"));
        assert!(source.contains(&format!("#[test]\nfn {test}()")), "{trap}: {file} has no test {test}");
        let of_a_trap = test.strip_prefix('t').and_then(|rest| rest.get(..2)?.parse::<u32>().ok());
        assert!(of_a_trap.is_none_or(|other| other == number), "{trap} names {test}");
    }
    assert_eq!(traps, (1..=18).collect::<Vec<_>>());
}

#[test]
fn every_law_has_a_test_in_the_readme() {
    let readme = read("README.md");
    let promises = readme.split("## Safety promises").nth(1).unwrap().split("\n## ").next().unwrap();
    for law in 1..=13 {
        let item = promises.split(&format!("\n{law:>2}. **")).nth(1).unwrap_or_else(|| panic!("law {law}"));
        let item = item.split(". **").next().unwrap();
        assert!(item.contains("`s") || item.contains("`law_"), "law {law}: {item}");
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for (path, page) in pages() {
        let directory = root().join(Path::new(&path).parent().unwrap());
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || link.contains("://");
            assert!(elsewhere || directory.join(file).exists(), "{path} links to {link}");
        }
    }
}

#[test]
fn every_file_of_the_code_that_is_named_exists() {
    for (path, page) in pages() {
        let is_file =
            |word: &&str| (word.starts_with("src/") || word.starts_with("tests/")) && !word.contains('…');
        for word in page.split('`').filter(is_file) {
            assert!(root().join(word).exists(), "{path} names {word}");
        }
    }
}

#[test]
fn the_table_of_waits_is_what_the_ledger_does() {
    let page = read("docs/decisions.md");
    let table: Vec<Vec<String>> =
        rows(&page).into_iter().filter(|row| row.len() == 4 && row[0].parse::<usize>().is_ok()).collect();
    assert_eq!(table.len(), 8);
    let start = Stamp {
        boot: BootId("boot".to_owned()),
        since_boot: Duration::ZERO,
        wall: jiff::Timestamp::from_second(1_000_000).unwrap(),
    };
    let waits = |chance: f64| -> Vec<u64> {
        let mut ledger = Ledger::default();
        let spec = SpecHash::from_hex("0123456789ab").unwrap();
        let mut now = start.clone();
        let mut waits = Vec::new();
        for index in 0..=table.len() {
            let cause = if index == 0 { Cause::First } else { Cause::CleanExit };
            ledger.strike(&Address::Deacon, cause, &spec, &Policy::default(), &now, chance);
            let until = ledger.record(&Address::Deacon).not_before.unwrap_or_else(|| now.clone());
            waits.push(now.until(&until).as_secs());
            now = until;
        }
        waits
    };
    let (low, middle, high) = (waits(0.0), waits(0.5), waits(1.0));
    let mut sum = 0;
    for (index, row) in table.iter().enumerate() {
        sum += middle[index];
        let jitter =
            if high[index] == 0 { "0s".to_owned() } else { format!("{}s to {}s", low[index], high[index]) };
        let expected = [format!("{}", index + 1), format!("{}s", middle[index]), jitter, format!("{sum}s")];
        assert_eq!(*row, expected);
    }
}
