//! The one door to tmux. Tests run on machines where people work in tmux; nothing here may ever touch their server.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmux command line for a private server, or a panic.
///
/// Refused are: no socket name, `default`, anything that is not a plain name, and a socket directory outside `root`, which
/// itself must be a directory below the system's temporary one.
pub fn tmux(socket: &str, tmpdir: &Path, root: &Path) -> Command {
    assert!(!socket.is_empty(), "tmux guard: no socket name means somebody's own server");
    assert!(socket != "default", "tmux guard: `default` is somebody's own server");
    let plain = socket.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    assert!(plain, "tmux guard: {socket:?} is not a plain name");
    let (tmpdir, root) = (real(tmpdir), real(root));
    let temp = real(&std::env::temp_dir());
    assert!(
        root != temp && root.starts_with(&temp),
        "tmux guard: {} is not a test's own directory",
        root.display()
    );
    assert!(tmpdir.starts_with(&root), "tmux guard: {} is not inside {}", tmpdir.display(), root.display());

    let mut command = Command::new(program());
    command.args(["-L", socket, "-f", "/dev/null"]);
    command.env_clear().env("TMUX_TMPDIR", &tmpdir).env("HOME", root.join("home"));
    command.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("LANG", "C.UTF-8").env("TERM", "xterm");
    command
}

/// The real tmux.
pub fn program() -> PathBuf {
    which::which("tmux").expect("the integration tests need tmux on PATH")
}

/// Without symlinks and `..`, so that `starts_with` means what it says.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| panic!("tmux guard: {}: {error}", path.display()))
}
