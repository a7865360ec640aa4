//! Exit codes: one meaning each.

use std::process::ExitCode;

/// What a verb came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; all is as wanted.
    Ok,
    /// Something failed; for `status`: not all is as wanted; for `doctor`: something is wrong.
    Failed,
    /// `status`, `doctor`: it cannot be told. `nudge`: nothing shows whether the agent took it. `plan --detailed-exitcode`: there is something to do. `replay`: some plans differ.
    Unknown,
    /// `controller status`, `controller reload`, `cost`: no controller of gtctl runs.
    NotRunning,
    /// There is no such object, rig, recording or pass.
    NotFound,
    /// Done, but something is held for a reason that no file asked for.
    Held,
    /// The files are wrong or missing.
    Config,
    /// A ceiling refused it.
    Refused,
    /// `nudge`: it waits until it can be typed.
    Queued,
    /// The command line is wrong.
    Usage,
    /// `simulate`: a law was broken.
    Broken,
    /// Another process acts on this town.
    Locked,
    /// Interrupted.
    Interrupted,
}

/// The table, as printed by `--help`.
pub const HELP: &str = "\
Exit codes:
   0  done; all is as wanted
   1  something failed; status: not all is as wanted; doctor: something is wrong; simulate: something never comes up
   2  status, doctor, nudge: cannot tell; plan --detailed-exitcode: there is something to do; replay: some plans differ
   3  controller status, controller reload, cost: no controller of gtctl runs
   4  no such object, rig, recording or pass
   5  done, but something is held for a reason that no file asked for
   6  the files are wrong or missing
   8  refused by a ceiling; see gtctl approve
   9  nudge: it waits until it can be typed
  64  wrong use
  70  simulate: a promise was broken, or it never came to rest
  75  another process acts on this town
 130  interrupted";

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Unknown => 2,
            Self::NotRunning => 3,
            Self::NotFound => 4,
            Self::Held => 5,
            Self::Config => 6,
            Self::Refused => 8,
            Self::Queued => 9,
            Self::Usage => 64,
            Self::Broken => 70,
            Self::Locked => 75,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
