//! `--record`, for the verbs that act.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::controller::Reconciler;
use crate::machine::ThisMachine;
use crate::observed::host::Host;
use crate::report::recording::{Recorder, SIZE_DEFAULT};

/// Whether and where passes are recorded.
#[derive(Debug, Args)]
pub struct Record {
    /// Record what each pass saw and decided, for `gtctl replay`; without the values of environment variables
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Keep so many MiB of recordings in DIR; older ones are dropped
    #[arg(long, value_name = "MIB", requires = "record", default_value_t = SIZE_DEFAULT >> 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1024 * 1024))]
    record_size: u64,
}

impl Record {
    /// Lets it record, if that was asked for.
    pub fn apply(&self, reconciler: &mut Reconciler<Host<ThisMachine>>) {
        let Some(directory) = &self.record else { return };
        let town = reconciler.root().path().to_owned();
        let now = reconciler.now().wall;
        let size = self.record_size << 20;
        reconciler.record_to(Recorder::new(directory.clone(), &town, std::process::id(), now, size));
    }

    /// The same, to be given to another gtctl that runs in another directory.
    pub fn arguments(&self) -> std::io::Result<Vec<OsString>> {
        let Some(directory) = &self.record else { return Ok(Vec::new()) };
        let size = self.record_size.to_string();
        Ok(vec![
            "--record".into(),
            std::path::absolute(directory)?.into(),
            "--record-size".into(),
            size.into(),
        ])
    }
}
