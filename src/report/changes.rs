//! What two readings of the files differ in, in words.

use crate::desired::{Desired, Hold, Object};

/// What `after` asks for and `before` did not, or the other way round; one line each. Lines of files that only moved are no difference. Values of
/// environment variables, which may be secrets, are not told.
pub fn between(before: &Desired, after: &Desired) -> Vec<String> {
    let mut lines = Vec::new();
    if before.socket != after.socket {
        lines.push(format!("tmux server: {}", after.socket.arguments().join(" ")));
    }
    if before.naming != after.naming {
        lines.push("naming: sessions have other names from now on".to_owned());
    }
    for (address, object) in &after.objects {
        match before.objects.get(address) {
            None => lines.push(format!("+ {address}: new")),
            Some(old) => {
                let parts = parts(old, object);
                if !parts.is_empty() {
                    lines.push(format!("~ {address}: {}", parts.join(", ")));
                }
            }
        }
    }
    for address in before.objects.keys().filter(|address| !after.objects.contains_key(*address)) {
        lines.push(format!("- {address}: no file lists it any more; what runs of it is left alone"));
    }
    let policy = [
        ("backoff", before.policy.backoff != after.policy.backoff),
        ("crash-loop", before.policy.crash_loop != after.policy.crash_loop),
        ("limits", before.policy.limits != after.policy.limits),
        ("controller", before.policy.controller != after.policy.controller),
    ];
    lines.extend(
        policy.iter().filter(|(_, differs)| *differs).map(|(table, _)| format!("settings: [{table}]")),
    );
    lines
}

/// What differs between two readings of one object.
fn parts(old: &Object, new: &Object) -> Vec<&'static str> {
    let said = |object: &Object| -> Vec<_> {
        object
            .holds
            .iter()
            .map(|Hold { kind, note, until, .. }| (kind.clone(), note.clone(), *until))
            .collect()
    };
    let all = [
        ("what it is started from (its next start will be by that)", old.spec != new.spec),
        ("what holds it", said(old) != said(new)),
        ("what it comes after", old.after != new.after),
        ("its restart policy", old.restart != new.restart),
    ];
    all.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect()
}
