//! Files of gt's that say how agents are started: what is wrong in one holds back what it would decide, and fails nothing else.

use std::path::Path;

use crate::machine::Disk;
use crate::model::{Seen, Why};
use crate::town::diagnostic::Diagnostic;
use crate::town::source::{self, Source};

/// A file, if it is there and right; what is wrong with it is a warning, for it holds back only what it would decide.
pub(super) fn read<T>(
    disk: &dyn Disk,
    root: &Path,
    file: &str,
    warnings: &mut Vec<Diagnostic>,
    parse: impl FnOnce(&Source) -> Result<T, Vec<Diagnostic>>,
) -> Seen<Option<T>> {
    let parsed = match source::read(disk, root, file) {
        Ok(None) => return Seen::Known(None),
        Ok(Some(source)) => parse(&source),
        Err(diagnostic) => Err(vec![diagnostic]),
    };
    match parsed {
        Ok(parsed) => Seen::Known(Some(parsed)),
        Err(mistakes) => {
            let first = mistakes.first().map_or_else(String::new, |first| first.title.clone());
            let help = "until it can be read, nothing is started or stopped that it decides about";
            warnings.extend(mistakes.into_iter().map(|one| one.into_warning().with_help(help)));
            Seen::Unknown(Why::new(format!("{file}: {first}")))
        }
    }
}
