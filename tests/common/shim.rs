//! A program named `tmux`, first on gtctl's PATH, that counts calls and can fail, lie or dawdle.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{agents, guard};

/// What the shim does with a call.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Hands it to the real tmux.
    Pass,
    /// Fails, with this exit code and this text on standard error.
    Fail(i32, &'static str),
    /// Fails what only looks, until something that changes comes along; from then on passes.
    FailLooksUntilChange(&'static str),
    /// Waits, then hands it to the real tmux.
    Delay(Duration),
    /// Answers with text that is no answer, and exit code 0; not to `-V`.
    Nonsense,
    /// Answers nothing, does nothing, and claims success; not to `-V`.
    Lie,
    /// Lets what only looks pass; claims success for what changes, and does nothing.
    LieAboutChanges,
    /// Answers every look with success and nothing, as if there were no session; lets what changes pass.
    LookEmpty,
    /// Answers `-V` with this text, lets all else pass.
    Version(&'static str),
    /// Has the real tmux do it, and then fails without a word.
    LoseReply,
    /// Has the real tmux do it, and then says nothing for so long.
    HangAfter(Duration),
    /// Lets what only looks pass; what changes is done so much later, also if nobody waits for it any more.
    LateChanges(Duration),
    /// Leaves out every second pane that the real tmux lists; lets what changes pass.
    HalfLooks,
    /// Cuts the answer after so many letters.
    CutReplies(usize),
    /// Passes, and removes this file once after a `kill-session`.
    RemoveAfterKill(PathBuf),
}

impl Mode {
    /// As the script reads it: a word, a number, a text; one a line.
    fn written(&self) -> String {
        match self {
            Self::Pass => "pass\n".to_owned(),
            Self::Fail(code, text) => format!("fail\n{code}\n{text}\n"),
            Self::FailLooksUntilChange(text) => format!("fail-looks\n1\n{text}\n"),
            Self::Delay(delay) => format!("delay\n{}\n", delay.as_secs_f64()),
            Self::Nonsense => "nonsense\n".to_owned(),
            Self::Lie => "lie\n".to_owned(),
            Self::LieAboutChanges => "lie-about-changes\n".to_owned(),
            Self::LookEmpty => "look-empty\n".to_owned(),
            Self::Version(text) => format!("version\n0\n{text}\n"),
            Self::LoseReply => "lose-reply\n".to_owned(),
            Self::HangAfter(delay) => format!("hang-after\n{}\n", delay.as_secs_f64()),
            Self::LateChanges(delay) => format!("late-changes\n{}\n", delay.as_secs_f64()),
            Self::HalfLooks => "half-looks\n".to_owned(),
            Self::RemoveAfterKill(file) => format!("remove-after-kill\n0\n{}\n", file.display()),
            Self::CutReplies(length) => format!("cut-replies\n{length}\n"),
        }
    }
}

/// `@DIR@` and `@REAL@` are put in. A call is logged when what it was given to read is there, too. Fields of the log are separated by US (0x1f), calls by a line feed. A call counts as a look if
/// none of its words, and none of the lines on its standard input, is a command that changes something.
const SCRIPT: &str = r#"#!/usr/bin/env bash
dir='@DIR@' real='@REAL@' us=$'\x1f'
{ read -r mode; read -r number; read -r text; } <"$dir/mode"
id=$EPOCHREALTIME.$$
line=$id
for arg; do line+=$us${arg//$'\n'/\\n}; done
has_input=no
[[ ${!#} == - ]] && has_input=yes
[[ $has_input == yes ]] && cat >"$dir/$id.stdin"
printf '%s\n' "$line" >>"$dir/calls"
changes=no
pattern='(^|[[:space:];{"'"'"'])(new-session|new|new-window|split-window|respawn-pane|respawn-window|kill-[a-z]+|set[a-z-]*|send-keys|send|load-buffer|paste-buffer|run-shell|rename-[a-z]+|start-server|attach-session)([[:space:];}"'"'"']|$)'
[[ "$*" =~ $pattern ]] && changes=yes
[[ $has_input == yes && $(<"$dir/$id.stdin") =~ $pattern ]] && changes=yes
version=no
[[ "${!#}" == -V ]] && version=yes
pass() {
  if [[ $has_input == yes ]]; then exec "$real" "$@" <"$dir/$id.stdin"; else exec "$real" "$@"; fi
}
case $mode in
  fail) printf '%s\n' "$text" >&2; exit "$number" ;;
  fail-looks)
    [[ $version == yes ]] && pass "$@"
    if [[ $changes == yes ]]; then echo pass >"$dir/mode"; pass "$@"; fi
    printf '%s\n' "$text" >&2; exit "$number" ;;
  delay) read -rt "$number" <>"$dir/never"; pass "$@" ;;
  nonsense) [[ $version == yes ]] && pass "$@"; printf 'what?\0\t%%%%\n$$$ no answer\n'; exit 0 ;;
  lie) [[ $version == yes ]] && pass "$@"; exit 0 ;;
  lie-about-changes) [[ $changes == yes ]] && exit 0; pass "$@" ;;
  look-empty) [[ $changes == no && $version == no ]] && exit 0; pass "$@" ;;
  lose-reply) [[ $version == yes ]] && pass "$@"; (pass "$@") >/dev/null 2>&1; exit 1 ;;
  hang-after)
    [[ $version == yes ]] && pass "$@"
    (pass "$@") >/dev/null 2>&1; read -rt "$number" <>"$dir/never"; exit 1 ;;
  late-changes)
    [[ $changes == no ]] && pass "$@"
    (read -rt "$number" <>"$dir/never"; pass "$@") >/dev/null 2>&1 &
    wait; exit 1 ;;
  half-looks)
    [[ $changes == yes || $version == yes ]] && pass "$@"
    (pass "$@") | while IFS= read -r line; do
      if [[ $line == gtctl-* ]] || ((count++ % 2)); then printf '%s\n' "$line"; fi
    done
    exit "${PIPESTATUS[0]}" ;;
  remove-after-kill)
    [[ $has_input == yes && $(<"$dir/$id.stdin") == *kill-session* ]] || pass "$@"
    (pass "$@"); code=$?; rm -f "$text"; echo pass >"$dir/mode"; exit "$code" ;;
  cut-replies) [[ $version == yes ]] && pass "$@"; all=$(pass "$@"); code=$?; printf '%s' "${all:0:number}"; exit "$code" ;;
  version) [[ $version == yes ]] && { printf '%s\n' "$text"; exit 0; }; pass "$@" ;;
  *) pass "$@" ;;
esac
"#;

/// One call that was made.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its arguments.
    pub args: Vec<String>,
    /// What it was given to read, if its last argument was `-`.
    pub stdin: Option<String>,
}

impl Call {
    /// Whether it consists of nothing but `list-panes`, `display-message -p`, `show-environment` and `capture-pane -p` (or `-V`).
    pub fn is_read_only(&self) -> bool {
        let commands = self.commands();
        !commands.is_empty() && commands.iter().all(|words| is_look(words))
    }

    /// The tmux commands of the call, in words, without the options of tmux itself.
    fn commands(&self) -> Vec<Vec<String>> {
        let mut rest = self.args.as_slice();
        while let Some(option) = rest.first() {
            let skip = match option.as_str() {
                "-V" => return vec![vec!["-V".to_owned()]],
                "-L" | "-S" | "-f" | "-c" | "-T" => 2,
                text if text.starts_with('-') => 1,
                _ => break,
            };
            rest = rest.get(skip..).unwrap_or_default();
        }
        match &self.stdin {
            Some(text) => {
                let lines =
                    text.lines().flat_map(|line| line.split(" ; ")).filter(|line| !line.trim().is_empty());
                lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
            }
            None => rest.split(|word| word == ";").map(<[String]>::to_vec).collect(),
        }
    }
}

fn is_look(words: &[String]) -> bool {
    match words.first().map(String::as_str) {
        Some("list-panes" | "show-environment" | "-V") => true,
        Some("capture-pane") => words.iter().any(|word| word == "-p"),
        Some("display-message") => words.iter().any(|word| word.starts_with('-') && word.contains('p')),
        _ => false,
    }
}

/// The installed shim.
pub struct Shim {
    dir: PathBuf,
}

impl Shim {
    /// Puts it in the place of `bin/tmux` below `root`.
    pub fn install(root: &Path) -> Self {
        let dir = root.join("shim");
        fs::create_dir_all(&dir).unwrap();
        let shim = Self { dir };
        shim.mode(Mode::Pass);
        let made = std::process::Command::new("mkfifo").arg(shim.dir.join("never")).status().unwrap();
        assert!(made.success(), "mkfifo");
        let real = guard::program().display().to_string();
        let text = SCRIPT.replace("@DIR@", &shim.dir.display().to_string()).replace("@REAL@", &real);
        let path = root.join("bin/tmux");
        fs::remove_file(&path).unwrap();
        agents::install(&path, text.as_bytes());
        shim
    }

    /// What it does from now on.
    pub fn mode(&self, mode: Mode) {
        let new = self.dir.join("mode.new");
        fs::write(&new, mode.written()).unwrap();
        fs::rename(new, self.dir.join("mode")).unwrap();
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        let text = fs::read_to_string(self.dir.join("calls")).unwrap_or_default();
        text.lines().map(|line| self.read_call(line)).collect()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        let _ = fs::remove_file(self.dir.join("calls"));
    }

    fn read_call(&self, line: &str) -> Call {
        let mut fields = line.split('\u{1f}').map(str::to_owned);
        let id = fields.next().unwrap_or_default();
        let stdin = fs::read_to_string(self.dir.join(format!("{id}.stdin"))).ok();
        Call { args: fields.collect(), stdin }
    }
}
