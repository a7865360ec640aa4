//! What tmux's complaints mean. The exit status is 1 for all of them, so the words must do.

/// A complaint of tmux, classified. Only the first two speak of the server's absence, and neither proves it: a server whose
/// socket file was removed lives on and answers nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody listens at the socket: `no server running on …`, or the connection was refused.
    NobodyListens,
    /// There is no socket file.
    NoSocket,
    /// The server is there and has no sessions.
    NoSessions,
    /// What the command named does not exist.
    NotFound,
    /// `new-session` found its name taken.
    Duplicate,
    /// `respawn-pane` found its pane alive.
    StillActive,
    /// The server ended while it was being asked, or had just ended and left its socket: the next answer will be another one.
    Exiting,
    /// Anything else, also "permission denied": it tells nothing of what runs.
    Other(String),
}

/// Classifies what tmux wrote to standard error.
pub fn classify(stderr: &str) -> Refusal {
    let has = |needle| stderr.contains(needle);
    if has("no server running on") || (has("error connecting to") && has("(Connection refused)")) {
        Refusal::NobodyListens
    } else if has("error connecting to") && has("(No such file or directory)") {
        Refusal::NoSocket
    } else if has("no current target") || has("no sessions") {
        Refusal::NoSessions
    } else if has("duplicate session") {
        Refusal::Duplicate
    } else if has("still active") {
        Refusal::StillActive
    } else if has("server exited unexpectedly") || has("lost server") {
        Refusal::Exiting
    } else if has("can't find") || has("session not found") {
        Refusal::NotFound
    } else {
        Refusal::Other(stderr.trim().lines().next().unwrap_or("no message").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s52_only_three_answers_speak_of_absence() {
        assert_eq!(classify("no server running on /tmp/tmux-0/x"), Refusal::NobodyListens);
        assert_eq!(classify("error connecting to /tmp/x (Connection refused)"), Refusal::NobodyListens);
        assert_eq!(classify("error connecting to /tmp/x (No such file or directory)"), Refusal::NoSocket);
        assert_eq!(classify("can't find session: x"), Refusal::NotFound);
        assert!(matches!(classify("error connecting to /tmp/x (Permission denied)"), Refusal::Other(_)));
        assert_eq!(classify("server exited unexpectedly"), Refusal::Exiting);
        assert!(matches!(classify(""), Refusal::Other(_)));
    }
}
