//! Versions of tmux, and from which on it does what.

use std::fmt;

/// The oldest tmux that does what gtctl needs: `new-session -e` and braces in commands came with 3.2.
pub const VERSION_MIN: Version = Version { major: 3, minor: 2 };

/// The oldest tmux with which a client in control mode is safe for the agents. Older ones tell it of a session's new window after that session has ended, and crash
/// with all sessions: `new-window ; kill-session` by anybody is enough, and so are several windows whose processes end at once (tmux issue 5243; docs/tmux.md).
pub const VERSION_OF_SAFE_CONTROL: Version = Version { major: 3, minor: 8 };

/// The newest tmux of which it is known what its server makes of the messages of [`direct`](super::direct): one that it cannot read would end it, and all agents
/// with it. Their lengths are those of 3.2 up to here.
pub const VERSION_OF_KNOWN_PROTOCOL: Version = Version { major: 3, minor: 6 };

/// A tmux version, as far as it matters: `3.3a` is 3.3, `next-3.7` is 3.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl Version {
    /// Reads `tmux 3.3a`, `3.3a`, `tmux next-3.7`, `openbsd-7.6`'s kin; `None` if there is no number in it.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let (major, rest) = text.get(start..)?.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s81_versions_are_read_in_all_their_spellings() {
        assert_eq!(Version::parse("tmux 3.3a"), Some(Version { major: 3, minor: 3 }));
        assert_eq!(Version::parse("tmux next-3.7"), Some(Version { major: 3, minor: 7 }));
        assert_eq!(Version::parse("3.10"), Some(Version { major: 3, minor: 10 }));
        assert_eq!(Version::parse("tmux master"), None);
        assert!(
            Version { major: 2, minor: 9 } < VERSION_MIN && VERSION_MIN < Version { major: 3, minor: 10 }
        );
    }
}
