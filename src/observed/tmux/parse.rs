//! The snapshot's text: one line a pane, between two marks. What does not fit this form exactly is unknown as a whole.

use std::collections::BTreeMap;

use crate::model::{Exit, PaneId, SessionId};
use crate::observed::Claim;

/// What `list-panes -a -F` is asked for. Fields that people choose come last, so that nothing they choose can shift the others.
pub const SNAPSHOT_FORMAT: &str = "#{session_id} \
     #{?session_group_attached,#{session_group_attached},#{session_attached}} #{window_id} #{pane_id} #{pane_pid} #{pane_dead} \
     =#{pane_dead_status} =#{pane_dead_signal} #{pane_in_mode} =#{@gtctl_agent} =#{@gtctl_spec} =#{@gtctl} =#{session_name}";

/// One pane, as tmux told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its session.
    pub session: SessionId,
    /// Clients attached to the session, or to any of its group.
    pub attached: u32,
    /// The window.
    pub window: u32,
    /// The pane.
    pub pane: PaneId,
    /// Its process.
    pub pid: i32,
    /// Whether its terminal has closed.
    pub dead: bool,
    /// How its process ended, if tmux knows.
    pub exit: Option<Exit>,
    /// Whether it is in a mode.
    pub in_mode: bool,
    /// `@gtctl_agent`
    pub agent: String,
    /// `@gtctl_spec`
    pub spec: String,
    /// `@gtctl`
    pub label: String,
    /// The session's name.
    pub name: String,
}

/// Everything the server told in one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The server's pid.
    pub pid: i32,
    /// Its version.
    pub version: String,
    /// All panes.
    pub lines: Vec<Line>,
}

/// An answer that is not in the form asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first mark is missing.
    #[error("tmux answered without saying which server it is")]
    NoBegin,
    /// The last mark is missing.
    #[error("tmux's answer breaks off")]
    NoEnd,
    /// A line makes no sense.
    #[error("tmux answered a line that makes no sense: {}", .0.escape_debug())]
    Line(String),
}

/// Reads the answer to `display-message -p 'gtctl-begin …' ; list-panes … ; display-message -p gtctl-end`.
///
/// `no_sessions` says that tmux complained of having none; then the end mark is missing and must be.
pub fn parse_snapshot(text: &str, no_sessions: bool) -> Result<Snapshot, Malformed> {
    let mut lines = text.lines();
    let begin = lines.next().and_then(|line| line.strip_prefix("gtctl-begin ")).ok_or(Malformed::NoBegin)?;
    let (pid, version) = begin.split_once(' ').ok_or(Malformed::NoBegin)?;
    let pid = pid.parse().ok().filter(|pid| *pid > 1).ok_or(Malformed::NoBegin)?;
    let mut panes = Vec::new();
    let mut ended = no_sessions;
    for line in lines {
        if ended {
            return Err(Malformed::Line(line.to_owned()));
        }
        if line == "gtctl-end" {
            ended = true;
        } else {
            panes.push(parse_line(line).ok_or_else(|| Malformed::Line(line.to_owned()))?);
        }
    }
    if ended {
        Ok(Snapshot { pid, version: version.to_owned(), lines: panes })
    } else {
        Err(Malformed::NoEnd)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let mut fields = line.splitn(13, ' ');
    let mut next = || fields.next();
    let session = SessionId(next()?.strip_prefix('$')?.parse().ok()?);
    let attached = next()?.parse().ok()?;
    let window = next()?.strip_prefix('@')?.parse().ok()?;
    let pane = PaneId(next()?.strip_prefix('%')?.parse().ok()?);
    let pid = next()?.parse().ok().filter(|pid: &i32| *pid >= 0)?;
    let dead = flag(next()?)?;
    let status = next()?.strip_prefix('=')?;
    let signal = next()?.strip_prefix('=')?;
    let in_mode = next()?.parse::<u32>().ok()? > 0;
    let agent = next()?.strip_prefix('=')?.to_owned();
    let spec = next()?.strip_prefix('=')?.to_owned();
    let label = next()?.strip_prefix('=')?.to_owned();
    let name = next()?.strip_prefix('=')?.to_owned();
    let exit = match (status, signal) {
        ("", "") => None,
        (status, "") => Some(Exit::Code(status.parse().ok()?)),
        (_, signal) => Some(Exit::Signal(signal.parse().ok()?)),
    };
    Some(Line { session, attached, window, pane, pid, dead, exit, in_mode, agent, spec, label, name })
}

/// tmux prints 1, 0, or nothing for "no".
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" | "" => Some(false),
        _ => None,
    }
}

/// Reads the answers to `display-message -p 'gtctl-env $3' ; show-environment -t '$3:'`, one after the other. A session whose answer
/// is missing is missing here; so is one that is answered for twice, for a value of several lines can look like an answer for another.
pub fn parse_environments(text: &str) -> BTreeMap<SessionId, Claim> {
    let mut claims: BTreeMap<SessionId, Option<Claim>> = BTreeMap::new();
    let mut current: Option<(SessionId, Claim)> = None;
    // A line without its end is cut off, and what is cut off can look like the mark of an end.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some(id) = line.strip_prefix("gtctl-env $") {
            current = id.parse().ok().map(|id| (SessionId(id), Claim::default()));
        } else if line == "gtctl-env-end" {
            // Only a whole answer counts: half of one could lack just what disproves the claim.
            if let Some((id, claim)) = current.take() {
                claims.entry(id).and_modify(|told| *told = None).or_insert(Some(claim));
            }
        } else if let (Some((_, claim)), Some((key, value))) = (&mut current, line.split_once('=')) {
            let field = match key {
                "GT_ROOT" => &mut claim.root,
                "GT_ROLE" => &mut claim.role,
                "GT_RIG" => &mut claim.rig,
                "GT_CREW" | "GT_POLECAT" => &mut claim.worker,
                "GT_PANE_ID" => &mut claim.pane,
                "GTCTL_TOWN" => &mut claim.gtctl_town,
                "GTCTL_OBJECT" => &mut claim.gtctl_object,
                "GTCTL_INCARNATION" => &mut claim.gtctl_incarnation,
                _ => continue,
            };
            *field = Some(value.to_owned());
        }
    }
    claims.into_iter().filter_map(|(id, claim)| Some((id, claim?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "gtctl-begin 2422 3.3a\n\
        $0 1 @0 %0 2465 1 = =9 0 =ba9876543210 =0123456789ab =0123456789ab.r/witness.ba9876543210 =gt-r-witness\n\
        $1 0 @1 %1 2467 0 = = 0 = = = =my own session\n\
        gtctl-end\n";

    #[test]
    fn an_answer_is_read_field_by_field() {
        let snapshot = parse_snapshot(GOOD, false).unwrap();
        assert_eq!((snapshot.pid, snapshot.version.as_str(), snapshot.lines.len()), (2422, "3.3a", 2));
        assert_eq!(snapshot.lines[0].exit, Some(Exit::Signal(9)));
        assert!(snapshot.lines[0].dead && !snapshot.lines[1].dead);
        assert_eq!(snapshot.lines[1].name, "my own session");
    }

    #[test]
    fn law_1_an_answer_cut_at_any_byte_is_unknown_and_never_a_shorter_list() {
        for end in 0..GOOD.len() - 1 {
            assert!(parse_snapshot(&GOOD[..end], false).is_err(), "cut at {end}: {:?}", &GOOD[..end]);
        }
    }

    #[test]
    fn law_1_nonsense_is_unknown() {
        for bad in [
            "",
            "hello",
            "gtctl-begin x 3.3a\ngtctl-end",
            "gtctl-begin 5 3.3a\n$0 nonsense\ngtctl-end",
            "gtctl-begin 5 3.3a\ngtctl-end\nmore",
        ] {
            assert!(parse_snapshot(bad, false).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_server_without_sessions_has_no_end_mark() {
        assert_eq!(parse_snapshot("gtctl-begin 5 3.3a\n", true).unwrap().lines, vec![]);
    }

    #[test]
    fn environments_are_told_apart_by_session() {
        let claims = parse_environments(
            "gtctl-env $3\nGT_ROOT=/t\n-DISPLAY\nGT_ROLE=witness\ngtctl-env-end\ngtctl-env $4\ngtctl-env-end\n",
        );
        assert_eq!(claims[&SessionId(3)].role.as_deref(), Some("witness"));
        assert_eq!(claims[&SessionId(4)], Claim::default());
    }

    #[test]
    fn law_2_a_value_of_several_lines_answers_for_no_other_session() {
        let forged =
            "gtctl-env $3\nX=a\ngtctl-env-end\ngtctl-env $4\nGT_ROOT=/t\nGT_ROLE=witness\ngtctl-env-end\n";
        let honest = "gtctl-env $4\nGT_ROOT=/other\ngtctl-env-end\n";
        let claims = parse_environments(&format!("{forged}{honest}"));
        assert_eq!(claims.keys().collect::<Vec<_>>(), [&SessionId(3)]);
        assert_eq!(parse_environments(&format!("{honest}{forged}")).get(&SessionId(4)), None);
    }
}
