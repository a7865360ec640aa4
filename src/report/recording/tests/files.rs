//! The files of a directory of recordings: on a disk in memory that fails on request, and once on a real one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;
use crate::machine::{Disk, ReadError as FileError, ThisMachine};
use crate::plan::tests::builders::NOW;

/// A disk in memory that fails on request.
#[derive(Default)]
struct Memory {
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    /// How many bytes of an append arrive before it fails; all, if none is said.
    takes: Mutex<Option<usize>>,
}

impl Memory {
    fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.files.lock().unwrap().keys().map(name).collect()
    }

    fn size(&self) -> usize {
        self.files.lock().unwrap().values().map(Vec::len).sum()
    }

    /// What reading tells: the numbers of passes, and the troubles.
    fn told(&self) -> (Vec<u64>, Vec<Trouble>) {
        let (mut passes, mut troubles) = (Vec::new(), Vec::new());
        read(self, Path::new(DIR), |found| match found {
            Found::Pass { pass, .. } => {
                assert!(compare(&pass.decided, &plan_of(pass)).is_none());
                passes.push(pass.number);
            }
            Found::Trouble(trouble) => troubles.push(trouble),
            Found::File(_) => {}
        })
        .unwrap();
        (passes, troubles)
    }
}

const DIR: &str = "/recordings";

fn nowhere<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Disk for Memory {
    fn read_text(&self, _: &Path, _: &str) -> Result<Option<String>, FileError> {
        Ok(None)
    }

    fn is_there(&self, _: &Path, _: &str) -> Result<bool, FileError> {
        Ok(false)
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }

    fn names(&self, _: &Path) -> Vec<String> {
        Vec::new()
    }

    fn directories(&self, _: &Path) -> io::Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    fn files(&self, _: &Path) -> io::Result<BTreeMap<String, u64>> {
        let files = self.files.lock().unwrap();
        Ok(self.names_of(&files))
    }

    fn is_locked(&self, _: &Path, _: &str) -> Result<bool, FileError> {
        Ok(false)
    }

    fn is_directory(&self, _: &Path) -> Seen<bool> {
        Seen::Known(false)
    }

    fn find_program(&self, _: &str, _: Option<&str>, _: &Path) -> (Seen<Option<PathBuf>>, String) {
        (Seen::Known(None), String::new())
    }

    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        self.files.lock().unwrap().get(path).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn read_part(&self, _: &Path, _: u64, _: u64) -> io::Result<crate::machine::Part> {
        nowhere()
    }

    fn replace(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        nowhere()
    }

    fn append(&self, path: &Path, bytes: &[u8], _: u64, _: &Path) -> io::Result<()> {
        let takes = self.takes.lock().unwrap().unwrap_or(bytes.len());
        let taken = &bytes[..takes.min(bytes.len())];
        self.files.lock().unwrap().entry(path.to_owned()).or_default().extend_from_slice(taken);
        if taken.len() == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.lock().unwrap().remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Memory {
    fn names_of(&self, files: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<String, u64> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|(path, bytes)| (name(path), bytes.len() as u64)).collect()
    }
}

fn recorder(second: i64, size: u64) -> Recorder {
    let now = jiff::Timestamp::from_second(1_700_000_000 + second).unwrap();
    Recorder::new(PathBuf::from(DIR), Path::new("/nowhere/town"), 7, now, size)
}

fn alternating(number: u64) -> Given {
    let given = pair().now(NOW + number);
    if number.is_multiple_of(2) { given.running("sessions/scribe") } else { given }
}

fn record(recorder: &mut Recorder, disk: &dyn Disk, given: &Given) {
    recorder.pass(disk, &inputs(given), &given.plan());
}

#[test]
fn recordings_stay_within_their_size_and_tell_what_was_dropped() {
    let disk = Memory::default();
    let foreign = PathBuf::from(DIR).join("diary.jsonl");
    disk.files.lock().unwrap().insert(foreign.clone(), vec![b'x'; 100_000]);
    let size = 80_000;
    let (mut first, mut second) = (recorder(0, size), recorder(1, size));
    for number in 0..200 {
        record(&mut first, &disk, &alternating(number));
    }
    assert!(disk.names().len() > 2, "{:?}", disk.names());
    for number in 0..1500 {
        record(&mut second, &disk, &alternating(number));
        let longest_line = 20_000;
        assert!(disk.size() < 100_000 + 80_000 + longest_line);
    }
    assert!(disk.files.lock().unwrap().contains_key(&foreign), "only recordings are dropped");
    let (passes, troubles) = disk.told();
    assert_eq!(passes.last(), Some(&1500));
    let first_kept = passes[0];
    assert!(passes.iter().copied().eq(first_kept..=1500), "the newest ones are kept");
    let is_told = |trouble: &Trouble| match trouble {
        Trouble::Missing { from: 1, to, .. } => *to == first_kept - 1,
        _ => false,
    };
    assert!(troubles.iter().any(is_told), "{troubles:?}");
    assert!(
        troubles.iter().any(|one| matches!(one, Trouble::Dropped { files, .. } if *files > 3)),
        "{troubles:?}"
    );
    assert!(!troubles.iter().any(Trouble::is_damage), "{troubles:?}");
}

#[test]
fn a_full_disk_costs_passes_and_the_gap_is_told() {
    for takes in [0, 1, 100] {
        let disk = Memory::default();
        let mut recorder = recorder(0, SIZE_DEFAULT);
        for number in 0..10 {
            record(&mut recorder, &disk, &alternating(number));
        }
        *disk.takes.lock().unwrap() = Some(takes);
        for number in 10..15 {
            record(&mut recorder, &disk, &alternating(number));
        }
        *disk.takes.lock().unwrap() = None;
        // It is tried again after a while, and not with each pass.
        for number in 15..40 {
            record(&mut recorder, &disk, &alternating(number));
        }
        let (passes, troubles) = disk.told();
        assert!(passes.iter().copied().eq((1..=10).chain(21..=40)), "{passes:?}");
        let missing = |one: &Trouble| matches!(one, Trouble::Missing { from: 11, to: 20, .. });
        assert!(troubles.iter().any(missing), "{takes}: {troubles:?}");
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_leaves_one_file() {
    let disk = Memory::default();
    *disk.takes.lock().unwrap() = Some(5);
    let mut recorder = recorder(0, SIZE_DEFAULT);
    for number in 0..100 {
        record(&mut recorder, &disk, &alternating(number));
    }
    assert_eq!(disk.names().len(), 1);
    *disk.takes.lock().unwrap() = None;
    for number in 100..120 {
        record(&mut recorder, &disk, &alternating(number));
    }
    let (passes, troubles) = disk.told();
    assert_eq!(passes.last(), Some(&120));
    assert!(troubles.iter().any(|one| matches!(one, Trouble::Missing { from: 1, .. })), "{troubles:?}");
}

/// A recording of ten passes, as one file.
fn ten_passes() -> Vec<u8> {
    let disk = Memory::default();
    let mut recorder = recorder(0, SIZE_DEFAULT);
    for number in 0..10 {
        record(&mut recorder, &disk, &alternating(number));
    }
    let files = disk.files.lock().unwrap();
    files.values().next().unwrap().clone()
}

fn told_of(bytes: Vec<u8>) -> (Vec<u64>, Vec<Trouble>) {
    let disk = Memory::default();
    disk.files.lock().unwrap().insert(PathBuf::from(DIR).join("20231114T221320.000Z-7-0001.jsonl"), bytes);
    disk.told()
}

#[test]
fn a_recording_cut_at_any_byte_is_read_up_to_there_and_the_torn_line_is_told() {
    let ten = ten_passes();
    let four = ten.split_inclusive(|byte| *byte == b'\n').take(5);
    let whole: Vec<u8> = four.flatten().copied().collect();
    for end in 1..whole.len() {
        let (passes, troubles) = told_of(whole[..end].to_vec());
        let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count();
        let is_at_an_end = whole[end - 1] == b'\n' || whole[end] == b'\n';
        let complete = if whole[end - 1] != b'\n' && is_at_an_end { lines + 1 } else { lines };
        assert!(passes.iter().copied().eq(1..complete as u64), "cut at {end}: {passes:?}");
        match &troubles[..] {
            [] => assert!(is_at_an_end, "cut at {end}"),
            [Trouble::Torn { line, .. }] => assert_eq!(*line, lines + 1, "cut at {end}"),
            other => panic!("cut at {end}: {other:?}"),
        }
    }
}

#[test]
fn damage_within_is_told_with_its_line_and_costs_what_builds_on_it() {
    let whole = String::from_utf8(ten_passes()).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    lines[4] = "{\"pass\":{}}";
    let (passes, troubles) = told_of(lines.join("\n").into_bytes());
    assert_eq!(passes, [1, 2, 3]);
    assert!(
        matches!(&troubles[..], [Trouble::Damaged { line: 5, .. }, Trouble::Missing { from: 4, to: 10, .. }]),
        "{troubles:?}"
    );
    // A line that somebody took out is no less a hole.
    lines.remove(4);
    let (passes, troubles) = told_of(lines.join("\n").into_bytes());
    assert_eq!(passes, [1, 2, 3]);
    assert!(matches!(troubles[0], Trouble::Damaged { line: 5, .. }), "{troubles:?}");
    assert!(troubles[0].to_string().contains("builds on one that cannot be read"), "{}", troubles[0]);
}

#[test]
fn after_damage_it_goes_on_with_the_next_line_that_tells_all() {
    let mut encoder = Encoder::default();
    let mut bytes = encode::head(Head {
        form: form::FORM,
        gtctl: "0".to_owned(),
        town: "/".to_owned(),
        file: 1,
        dropped_files: 0,
        dropped_bytes: 0,
    })
    .unwrap();
    for number in 1..=1200 {
        let given = alternating(number);
        let line = encoder.pass(number, &inputs(&given), &given.plan()).unwrap();
        bytes.extend(if number == 3 { b"?\n".to_vec() } else { line });
    }
    let (passes, _) = told_of(bytes);
    assert_eq!((passes[0], passes[1], passes.last()), (1, 2, Some(&1200)));
    assert!(passes[2] > 3 && passes[2] < 600, "{}", passes[2]);
    assert!(passes[2..].iter().copied().eq(passes[2]..=1200));
}

#[test]
fn another_form_is_refused_and_not_guessed_at() {
    let head =
        r#"{"head":{"form":2,"gtctl":"9.9.9","town":"/t","file":1,"dropped-files":0,"dropped-bytes":0}}"#;
    let whole = String::from_utf8(ten_passes()).unwrap();
    let rest = whole.split_once('\n').unwrap().1;
    let (passes, troubles) = told_of(format!("{head}\n{rest}").into_bytes());
    assert_eq!(passes, [0; 0]);
    assert!(matches!(&troubles[..], [Trouble::Damaged { line: 1, why, .. }] if why.0.contains("9.9.9")));
}

#[test]
fn a_path_that_is_no_text_is_told_and_the_passes_go_on() {
    use std::os::unix::ffi::OsStringExt;
    let disk = Memory::default();
    let mut recorder = recorder(0, SIZE_DEFAULT);
    let mut given = alternating(0);
    given.desired.root = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
    record(&mut recorder, &disk, &given);
    record(&mut recorder, &disk, &alternating(60));
    let (passes, troubles) = disk.told();
    assert_eq!(passes, [2]);
    assert!(matches!(&troubles[..], [Trouble::Missing { from: 1, to: 1, .. }]), "{troubles:?}");
}

#[test]
fn only_names_that_a_recorder_gives_are_recordings() {
    let disk = Memory::default();
    record(&mut recorder(0, SIZE_DEFAULT), &disk, &alternating(0));
    assert_eq!(disk.names(), ["20231114T221320.000Z-7-0001.jsonl"]);
    assert!(is_recording(&disk.names()[0]));
    for other in
        ["events.jsonl", "20231114T221320.000Z-7-0001.json", "20231114T221320.000Z-7.jsonl", "a-7-1.jsonl"]
    {
        assert!(!is_recording(other), "{other}");
    }
}

#[test]
fn a_recording_on_a_real_disk_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/recordings");
    let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let mut recorder = Recorder::new(path.clone(), Path::new("/t"), 7, now, SIZE_DEFAULT);
    record(&mut recorder, &ThisMachine::new(), &alternating(0));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let file = ThisMachine::new().files(&path).unwrap().into_keys().next().unwrap();
    assert_eq!(mode(&path.join(file)), 0o600);
}
