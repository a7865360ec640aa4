//! Random moves: the lines that gtctl writes, and what people type.

use gtctl::act::fence::{HELD, PASSED, equal, guarded};
use gtctl::observed::tmux::quote::word;
use gtctl::sim::choose::Choices;

use super::pair::{Move, View};

const NAMES: [&str; 7] = ["a", "ab", "abc", "gt-x", "gt-x-y", "b", "x.y:z"];
const MADE: &str = "'gtctl-made #{session_id} #{pane_id} #{pane_pid} #{pid}'";
const PROGRAM: &str = "-- /usr/bin/env -u GT_ROLE 'sleep' '1000'";

/// What to know for making a move that means something.
pub struct Mover<'m> {
    pub choices: &'m mut Choices,
    pub view: &'m View,
}

impl Mover<'_> {
    /// A move.
    pub fn draw(&mut self) -> Move {
        if !self.view.is_up {
            return self.founding();
        }
        match self.choices.below(40) {
            0..=27 => self.script(),
            28..=32 => self.client(),
            33..=35 => self.ends(),
            36 | 37 => Move::Attach(self.session_id()),
            38 => Move::Detach,
            _ => {
                let founds = self.choices.one_in(2);
                Move::LoseSocket(vec![self.start()], founds)
            }
        }
    }

    fn founding(&mut self) -> Move {
        if self.choices.one_in(6) {
            return self.client();
        }
        Move::Script((0..=self.choices.below(3)).map(|_| self.start()).collect(), true)
    }

    fn script(&mut self) -> Move {
        // One line at a time while somebody is attached: else tmux 3.3a crashes too often (docs/tmux.md).
        let attached = self.view.lines.iter().any(|line| line.attached > 0);
        let count = self.choices.below(if attached { 1 } else { 6 });
        let mut lines: Vec<String> = (0..=count).map(|_| self.line()).collect();
        // What ends by itself comes last: nobody knows what would still see it.
        if self.choices.one_in(6) {
            lines.push(self.short());
        }
        if self.choices.one_in(40) {
            lines.push(self.mistake());
        }
        Move::Script(lines, false)
    }

    fn client(&mut self) -> Move {
        let target = self.target();
        let name = self.name();
        let arguments: Vec<&str> = match self.choices.below(10) {
            0 => vec!["has-session", "-t", &target],
            1 => vec![
                "list-sessions",
                "-F",
                "#{session_name} #{session_id}",
                "-f",
                "#{==:#{session_attached},0}",
            ],
            2 => vec!["list-panes", "-t", &target, "-F", "#{pane_id} #{@x}"],
            3 => vec!["new-session", "-d", "-s", &name, "--", "sleep", "1000"],
            4 => vec![
                "display-message",
                "-p",
                "-t",
                &target,
                "#{session_id} #{window_id} #{pane_id}",
                ";",
                "kill-session",
                "-t",
                "nosuch",
            ],
            5 => vec![
                "list-windows",
                "-a",
                "-F",
                "#{window_id} #{window_name} #{session_name};",
                ";",
                "show-options",
                "-v",
                "-t",
                &target,
                "@x",
            ],
            6 => vec!["attach-session", "-t", &target],
            7 => vec!["start-server"],
            // By itself: tmux counts a window that has just changed as linked once more until its notices are out.
            8 => vec!["unlink-window", "-t", &target],
            _ => vec!["kill-session", "-t", &target, ";", "list-panes", "-a", "-F", "#{pane_id}"],
        };
        if !self.view.is_up && arguments[0] == "new-session" {
            return self.founding();
        }
        Move::Client(arguments.into_iter().map(str::to_owned).collect())
    }

    fn ends(&mut self) -> Move {
        let pane = self.pane_number();
        Move::Ends(pane, if self.choices.one_in(2) { 15 } else { 9 })
    }

    fn one_of<'t>(&mut self, from: &[&'t str]) -> &'t str {
        self.choices.pick(from).copied().unwrap()
    }

    fn name(&mut self) -> String {
        self.one_of(&NAMES).to_owned()
    }

    fn session_id(&mut self) -> String {
        let all: Vec<String> = self.view.lines.iter().map(|line| line.session.to_string()).collect();
        self.choices.pick(&all).cloned().unwrap_or_else(|| "$0".to_owned())
    }

    fn pane_number(&mut self) -> u32 {
        let all: Vec<u32> = self.view.lines.iter().map(|line| line.pane.0).collect();
        self.choices.pick(&all).copied().unwrap_or(0)
    }

    fn pane(&mut self) -> String {
        format!("%{}", self.pane_number())
    }

    fn window(&mut self) -> String {
        let all: Vec<String> = self.view.lines.iter().map(|line| format!("@{}", line.window)).collect();
        self.choices.pick(&all).cloned().unwrap_or_else(|| "@0".to_owned())
    }

    /// Some target, right or wrong.
    fn target(&mut self) -> String {
        let (session, window, pane, name) = (self.session_id(), self.window(), self.pane(), self.name());
        match self.choices.below(22) {
            0 | 1 => session,
            2 | 3 => format!("{session}:"),
            4 | 5 => pane,
            6 => window,
            7 => name,
            8 => format!("={name}"),
            9 => format!("={name}:"),
            10 => format!("{session}:{window}"),
            11 => format!("{session}:{window}.{pane}"),
            12 => format!("{session}:.{pane}"),
            13 => format!("{name}:0.1"),
            14 => format!(
                "{session}:{}",
                self.one_of(&["0", "1", "9", "+", "-", "!", "^", "$", "{end}", "sl", "=sleep"])
            ),
            15 => format!("{window}.{}", self.one_of(&["0", "1", "!", "{last}", "top", "bottom", "7"])),
            16 => self
                .one_of(&[
                    "$99",
                    "%99",
                    "@99",
                    "$99:@99.%99",
                    "=",
                    "~",
                    ":",
                    ":.",
                    ".1",
                    "nosuch",
                    "=nosuch:",
                    "g*",
                ])
                .to_owned(),
            17 => format!("$99:{window}.{pane}"),
            18 => format!("{session}:@99.{pane}"),
            19 => format!("{session}:{window}.%99"),
            20 => name.chars().take(1).collect(),
            _ => format!("{window}.{pane}"),
        }
    }

    fn label(&mut self) -> String {
        let lines = &self.view.lines;
        let known: Vec<String> =
            lines.iter().map(|line| line.label.clone()).filter(|it| !it.is_empty()).collect();
        let label = self.choices.pick(&known).cloned();
        label.unwrap_or_else(|| "0123456789ab.r/witness.ba9876543210".to_owned())
    }

    /// What gtctl writes to start an agent in a session of its own.
    fn start(&mut self) -> String {
        let name = self.name();
        let target = word(&format!("={name}:"));
        let life = format!("{:012x}", self.choices.below(9));
        format!(
            "new-session -d -P -F {MADE} -s {} -x 200 -y 50 -c '/tmp' -e 'KEY=it'\\''s #{{pid}}' -e 'GTCTL_TOWN=t' {PROGRAM} ; {}",
            word(&name),
            labels(&life, &target, &target)
        )
    }

    /// Guarded lines: for the right thing, or for something that has changed.
    fn guarded(&mut self) -> String {
        let Some(line) = self.choices.pick(&self.view.lines).cloned() else { return self.start() };
        let (session, window, pane) = (line.session.to_string(), line.window, line.pane.to_string());
        let label = if self.choices.one_in(8) { self.label() } else { line.label.clone() };
        let mut all = vec![equal("pid", "{SERVER}"), equal("session_id", &session), equal("@gtctl", &label)];
        let of_pane = [equal("pane_id", &pane), equal("pane_pid", &format!("{{PID:{pane}}}"))];
        let at_pane = match self.choices.below(10) {
            0 => self.target(),
            _ => format!("{session}:@{window}.{pane}"),
        };
        let at_session = format!("{session}:");
        let (whole, one) = (word(&at_session), word(&pane));
        let life = format!("{:012x}", self.choices.below(9));
        let nobody = "#{&&:#{==:#{session_attached},0},#{?session_group_attached,0,1}}".to_owned();
        match self.choices.below(8) {
            0 | 1 => {
                all.extend(of_pane);
                all.push(equal("pane_dead", "1"));
                let respawn = format!("respawn-pane -t {one} -c '/tmp' -e 'A=1' {PROGRAM}");
                let made = format!("display-message -p -t {one} {MADE}");
                guarded(&at_pane, &all, &[respawn, labels(&life, &whole, &one), made])
            }
            2 => {
                let new = format!("new-window -P -F {MADE} -t {whole} -c '/tmp' {PROGRAM}");
                guarded(&at_session, &all, &[new, labels(&life, &whole, &whole)])
            }
            3 => {
                let kill = format!("kill-session -t {}", word(&session));
                guarded(&at_session, &all, &[format!("display-message -p {PASSED}"), kill])
            }
            4 => {
                all.extend(of_pane);
                all.push(nobody);
                let kill = format!("kill-session -t {}", word(&session));
                guarded(&at_pane, &all, &[format!("display-message -p {PASSED}"), kill])
            }
            5 => {
                all.extend(of_pane);
                let adopt = format!("set-option -t {whole} @gtctl {}", word(&self.label()));
                let agent = format!("set-option -p -t {one} @gtctl_agent {life}");
                guarded(&at_pane, &all, &[adopt, agent, format!("display-message -p {PASSED}")])
            }
            6 => {
                all.extend(of_pane);
                all.extend([equal("pane_dead", "0"), equal("pane_in_mode", "0"), nobody]);
                let keys = format!("send-keys -l -t {one} -- {}", word("it's #{pid}; ~ $HOME"));
                guarded(&at_pane, &all, &[keys, format!("display-message -p {PASSED}")])
            }
            _ => format!(
                "display-message -p 'gtctl-env {session}' ; show-environment -t '{session}:' ; display-message -p 'gtctl-env-end'"
            ),
        }
    }

    /// What people type.
    fn line(&mut self) -> String {
        if self.choices.one_in(3) {
            return self.guarded();
        }
        if self.choices.one_in(12) {
            return self.start();
        }
        let (target, other, name) = (word(&self.target()), word(&self.target()), word(&self.name()));
        let d = self.one_of(&["", "-d "]);
        let p = self.one_of(&["", "-p ", "-w "]);
        let index = self.choices.below(4);
        match self.choices.below(48) {
            0 | 1 => format!("new-session -d -s {name} -y 40 -- sleep 1000"),
            2 => "new-session -d -n w -- sleep 1000".to_owned(),
            3 => format!("new-session -d -t {target} -s {name}"),
            4..=6 => format!("new-window {d}-t {target} -- sleep 1000"),
            7 => format!("new-window {d}-n {name} -P -t '$0:{index}' 'exec sleep 1000'"),
            8..=11 => format!("split-window {d}-t {target} -- sleep 1000"),
            12 => format!("split-window -b -P -F '#{{pane_id}}' -t {target} -- sleep 1000"),
            13 => format!("split-window {d}-t {target} ''"),
            14 | 15 => format!("kill-pane -t {target}"),
            16 => format!("kill-pane -a -t {target}"),
            17 => format!("kill-window -t {target}"),
            18 => format!("kill-session -t {target}"),
            19 => format!("rename-session -t {target} {name}"),
            20 => format!("rename-window -t {target} {name}"),
            21 | 22 => format!("set-option {p}-t {target} @x {name}"),
            23 => format!("set-option {p}-u -t {target} @x"),
            24 => format!("set-option -g {p}@y v{index}"),
            25 => format!("set-option -a {p}-t {target} @x more"),
            26..=28 => {
                let how = self.one_of(&["on", "off", "failed", "1", ""]);
                let p = self.one_of(&["-p ", "-w ", ""]);
                format!("set-option {p}-t {target} remain-on-exit {how}")
            }
            29 => format!("set-option -g -w remain-on-exit {}", self.one_of(&["on", "off"])),
            30 => format!("set-environment -t {target} KEY {name}"),
            31 => format!("set-environment -u -t {target} KEY"),
            32 => format!("show-environment -t {target}"),
            33 => format!("show-environment -t {target} KEY"),
            34 => format!("respawn-pane -k -t {target} -- sleep 1000"),
            35 => format!("respawn-pane -t {target}"),
            36 | 37 => format!("break-pane {d}-s {target}"),
            38 | 39 => format!("join-pane {d}-s {target} -t {other}"),
            40 => format!("link-window {d}-s {target} -t {other}"),
            41 => format!("unlink-window -k -t {target}"),
            42 => format!("move-window {d}-s {target} -t '$0:{index}'"),
            43 => format!(
                "{} -t {target}",
                self.one_of(&[
                    "select-window",
                    "next-window",
                    "previous-window",
                    "last-window",
                    "select-pane"
                ])
            ),
            44 => format!("copy-mode {}-t {target}", self.one_of(&["", "-q "])),
            45 => format!("send-keys -t {target} -X cancel"),
            46 => format!(
                "if-shell -F -t {target} '#{{==:#{{@x}},a}}' 'display-message -p yes ; kill-pane -t nosuch ; display-message -p no' {{ display-message -p -t {other} '#{{pane_id}} #{{window_id}}' }} ; display-message -p {HELD}"
            ),
            _ => format!(
                "display-message -p -t {target} '#{{session_name}} #{{pane_id}} #{{?pane_dead,dead,alive}} #{{KEY}}' ; list-panes -s -t {target} -F '#{{pane_id}}'"
            ),
        }
    }

    /// Something that ends by itself.
    fn short(&mut self) -> String {
        let target = word(&self.target());
        let code = self.choices.below(3);
        match self.choices.below(3) {
            0 => format!("new-session -d -s {} 'exit {code}'", word(&self.name())),
            1 => format!("new-window -t {target} 'exit {code}'"),
            _ => format!("split-window -t {target} 'exit {code}'"),
        }
    }

    fn mistake(&mut self) -> String {
        self.one_of(&[
            "frobnicate",
            "kill-s",
            "new-session -d -z",
            "kill-session x",
            "has-session -tx -q",
            "display-message -p {",
        ])
        .to_owned()
    }
}

/// The labels that gtctl writes with a start.
fn labels(life: &str, session: &str, pane: &str) -> String {
    let label = format!("0123456789ab.r/witness.{life}");
    format!(
        "set-option -t {session} @gtctl {} ; set-option -t {session} @gtctl_spec 'ba9876543210' ; \
         set-option -p -t {pane} @gtctl_agent {} ; set-option -p -t {pane} remain-on-exit on ; display-message -p {PASSED}",
        word(&label),
        word(life)
    )
}
