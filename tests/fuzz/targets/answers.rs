//! What tmux answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use gtctl::act::{Do, Order, Outcome};
use gtctl::desired::Recipe;
use gtctl::ledger::Cause;
use gtctl::machine::Socket;
use gtctl::model::{Address, Exit, IncarnationId, Name, Seen, SessionId, TownId};
use gtctl::observed::host::Host;
use gtctl::observed::tmux::{Line, Refusal, Snapshot, Version, classify, parse_environments, parse_snapshot};
use gtctl::observed::{Look, Server, Session, Wants};
use gtctl::plan::{Action, Launch, LaunchInto};

use super::Verdict;
use super::rules::text;
use super::world::{SERVER, World, at_once};

pub const TMUX_WORDS: &[&str] = &[
    "gtctl-begin 2422 3.3a\n",
    "gtctl-end\n",
    "gtctl-end",
    "$0",
    "$1",
    "@0",
    "%0",
    "%4294967295",
    "=",
    "=9",
    "=0 =",
    "= =",
    "0",
    "1",
    "2465",
    "$0 1 @0 %0 2465 1 = =9 0 =ba9876543210 =0123456789ab =0123456789ab.r/witness.ba9876543210 =gt-r-witness\n",
    "$1 0 @1 %1 2467 0 = = 0 = = = =x\n",
    "--- stderr\n",
    "--- environments\n",
    "no server running on /tmp/x\n",
    "error connecting to /tmp/x (No such file or directory)\n",
    "error connecting to /tmp/x (Connection refused)\n",
    "no current target\n",
    "no sessions\n",
    "duplicate session: x\n",
    "can't find session: x\n",
    "still active\n",
    "server exited unexpectedly\n",
    "lost server\n",
    "gtctl-env $0\n",
    "gtctl-env $1\n",
    "gtctl-env-end\n",
    "GT_ROOT=/town\n",
    "GT_ROLE=witness\n",
    "GT_RIG=r\n",
    "GT_CREW=x\n",
    "GT_PANE_ID=%0\n",
    "GTCTL_TOWN=0123456789ab\n",
    "-GT_ROLE\n",
    "gtctl-made $3 %5 2465 2422\n",
    "gtctl-held\n",
    "tmux 3.3a",
    "tmux next-3.7",
    "tmux master",
    "openbsd-7.6",
    "3.4",
    ".",
    "3.",
    "gt-r-witness",
];

fn printed(snapshot: &Snapshot) -> String {
    let line = |line: &Line| {
        let Line { session, attached, window, pane, pid, dead, exit, in_mode, agent, spec, label, name } =
            line;
        let (status, signal) = match exit {
            None => (String::new(), String::new()),
            Some(Exit::Code(code)) => (code.to_string(), String::new()),
            Some(Exit::Signal(signal)) => (String::new(), signal.to_string()),
        };
        let (dead, in_mode) = (u8::from(*dead), u8::from(*in_mode));
        format!(
            "{session} {attached} @{window} {pane} {pid} {dead} ={status} ={signal} {in_mode} ={agent} ={spec} ={label} ={name}\n"
        )
    };
    let panes: String = snapshot.lines.iter().map(line).collect();
    format!("gtctl-begin {} {}\n{panes}gtctl-end\n", snapshot.pid, snapshot.version)
}

pub fn snapshot(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    if let Ok(none) = parse_snapshot(&text, true) {
        assert!(none.lines.is_empty() && none.pid > 1, "who has no sessions has no panes");
    }
    let Ok(snapshot) = parse_snapshot(&text, false) else { return Verdict::Refused };
    // A name that ends in a carriage return would lose it; tmux lets none have one.
    if !snapshot.lines.iter().any(|line| line.name.ends_with('\r')) {
        let again = parse_snapshot(&printed(&snapshot), false);
        assert_eq!(again.as_ref(), Ok(&snapshot), "what is printed reads back");
    }
    let whole = text.trim_end_matches(['\r', '\n']).len();
    let stride = whole.div_ceil(128).max(1);
    for end in (0..whole).rev().step_by(stride).filter(|end| text.is_char_boundary(*end)) {
        assert!(
            parse_snapshot(&text[..end], false).is_err(),
            "the first {end} bytes of an answer are no answer"
        );
    }
    assert!(parse_snapshot(&text, true).is_err(), "panes and no sessions do not go together");
    Verdict::Understood
}

/// The input's parts: the exit status in the first line, standard output, `--- stderr`, standard error, `--- environments`, the
/// second answer's output.
fn parts(text: &str) -> (Option<i32>, &str, &str, &str) {
    let (code, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (rest, environments) = rest.split_once("--- environments\n").unwrap_or((rest, ""));
    let (stdout, stderr) = rest.split_once("--- stderr\n").unwrap_or((rest, ""));
    (code.trim().parse().ok(), stdout, stderr, environments)
}

fn wants() -> Wants {
    Wants {
        town: TownId::from_hex("0123456789ab").unwrap(),
        root: "/t".into(),
        names: BTreeSet::from(["gt-r-witness".to_owned(), "hq-deacon".to_owned()]),
        places: BTreeMap::new(),
        heartbeats: BTreeMap::new(),
        past: BTreeMap::new(),
        server: None,
        openings: BTreeMap::new(),
        endings: BTreeSet::new(),
        last_words: Default::default(),
        free_memory: None,
        activity: BTreeSet::new(),
    }
}

pub fn look(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let (code, stdout, stderr, told) = parts(&text);
    // A server that is ending is asked once more.
    let again = matches!(classify(stderr), Refusal::Exiting) && code != Some(0);
    let mut world = World::default().answering(code, stdout, stderr);
    if again {
        world = world.answering(code, stdout, stderr);
    }
    let environments = format!("gtctl-server {SERVER}\n{told}");
    let host = Host::new(
        world.answering(Some(0), &environments, ""),
        Socket::new("default"),
        Duration::from_secs(5),
    );
    let wants = wants();
    match at_once(host.look(&wants)).server {
        Seen::Unknown(why) => {
            assert!(!why.0.is_empty());
            Verdict::Refused
        }
        Seen::Known(Server::Up(up)) => {
            let no_sessions = code != Some(0);
            assert!(!no_sessions || classify(stderr) == Refusal::NoSessions, "an error is no answer");
            let snapshot = parse_snapshot(stdout, no_sessions).expect("what makes no sense is unknown");
            assert!(
                no_sessions || stdout.lines().any(|line| line == "gtctl-end"),
                "half an answer is unknown"
            );
            let panes: usize = up.sessions.iter().map(|session| session.panes.len()).sum();
            assert_eq!(panes, snapshot.lines.len(), "every pane is seen");
            for session in &up.sessions {
                match &session.claim {
                    None => assert!(
                        !session.label.is_empty() || !wants.names.contains(&session.name),
                        "{session:?} was not asked"
                    ),
                    Some(Seen::Known(claim)) => {
                        assert_eq!(
                            parse_environments(told).get(&session.id),
                            Some(claim),
                            "a claim is one that was told"
                        );
                    }
                    Some(Seen::Unknown(_)) => {}
                }
            }
            Verdict::Understood
        }
        Seen::Known(Server::Down | Server::SocketLost { .. }) => {
            assert_ne!(code, Some(0), "who answers is there");
            let absent =
                matches!(classify(stderr), Refusal::NobodyListens | Refusal::NoSocket | Refusal::NotFound);
            assert!(absent, "{stderr:?} proves no absence");
            Verdict::Understood
        }
    }
}

fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

/// How often a session's answer is there from its mark to its end.
fn whole_answers(text: &str, id: SessionId) -> usize {
    let mut open = false;
    let mut count = 0;
    for line in whole_lines(text) {
        if let Some(said) = line.strip_prefix("gtctl-env $") {
            open = said.parse() == Ok(id.0);
        } else if line == "gtctl-env-end" {
            count += usize::from(open);
            open = false;
        }
    }
    count
}

pub fn environments(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let claims = parse_environments(&text);
    let ends = whole_lines(&text).filter(|line| *line == "gtctl-env-end").count();
    assert!(claims.len() <= ends, "only a whole answer counts");
    let mut told = BTreeSet::new();
    for id in
        whole_lines(&text).filter_map(|line| line.strip_prefix("gtctl-env $")?.parse().ok().map(SessionId))
    {
        let twice = !told.insert(id) && whole_answers(&text, id) > 1;
        assert!(!twice || !claims.contains_key(&id), "who answers twice has answered nothing: {id}");
    }
    let whole = text.trim_end().len();
    let stride = whole.div_ceil(64).max(1);
    for end in (0..whole).rev().step_by(stride).filter(|end| text.is_char_boundary(*end)) {
        for (id, claim) in parse_environments(&text[..end]) {
            assert!(
                claims.get(&id).is_none_or(|told| *told == claim),
                "half an answer says what the whole one says, or nothing"
            );
        }
    }
    Verdict::of(!claims.is_empty())
}

pub fn made(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let (code, stdout, stderr, _) = parts(&text);
    let host = Host::new(
        World::default().answering(code, stdout, stderr),
        Socket::new("default"),
        Duration::from_secs(5),
    );
    let launch = Launch {
        into: LaunchInto::NewSession,
        cause: Cause::First,
        directory: PathBuf::from("/"),
        program: PathBuf::from("/bin/x"),
    };
    let order = Order {
        address: Address::Witness(Name::parse("r").unwrap()),
        action: Action::Start(launch),
        town: TownId::from_hex("0123456789ab").unwrap(),
        root: PathBuf::from("/"),
        recipe: Some(Recipe {
            session: "gt-r-witness".to_owned(),
            directories: vec![],
            command: vec!["x".to_owned()],
            env: BTreeMap::new(),
            words: None,
            ready: None,
        }),
        words: None,
        incarnation: IncarnationId::from_hex("ba9876543210").unwrap(),
        settle: Duration::from_secs(1),
        mail_timeout: Duration::from_secs(1),
        stop_timeout: Duration::from_secs(1),
    };
    // The root of the world must be there for the start to get as far as tmux.
    host.machine.clone().with("town.toml", b"#");
    match at_once(host.carry_out(&order)) {
        Outcome::Done(life) => {
            let life = life.expect("a start tells which life it began");
            let line =
                format!("gtctl-made {} {} {} {}", life.session, life.pane, life.process.pid, life.server.pid);
            let same = |said: &str| {
                said == line
                    || said
                        .replace(" +", " ")
                        .replace("$+", "$")
                        .replace("%+", "%")
                        .starts_with("gtctl-made ")
            };
            assert!(
                stdout.split_inclusive('\n').any(|said| said.ends_with('\n') && same(said.trim_end())),
                "{line:?} was not told whole in {stdout:?}"
            );
            Verdict::Understood
        }
        Outcome::Failed(why) | Outcome::Refused(why) | Outcome::Unconfirmed(why) => {
            assert!(!why.0.is_empty());
            Verdict::Refused
        }
    }
}

pub fn complaint(bytes: &[u8]) -> Verdict {
    match classify(&text(bytes)) {
        Refusal::Other(said) => {
            assert!(!said.contains('\n') && !said.is_empty(), "{said:?} is one line");
            Verdict::Refused
        }
        _ => Verdict::Understood,
    }
}

pub fn version(bytes: &[u8]) -> Verdict {
    let Some(version) = Version::parse(&text(bytes)) else { return Verdict::Refused };
    assert_eq!(Version::parse(&version.to_string()), Some(version), "what is printed reads back");
    Verdict::Understood
}

/// The sessions that are seen when tmux tells of two, one dead and one alive, and then of an environment.
fn sessions(world: World, environments: &str) -> Vec<Session> {
    let dead = "$0 1 @0 %0 2465 1 = = 0 =ba9876543210 =0123456789ab =0123456789ab.r/witness.ba9876543210 =x";
    let unlabelled = "$1 0 @1 %1 2467 0 = = 0 = = = =hq-deacon";
    let seen = format!("gtctl-begin {SERVER} 3.3a\n{dead}\n{unlabelled}\ngtctl-end\n");
    let world = world.answering(Some(0), &seen, "").answering(Some(0), environments, "");
    let host = Host::new(world, Socket::new("default"), Duration::from_secs(5));
    match at_once(host.look(&wants())).server {
        Seen::Known(Server::Up(up)) => up.sessions,
        other => panic!("{other:?}"),
    }
}

#[test]
fn law_1_a_process_that_cannot_be_seen_has_not_ended() {
    let lives = |world| {
        let sessions = sessions(world, "");
        sessions.iter().flat_map(|session| &session.panes).map(|pane| pane.life.clone()).collect::<Vec<_>>()
    };
    assert!(lives(World::default()).iter().all(|life| matches!(life, Seen::Known(_))));
    assert!(lives(World::default().blind()).iter().all(|life| matches!(life, Seen::Unknown(_))));
}

#[test]
fn law_2_another_server_does_not_answer_for_this_ones_sessions() {
    let answer = "gtctl-env $1\nGT_ROOT=/t\nGT_ROLE=deacon\ngtctl-env-end\n";
    let claim =
        |server| sessions(World::default(), &format!("gtctl-server {server}\n{answer}"))[1].claim.clone();
    assert!(matches!(claim(SERVER), Some(Seen::Known(claim)) if claim.role.as_deref() == Some("deacon")));
    assert!(matches!(claim(SERVER + 1), Some(Seen::Unknown(_))), "its $1 is another session");
}
