//! Faults of files, wishes of people, disks that refuse, places that go.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};

use super::generator::{Fault, Kind};
use super::history::now;
use super::nemesis::{Nemesis, Undo};
use super::town::{KEPT, RIGS, WISP_OF_THE_RESTING, parking_wisp};

const LEDGER: &str = "daemon/gtctl/ledger.json";

/// What can become of a file.
#[derive(Debug, Clone, Copy)]
enum Break {
    Empty,
    Torn,
    Garbage,
    Directory,
    Missing,
}

impl Nemesis<'_> {
    fn is_town_toml_broken(&self) -> bool {
        self.is_pending(|undo| *undo == Undo::TownToml)
    }

    pub(super) fn break_file(&mut self, fault: Fault) -> Option<()> {
        let all = [Break::Empty, Break::Torn, Break::Garbage, Break::Directory, Break::Missing];
        let (file, undo, ways) = match fault.kind {
            Kind::BreakTownToml => ("town.toml", Undo::TownToml, all.as_slice()),
            Kind::BreakRigs => ("mayor/rigs.json", Undo::Rigs, all.as_slice()),
            // That it is gone is how gt unparks.
            Kind::BreakWisp => (WISP_OF_THE_RESTING, Undo::Wisp, &all[..4]),
            _ => return self.rename_storm(fault),
        };
        if self.is_pending(|pending| *pending == undo) {
            return None;
        }
        let way = ways[fault.shade % ways.len()];
        self.tell(fault, format!("{file}: {way:?} for {:?}", fault.lasts));
        if fault.kind != Kind::BreakWisp {
            self.history(|history| history.broken.begin(file, now()));
        }
        let path = self.town.path(file);
        let text = fs::read_to_string(&path).ok()?;
        // In place, as an editor without manners does it.
        match way {
            Break::Empty => fs::write(&path, "").ok()?,
            Break::Torn => fs::write(&path, torn(&text, fault.shade)).ok()?,
            Break::Garbage => fs::write(&path, b"\xff\xfe\0{{{[[[").ok()?,
            Break::Directory => {
                let away = path.with_extension("away");
                fs::create_dir(&away).ok()?;
                exchange(&path, &away)?;
                fs::remove_file(&away).ok()?;
            }
            Break::Missing => fs::remove_file(&path).ok()?,
        }
        self.later(fault, undo);
        Some(())
    }

    pub(super) fn mend_file(&mut self, undo: &Undo) {
        let file = match undo {
            Undo::TownToml => "town.toml",
            Undo::Rigs => "mayor/rigs.json",
            _ => WISP_OF_THE_RESTING,
        };
        // A file takes the place of a directory at one moment: that a wisp file is gone is how gt unparks.
        let (path, away) = (self.town.path(file), self.town.path(file).with_extension("away"));
        if path.is_dir() && fs::write(&away, "").is_ok() {
            exchange(&path, &away);
            let _ = fs::remove_dir(&away);
        }
        match undo {
            Undo::TownToml => self.town.write_town_toml(),
            Undo::Rigs => {
                let all: Vec<&str> = RIGS.into_iter().chain(["parked", "wisp"]).collect();
                self.town.list_rigs(&all);
            }
            _ => self.town.file(WISP_OF_THE_RESTING, &parking_wisp("wisp")),
        }
        self.history(|history| {
            history.broken.end(file, now());
            // A wish that could not be read until now is only a wish from now on.
            history.resting.values_mut().for_each(|spans| spans.begin_again(now()));
        });
    }

    fn rename_storm(&mut self, fault: Fault) -> Option<()> {
        if self.is_town_toml_broken() {
            return None;
        }
        self.tell(fault, "town.toml is replaced by its like, again and again");
        for _ in 0..30 {
            self.town.write_town_toml();
        }
        Some(())
    }

    pub(super) fn wish(&mut self, fault: Fault) -> Option<()> {
        let rig = RIGS[fault.target % RIGS.len()];
        match fault.kind {
            Kind::EmergencyStop => {
                if self.is_pending(|undo| *undo == Undo::EmergencyStop) {
                    return None;
                }
                self.tell(fault, format!("for {:?}", fault.lasts));
                self.town.file("ESTOP", "");
                for kept in KEPT {
                    self.rest(kept.object, "ESTOP");
                }
                self.later(fault, Undo::EmergencyStop);
                return Some(());
            }
            _ if self.is_town_toml_broken() => return None,
            Kind::EditSpec => {
                let name = ["ok", "hang", "deaf", "fork", "quiet", "loose", "echo"][fault.target % 7];
                self.tell(fault, name);
                self.history(|history| history.edited.insert(format!("sessions/{name}")));
                self.number += 1;
                self.town.set(&format!("sessions.{name}"), &format!("env = {{ NOTE = '{}' }}", self.number));
                return Some(());
            }
            _ => {}
        }
        let is_park = |undo: &Undo| matches!(undo, Undo::Unpark(_) | Undo::UnparkByWisp(_) | Undo::UnparkAll);
        match fault.kind {
            Kind::ParkAll => {
                // What is being stopped already is no part of a mass stop.
                let rests =
                    self.history(|history| history.to_stop.values().any(|spans| spans.touches(now(), 10.0)));
                if rests || self.is_pending(is_park) {
                    return None;
                }
                self.tell(fault, format!("for {:?}", fault.lasts));
                RIGS.iter().for_each(|rig| self.ask_to_stop(rig, "state"));
                let tables = RIGS.map(|rig| format!("rigs.{rig}"));
                self.town.set_in_each(&tables.each_ref().map(String::as_str), "state = 'parked'");
                RIGS.iter().for_each(|rig| self.rest_of(rig, "state"));
                self.history(|history| {
                    history.mass_stop = RIGS.iter().flat_map(|rig| objects_of(rig)).collect();
                });
                self.later(fault, Undo::UnparkAll);
            }
            _ if self.is_pending(|undo| *undo == Undo::UnparkAll) => return None,
            Kind::Park => {
                if self.is_pending(|undo| *undo == Undo::Unpark(rig)) {
                    return None;
                }
                self.tell(fault, format!("{rig} for {:?}", fault.lasts));
                self.ask_to_stop(rig, "state");
                self.town.set(&format!("rigs.{rig}"), "state = 'parked'");
                self.rest_of(rig, "state");
                self.later(fault, Undo::Unpark(rig));
            }
            _ => {
                if self.is_pending(|undo| *undo == Undo::UnparkByWisp(rig)) {
                    return None;
                }
                self.tell(fault, format!("{rig} for {:?}", fault.lasts));
                self.ask_to_stop(rig, "wisp");
                self.town.file(&wisp_of(rig), &parking_wisp(rig));
                self.rest_of(rig, "wisp");
                self.later(fault, Undo::UnparkByWisp(rig));
            }
        }
        Some(())
    }

    fn rest(&self, object: &str, cause: &str) {
        self.history(|history| {
            history.resting.entry(object.to_owned()).or_default().begin(cause, now());
        });
    }

    fn rest_of(&self, rig: &str, cause: &str) {
        objects_of(rig).iter().for_each(|object| self.rest(object, cause));
    }

    fn ask_to_stop(&self, rig: &str, cause: &str) {
        self.history(|history| {
            for object in objects_of(rig) {
                history.to_stop.entry(object).or_default().begin(cause, now());
            }
        });
    }

    /// The wish is over: before its file is changed nothing rests any more, after it nothing is asked to stop.
    pub(super) fn withdraw(&mut self, undo: &Undo) {
        let (rigs, cause): (&[&str], &str) = match undo {
            Undo::Unpark(rig) => (std::slice::from_ref(rig), "state"),
            Undo::UnparkByWisp(rig) => (std::slice::from_ref(rig), "wisp"),
            Undo::UnparkAll => (&RIGS, "state"),
            _ => (&[], "ESTOP"),
        };
        self.history(|history| {
            if *undo == Undo::UnparkAll {
                history.mass_stop.clear();
            }
            let of_rigs = rigs.iter().flat_map(|rig| objects_of(rig));
            let all = if cause == "ESTOP" {
                KEPT.iter().map(|kept| kept.object.to_owned()).collect()
            } else {
                of_rigs.collect::<Vec<_>>()
            };
            for object in all {
                history.resting.entry(object.clone()).or_default().end(cause, now());
                // A stop that was carried out ends the count.
                history.resets.push((now(), Some(object)));
            }
        });
        match undo {
            Undo::Unpark(_) | Undo::UnparkAll => {
                // Writing it would mend it anyway, unless it is a directory.
                self.undo.retain(|(_, undo)| *undo != Undo::TownToml);
                self.mend_file(&Undo::TownToml);
                let tables: Vec<String> = rigs.iter().map(|rig| format!("rigs.{rig}")).collect();
                let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
                self.town.set_in_each(&tables, "state = 'active'");
            }
            Undo::UnparkByWisp(rig) => drop(fs::remove_file(self.town.path(&wisp_of(rig)))),
            _ => drop(fs::remove_file(self.town.path("ESTOP"))),
        }
        self.history(|history| {
            for object in rigs.iter().flat_map(|rig| objects_of(rig)) {
                history.to_stop.entry(object).or_default().end(cause, now());
            }
        });
    }

    /// The disk refuses the ledger: a directory in its place, a file in the place of its directory, or a torn file.
    pub(super) fn refuse_ledger(&mut self, fault: Fault) -> Option<()> {
        if self.is_pending(|undo| matches!(undo, Undo::Ledger(_))) {
            return None;
        }
        let (ledger, directory) = (self.town.path(LEDGER), self.town.path("daemon/gtctl"));
        let way = fault.shade % 3;
        let away = |path: &Path| path.with_extension("away");
        // Exchanged in one step: a ledger that is not there for a moment would be an empty memory.
        match way {
            0 => {
                fs::create_dir(away(&ledger)).ok()?;
                exchange(&ledger, &away(&ledger))?;
            }
            1 => {
                fs::write(away(&directory), "").ok()?;
                exchange(&directory, &away(&directory))?;
            }
            _ => {
                fs::copy(&ledger, away(&ledger)).ok()?;
                let text = fs::read(&ledger).ok()?;
                fs::write(&ledger, &text[..text.len() / 2]).ok()?;
            }
        }
        self.tell(fault, format!("way {way}, for {:?}", fault.lasts));
        if way < 2 {
            self.history(|history| history.forgetful.begin("ledger", now()));
            self.bait(fault, false);
        }
        self.later(fault, Undo::Ledger(way));
        Some(())
    }

    pub(super) fn mend_ledger(&mut self, way: usize) {
        let (ledger, directory) = (self.town.path(LEDGER), self.town.path("daemon/gtctl"));
        self.history(|history| history.forgetful.end("ledger", now()));
        let away = |path: &Path| path.with_extension("away");
        match way {
            0 => {
                exchange(&ledger, &away(&ledger));
                let _ = fs::remove_dir_all(away(&ledger));
            }
            1 => {
                exchange(&directory, &away(&directory));
                let _ = fs::remove_file(away(&directory));
            }
            _ => {
                // What was counted since may be lost, if nobody has written a whole one meanwhile.
                self.history(|history| history.resets.push((now(), None)));
                let text = fs::read_to_string(&ledger).unwrap_or_default();
                let copy = ledger.with_extension("away");
                if serde_json::from_str::<serde_json::Value>(&text).is_err() {
                    let _ = fs::rename(copy, &ledger);
                } else {
                    let _ = fs::remove_file(copy);
                }
            }
        }
    }

    pub(super) fn remove_place(&mut self, fault: Fault) -> Option<()> {
        let (undo, path) = match fault.kind {
            Kind::RemoveDirectory => (Undo::Directory, self.town.path("work")),
            _ => (Undo::Program, self.town.root().join("agents/ok.sh")),
        };
        if self.is_pending(|pending| *pending == undo) {
            return None;
        }
        fs::rename(&path, path.with_extension("away")).ok()?;
        self.tell(fault, format!("{} for {:?}", path.display(), fault.lasts));
        self.later(fault, undo);
        Some(())
    }

    pub(super) fn put_back(&mut self, undo: &Undo) {
        let path = match undo {
            Undo::Directory => self.town.path("work"),
            _ => self.town.root().join("agents/ok.sh"),
        };
        let _ = fs::rename(path.with_extension("away"), path);
    }
}

/// Two files or directories change places, at one moment.
fn exchange(one: &Path, other: &Path) -> Option<()> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).ok()
}

fn objects_of(rig: &str) -> [String; 2] {
    [format!("{rig}/witness"), format!("{rig}/refinery")]
}

fn wisp_of(rig: &str) -> String {
    format!(".beads-wisp/config/{rig}.json")
}

/// The beginning of a file, cut where it cannot be taken for a whole one: within the string that follows a bracket or a colon.
fn torn(text: &str, shade: usize) -> &str {
    let places: Vec<usize> =
        text.match_indices("[\"").chain(text.match_indices(":\"")).map(|(at, _)| at + 3).collect();
    let end = places.get(shade % places.len().max(1)).copied().unwrap_or(0);
    &text[..end.min(text.len())]
}
