//! Which town is meant, decided once, before anything is read.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::TownId;

/// The directory of a town: real, absolute, without symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownRoot {
    path: PathBuf,
}

impl TownRoot {
    /// Takes a directory for a town. It must hold a `town.toml` or a `mayor/` directory, and not be a rig of a town around
    /// it: a rig has a `mayor/` directory of its own.
    pub fn at(path: &Path) -> Result<Self, LocateError> {
        let path = path
            .canonicalize()
            .map_err(|source| LocateError::Unreadable { path: path.to_owned(), source })?;
        if !is_town(&path) {
            return Err(LocateError::NotATown { path });
        }
        match town_of_rig(&path) {
            Some(town) => Err(LocateError::Rig { path, town }),
            None => Ok(Self { path }),
        }
    }

    /// Takes a path for a town without looking: for a town that exists in memory alone.
    pub fn imagined(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells this town from every other on the machine: the first 12 hex digits of the SHA-256 of its path.
    pub fn id(&self) -> TownId {
        let digest = Sha256::digest(self.path.as_os_str().as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let Some(id) = TownId::from_hex(&hex) else { unreachable!("a SHA-256 has 64 lower-case hex digits") };
        id
    }

    /// Where gt's daemon, and gtctl in its place, keep their files.
    pub fn daemon_dir(&self) -> PathBuf {
        self.path.join("daemon")
    }

    /// Where gtctl keeps its own.
    pub fn gtctl_dir(&self) -> PathBuf {
        self.path.join("daemon/gtctl")
    }
}

/// What can name a town.
#[derive(Debug, Clone, Copy)]
pub struct Where<'a> {
    /// `--town`.
    pub flag: Option<&'a Path>,
    /// The working directory, absolute.
    pub cwd: &'a Path,
    /// `GT_TOWN_ROOT`.
    pub env_town: Option<&'a OsStr>,
    /// `GT_ROOT`.
    pub env_root: Option<&'a OsStr>,
}

/// Why no town was found.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The directory that was named holds no town.
    #[error("{} is not a town: it holds neither town.toml nor a mayor directory; create a town.toml there, or name another directory with --town", path.display())]
    NotATown {
        /// The directory.
        path: PathBuf,
    },
    /// The directory that was named is a rig.
    #[error("{} is a rig of the town {}; name the town with --town {}", path.display(), town.display(), town.display())]
    Rig {
        /// The directory.
        path: PathBuf,
        /// The town it belongs to.
        town: PathBuf,
    },
    /// The directory that was named cannot be looked at.
    #[error("cannot look at {}; name a town's directory with --town", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing names a town.
    #[error("no town in {} or above it; go to a town's directory, or name one with --town", cwd.display())]
    Nowhere {
        /// Where the search began.
        cwd: PathBuf,
    },
    /// The working directory and the environment name two different ones.
    #[error("the working directory is in the town {}, but GT_TOWN_ROOT names {}; say which with --town", cwd.display(), env.display())]
    Two {
        /// The town around the working directory.
        cwd: PathBuf,
        /// The town of the environment.
        env: PathBuf,
    },
}

/// Finds the town: the flag's, else the one around the working directory, else the environment's.
///
/// Around the working directory the outermost `mayor/town.json` wins, as in gt; then the innermost `town.toml`; then the
/// outermost `mayor/`. A `GT_TOWN_ROOT` that names another town than that is an error and not a choice: an agent's shell
/// keeps the variable when it changes into another town.
pub fn locate(w: &Where<'_>) -> Result<TownRoot, LocateError> {
    if let Some(flag) = w.flag {
        return TownRoot::at(&w.cwd.join(flag));
    }
    let named = |value: Option<&OsStr>| value.filter(|text| !text.is_empty()).map(|text| w.cwd.join(text));
    let env_town = named(w.env_town);
    if let Some(found) = around(w.cwd) {
        let found = TownRoot::at(found)?;
        return match env_town.and_then(|path| TownRoot::at(&path).ok()) {
            Some(other) if other != found => Err(LocateError::Two { cwd: found.path, env: other.path }),
            _ => Ok(found),
        };
    }
    match env_town.or_else(|| named(w.env_root)) {
        Some(path) => TownRoot::at(&path),
        None => Err(LocateError::Nowhere { cwd: w.cwd.to_owned() }),
    }
}

fn around(cwd: &Path) -> Option<&Path> {
    let outermost = |test: fn(&Path) -> bool| cwd.ancestors().filter(|path| test(path)).last();
    outermost(|path| path.join("mayor/town.json").exists())
        .or_else(|| cwd.ancestors().find(|path| has_been_kept(path)))
        .or_else(|| outermost(|path| path.join("mayor").is_dir()))
}

fn is_town(path: &Path) -> bool {
    has_been_kept(path) || path.join("mayor").is_dir()
}

/// A link counts even if it leads nowhere: reading it will say so, taking another town would not.
/// Whether gtctl has, or had, a file of its own here.
fn has_been_kept(path: &Path) -> bool {
    // A town whose town.toml was removed is still a town: that the file is gone has to be told, not "there is no town here".
    path.join("town.toml").symlink_metadata().is_ok() || path.join("daemon/gtctl/ledger.json").exists()
}

/// The town whose rig this directory is: only a `mayor/rig` marks it as one, and the directory above is a town.
fn town_of_rig(path: &Path) -> Option<PathBuf> {
    let marked =
        has_been_kept(path) || path.join("mayor/town.json").exists() || !path.join("mayor/rig").exists();
    let above = path.parent().filter(|above| is_town(above))?;
    (!marked).then(|| above.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Disk(#[expect(dead_code, reason = "keeps the directory")] tempfile::TempDir, PathBuf);

    fn disk(directories: &[&str], files: &[&str]) -> Disk {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().canonicalize().unwrap();
        for directory in directories {
            fs::create_dir_all(real.join(directory)).unwrap();
        }
        for file in files {
            fs::create_dir_all(real.join(file).parent().unwrap()).unwrap();
            fs::write(real.join(file), "").unwrap();
        }
        Disk(base, real)
    }

    impl Disk {
        fn find(&self, cwd: &str, flag: Option<&str>, env: Option<&str>) -> Result<String, LocateError> {
            let env = env.map(|text| self.1.join(text));
            let w = Where {
                flag: flag.map(Path::new),
                cwd: &self.1.join(cwd),
                env_town: env.as_deref().map(Path::as_os_str),
                env_root: None,
            };
            locate(&w).map(|root| root.path().strip_prefix(&self.1).unwrap().display().to_string())
        }
    }

    #[test]
    fn the_outermost_workspace_wins_then_the_innermost_town_toml_then_the_outermost_mayor() {
        let disk = disk(
            &["a/rig/crew/max", "c/rig/mayor/rig", "c/mayor"],
            &[
                "a/mayor/town.json",
                "a/rig/mayor/town.json",
                "a/rig/crew/town.toml",
                "b/town.toml",
                "b/x/town.toml",
            ],
        );
        assert_eq!(disk.find("a/rig/crew/max", None, None).unwrap(), "a");
        assert_eq!(disk.find("b/x", None, None).unwrap(), "b/x");
        assert_eq!(disk.find("c/rig/mayor/rig", None, None).unwrap(), "c");
    }

    #[test]
    fn trap_47_a_rig_is_never_taken_for_a_town() {
        let disk = disk(&["t/mayor", "t/rig/mayor/rig"], &[]);
        assert_eq!(disk.find("t/rig", None, None).unwrap(), "t");
        assert!(matches!(disk.find("", Some("t/rig"), None), Err(LocateError::Rig { .. })));
        assert!(matches!(disk.find("", None, Some("t/rig")), Err(LocateError::Rig { .. })));
    }

    #[test]
    fn trap_23_the_environment_is_a_fallback_and_a_contradiction_is_an_error() {
        let disk = disk(&["elsewhere"], &["a/town.toml", "b/town.toml"]);
        assert_eq!(disk.find("elsewhere", None, Some("a")).unwrap(), "a");
        assert_eq!(disk.find("a", None, Some("a")).unwrap(), "a");
        assert_eq!(disk.find("a", None, Some("gone")).unwrap(), "a");
        let error = disk.find("a", None, Some("b")).unwrap_err().to_string();
        assert!(error.contains("/a") && error.contains("/b") && error.contains("--town"), "{error}");
        assert_eq!(disk.find("a", Some("../b"), Some("a")).unwrap(), "b");
        assert!(matches!(disk.find("elsewhere", None, None), Err(LocateError::Nowhere { .. })));
        assert!(matches!(disk.find("a", Some("../elsewhere"), None), Err(LocateError::NotATown { .. })));
    }

    #[test]
    fn a_town_has_one_id_however_it_is_reached() {
        let disk = disk(&[], &["a/town.toml"]);
        std::os::unix::fs::symlink("a", disk.1.join("link")).unwrap();
        let id = |name: &str| TownRoot::at(&disk.1.join(name)).unwrap().id();
        assert_eq!(id("a"), id("link"));
        assert_eq!(id("a").as_str().len(), 12);
    }
}
