//! Starting: one command creates the session, labels it and runs the agent; then the agent must live for a while.

use crate::desired::Recipe;
use crate::machine::Machine;
use crate::model::{Incarnation, PaneId, ProcessId, Seen, SessionId, Why};
use crate::observed::host::Host;
use crate::observed::tmux::quote::{format_literal, word};
use crate::observed::tmux::{IDENTITY, Refusal, Reply, TmuxError, classify};
use crate::plan::{Fence, Launch, LaunchInto};

use super::fence::{HELD, PASSED, conditions, equal, guarded, pane_conditions, pane_target, same_server};
use super::{Order, Outcome, stop};

/// What a start prints of what it made.
const MADE: &str = "gtctl-made #{session_id} #{pane_id} #{pane_pid} #{pid}";

/// Where gt looks for the repository of a polecat whose directory is gone.
const WORKTREE: &str = "GT_POLECAT_PATH";

/// Starts an agent.
pub async fn start(host: &Host<impl Machine>, order: &Order, launch: &Launch) -> Outcome {
    let Some(recipe) = &order.recipe else { return Outcome::failed("no file says how to start it") };
    if launch.program.to_string_lossy().contains('=') {
        return Outcome::failed(format!(
            "{}: `env` takes a path with `=` for a variable",
            launch.program.display()
        ));
    }
    // What is no text would reach tmux as another path, and it would start in $HOME.
    if launch.directory.to_str().is_none() || launch.program.to_str().is_none() {
        return Outcome::failed(format!(
            "the path of its directory ({}) or program ({}) is not UTF-8; give it another one",
            launch.directory.display(),
            launch.program.display()
        ));
    }
    // tmux starts in $HOME if the directory is gone, and says nothing.
    match host.machine.is_directory(&launch.directory) {
        Seen::Known(true) => {}
        Seen::Known(false) => return Outcome::refused(format!("{} is gone", launch.directory.display())),
        Seen::Unknown(why) => return Outcome::Refused(why),
    }
    if let LaunchInto::Replacing(fence) = &launch.into {
        let stopped = stop::stop_bare_shell(host, fence, order.stop_timeout).await;
        if !matches!(stopped, Outcome::Done(_)) {
            return stopped;
        }
    }
    if let LaunchInto::DeadPane(fence) | LaunchInto::NewWindow(fence) = &launch.into
        && let Err(outcome) = same_server(&host.machine, fence)
    {
        return outcome;
    }
    // What goes into a session of a server that lives must not found another one; and nothing else may either, if one lives unseen.
    let reply = match launch.into {
        LaunchInto::DeadPane(_) | LaunchInto::NewWindow(_) => {
            let reply = host.tmux.ask(&[command_line(order, recipe, launch, Kept::IfSameSpec)]).await;
            match reply.as_ref().ok().and_then(|reply| kept_of_another(&reply.stdout)) {
                Some(kept) => host.tmux.ask(&[command_line(order, recipe, launch, Kept::Known(&kept))]).await,
                None => reply,
            }
        }
        LaunchInto::NewSession | LaunchInto::Replacing(_) => match unseen_server(host) {
            Seen::Known(false) => {
                host.tmux.script(&[command_line(order, recipe, launch, Kept::Known(&[]))]).await
            }
            Seen::Known(true) => {
                return Outcome::refused("the tmux server lives, and its socket file is gone");
            }
            Seen::Unknown(why) => return Outcome::Refused(why),
        },
    };
    match made(reply) {
        Err(outcome) => outcome,
        Ok(made) => settle(&host.machine, order, made).await,
    }
}

/// Whether a server lives at a socket whose file is gone. That may have happened since the look, and tmux would found a second one there.
fn unseen_server(host: &Host<impl Machine>) -> Seen<bool> {
    let path = &host.socket_path;
    if host.machine.has_socket_file(path) { Seen::Known(false) } else { host.machine.socket_is_bound(path) }
}

/// What a session keeps of the environment that it was made with. tmux gives that to all that starts in it, and a variable that no file sets
/// any more would live on in it through all restarts.
#[derive(Clone, Copy)]
enum Kept<'a> {
    /// Nothing that is not wanted, if it was made for the same spec; else it says what it keeps, and nothing is started.
    IfSameSpec,
    /// These variables of gtctl's.
    Known(&'a [String]),
}

/// What a session says in the place of a restart if its agent was started from another spec; and then the variables that it keeps.
const OTHER_SPEC: &str = "gtctl-other-spec";

/// The variables that a session made for another spec says it keeps.
fn kept_of_another(stdout: &str) -> Option<Vec<String>> {
    let said = stdout.lines().find_map(|line| line.strip_prefix(OTHER_SPEC))?;
    // Whoever may write that option may write anything into it.
    let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some(said.split_ascii_whitespace().filter(is_name).map(str::to_owned).collect())
}

/// The commands of a restart in a session that lives, so that nothing of another spec's environment is left in it.
fn with_its_own_environment(
    order: &Order,
    recipe: &Recipe,
    (session, target): (&str, &str),
    kept: Kept<'_>,
    commands: Vec<String>,
) -> Vec<String> {
    match kept {
        Kept::IfSameSpec => {
            let spec = order.spec().map_or_else(String::new, |spec| spec.to_string());
            let condition = word(&equal("@gtctl_spec", &spec));
            let commands = commands.join(" ; ");
            let says = word(&format!("{OTHER_SPEC} #{{@gtctl_env}}"));
            vec![format!(
                "if-shell -F -t {target} {condition} {{ {commands} }} {{ display-message -p -t {target} {says} }}"
            )]
        }
        Kept::Known(names) => {
            let (keep, unset): (Vec<&String>, _) =
                names.iter().partition(|name| recipe.env.contains_key(*name));
            let unset = unset.into_iter().map(|name| format!("set-environment -u -t {session} {name}"));
            unset.chain([remember(session, keep)]).chain(commands).collect()
        }
    }
}

/// A command that writes down which variables a session keeps.
fn remember<'a>(session: &str, names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    format!("set-option -t {session} @gtctl_env {}", word(&names.join(" ")))
}

/// The whole start as one line of tmux commands.
fn command_line(order: &Order, recipe: &Recipe, launch: &Launch, kept: Kept<'_>) -> String {
    let how = how(order, recipe, launch);
    let made = word(MADE);
    match &launch.into {
        LaunchInto::NewSession | LaunchInto::Replacing(_) => {
            // Names have been checked to mean nothing to tmux; `=NAME:` is that session and no other.
            let name = format_literal(&recipe.session);
            let target = word(&format!("={}:", recipe.session));
            let new = format!("new-session -d -P -F {made} -s {name} -x 200 -y 50 {how}");
            let pane = tell_pane(recipe, &target, "#{pane_id}");
            std::iter::once(new)
                .chain(pane)
                .chain([remember(&target, recipe.env.keys())])
                .chain(labels(order, &target, &target))
                .collect::<Vec<_>>()
                .join(" ; ")
        }
        LaunchInto::DeadPane(fence) => {
            let (session, pane) = targets(fence);
            let mut commands = vec![format!("respawn-pane -t {pane} {how}")];
            commands.extend(fence.pane().and_then(|(id, _)| tell_pane(recipe, &session, &id.to_string())));
            commands.extend(labels(order, &session, &pane));
            commands.push(format!("display-message -p -t {pane} {made}"));
            let dead = [conditions(fence), pane_conditions(fence), vec![equal("pane_dead", "1")]].concat();
            let commands = with_its_own_environment(order, recipe, (&session, &pane), kept, commands);
            guarded(&pane_target(fence), &dead, &commands)
        }
        LaunchInto::NewWindow(fence) => {
            let (session, _) = targets(fence);
            let mut commands = vec![format!("new-window -P -F {made} -t {session} {how}")];
            commands.extend(tell_pane(recipe, &session, "#{pane_id}"));
            commands.extend(labels(order, &session, &session));
            let commands = with_its_own_environment(order, recipe, (&session, &session), kept, commands);
            guarded(&format!("{}:", fence.session()), &conditions(fence), &commands)
        }
    }
}

/// Whether it is one of gt's roles, and not a session that `town.toml` alone knows.
fn is_role(recipe: &Recipe) -> bool {
    recipe.env.contains_key("GT_ROLE")
}

/// Tells gt which pane to type into: a command that leaves that in the session's environment, as gt does for all roles but two.
fn tell_pane(recipe: &Recipe, session: &str, pane: &str) -> Option<String> {
    let without = |role: &str| {
        let says = recipe.env.get("GT_ROLE").map(String::as_str).unwrap_or_default();
        says == role || says.ends_with(&format!("/{role}"))
    };
    let tells = is_role(recipe) && !without("witness") && !without("refinery");
    tells.then(|| format!("set-environment -F -t {session} GT_PANE_ID {}", word(pane)))
}

/// The session and the pane of a fence as quoted targets.
fn targets(fence: &Fence) -> (String, String) {
    let session = word(&format!("{}:", fence.session()));
    let pane = fence.pane().map_or_else(|| session.clone(), |(pane, _)| word(&pane.to_string()));
    (session, pane)
}

/// Directory, environment and command. Several arguments are executed as they are; only a single one would go through a shell, and `env`
/// makes them several.
fn how(order: &Order, recipe: &Recipe, launch: &Launch) -> String {
    let mut words = vec!["-c".to_owned(), format_literal(&launch.directory.display().to_string())];
    let own = [
        ("GTCTL_TOWN", order.town.to_string()),
        ("GTCTL_OBJECT", order.address.to_string()),
        ("GTCTL_INCARNATION", order.incarnation.to_string()),
    ];
    // gt tells the lives of a role apart by this one.
    let run = is_role(recipe).then(|| ("GT_RUN", order.incarnation.to_string()));
    let is_polecat = recipe.env.contains_key("GT_POLECAT");
    let worktree = is_polecat.then(|| (WORKTREE, launch.directory.display().to_string()));
    let configured = recipe.env.iter().map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in configured.chain(own).chain(run).chain(worktree) {
        words.push("-e".to_owned());
        words.push(word(&format!("{name}={value}")));
    }
    words.push("-- /usr/bin/env".to_owned());
    let is_set = |name: &str| {
        let of_this_life = (name == "GT_RUN" && is_role(recipe)) || (name == WORKTREE && is_polecat);
        of_this_life || recipe.env.contains_key(name)
    };
    for name in IDENTITY.iter().filter(|name| !is_set(name)) {
        words.push(format!("-u {name}"));
    }
    words.push(word(&launch.program.display().to_string()));
    words.extend(recipe.command.iter().skip(1).map(|argument| word(argument)));
    let is_argument = recipe.words.as_ref().is_some_and(|words| !words.typed);
    words.extend(order.words.as_ref().filter(|_| is_argument).map(|text| word(text)));
    words.join(" ")
}

/// Labels the session and its agent's pane, and keeps the pane when the agent ends, so that how it ended can be seen.
fn labels(order: &Order, session: &str, pane: &str) -> Vec<String> {
    let spec = order.spec().map_or_else(String::new, |spec| spec.to_string());
    vec![
        format!("set-option -t {session} @gtctl {}", word(&order.marker().to_string())),
        format!("set-option -t {session} @gtctl_spec {}", word(&spec)),
        format!("set-option -p -t {pane} @gtctl_agent {}", word(order.incarnation.as_str())),
        format!("set-option -p -t {pane} remain-on-exit on"),
        format!("display-message -p {PASSED}"),
    ]
}

/// What a start made.
struct Made {
    session: SessionId,
    pane: PaneId,
    pid: i32,
    server: i32,
}

fn made(reply: Result<Reply, TmuxError>) -> Result<Made, Outcome> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(TmuxError::NotInstalled { path }) => {
            return Err(Outcome::failed(format!("tmux is not on PATH ({path})")));
        }
        Err(error) => return Err(Outcome::Unconfirmed(Why::of(&error))),
    };
    if reply.stdout.lines().any(|line| line == HELD) {
        return Err(Outcome::refused("it is not what it was when the plan was made"));
    }
    // A line without its end may lack digits of the last pid.
    let whole = reply.stdout.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    if let Some(made) = whole.filter_map(parse_made).next() {
        return Ok(made);
    }
    Err(match classify(&reply.stderr) {
        Refusal::Duplicate => Outcome::refused("the session name has been taken in the meantime"),
        Refusal::StillActive => Outcome::refused("its pane is alive again"),
        Refusal::NobodyListens | Refusal::NoSocket => {
            Outcome::refused(format!("tmux said: {}", reply.stderr.trim()))
        }
        _ if reply.stderr.trim().is_empty() => {
            Outcome::unconfirmed("tmux reported success, but said nothing of a session")
        }
        _ => Outcome::failed(format!("tmux said: {}", reply.stderr.trim())),
    })
}

fn parse_made(line: &str) -> Option<Made> {
    let mut fields = line.strip_prefix("gtctl-made ")?.split(' ');
    Some(Made {
        session: SessionId(fields.next()?.strip_prefix('$')?.parse().ok()?),
        pane: PaneId(fields.next()?.strip_prefix('%')?.parse().ok()?),
        pid: fields.next()?.parse().ok()?,
        server: fields.next()?.parse().ok()?,
    })
}

/// Law 9: the start is done when the agent has lived for the settling time.
async fn settle(machine: &impl Machine, order: &Order, made: Made) -> Outcome {
    let find = |pid| match machine.find(pid) {
        Seen::Known(found) => Ok(found.filter(|found| !found.zombie)),
        Seen::Unknown(why) => Err(Outcome::Unconfirmed(why)),
    };
    let (agent, server) = match (find(made.pid), find(made.server)) {
        (Ok(Some(agent)), Ok(Some(server))) => (agent.id, server.id),
        (Ok(None), Ok(_)) => return Outcome::failed("it ended at once"),
        // The server is gone already. The agent may ignore the hang-up and live on, and who is not remembered is started twice: so it gets a
        // server that equals no other.
        (Ok(Some(agent)), Ok(None)) => (agent.id, ProcessId { pid: made.server, start: 0 }),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let incarnation = Incarnation {
        server,
        session: made.session,
        pane: made.pane,
        process: agent,
        marker: order.marker(),
    };
    match machine.ended(&[agent], order.settle).await.as_slice() {
        [] => Outcome::failed(format!("it ended within {}", crate::model::Period::from(order.settle))),
        [ProcessId { .. }, ..] => Outcome::Done(Some(Box::new(incarnation))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(stdout: &str) -> Option<(i32, i32)> {
        let reply = Reply { code: Some(0), stdout: stdout.to_owned(), stderr: String::new() };
        made(Ok(reply)).ok().map(|made| (made.pid, made.server))
    }

    #[test]
    fn law_9_an_answer_that_is_cut_short_names_no_process() {
        let whole = "gtctl-made $3 %5 2465 2422\n";
        assert_eq!(made_of(whole), Some((2465, 2422)));
        for end in 0..whole.len() {
            assert_eq!(made_of(&whole[..end]), None, "cut at {end}");
        }
    }
}
