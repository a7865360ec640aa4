//! The kinds of agents that gtctl knows without being told, with the arguments that gt gives them.

/// A built-in kind: its name, its command, its environment.
pub struct Kind {
    /// The name in `agent = "…"`.
    pub name: &'static str,
    /// Program and arguments.
    pub command: &'static [&'static str],
    /// Environment variables.
    pub env: &'static [(&'static str, &'static str)],
}

/// All built-in kinds, by name.
pub const BUILT_IN: &[Kind] = &[
    Kind { name: "amp", command: &["amp", "--dangerously-allow-all", "--no-ide"], env: &[] },
    Kind { name: "auggie", command: &["auggie", "--allow-indexing"], env: &[] },
    Kind { name: "claude", command: &["claude", "--dangerously-skip-permissions"], env: &[] },
    Kind { name: "codex", command: &["codex", "--dangerously-bypass-approvals-and-sandbox"], env: &[] },
    Kind { name: "copilot", command: &["copilot", "--yolo"], env: &[] },
    Kind { name: "cursor", command: &["cursor-agent", "-f"], env: &[] },
    Kind { name: "gemini", command: &["gemini", "--approval-mode", "yolo"], env: &[] },
    Kind { name: "opencode", command: &["opencode"], env: &[("OPENCODE_PERMISSION", r#"{"*":"allow"}"#)] },
];
