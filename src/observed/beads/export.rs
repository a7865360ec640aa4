//! The export of a database, `.beads/issues.jsonl`: one issue a line, written anew some seconds after a change. `bd` keeps it beside SQLite; a town on
//! Dolt may have none.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Its name, in the directory of the data.
pub const EXPORT: &str = "issues.jsonl";

#[derive(Deserialize)]
struct Line {
    id: String,
    status: String,
}

/// The issues that are closed. A line that is none, or not yet whole, tells of none.
pub fn closed(text: &[u8]) -> BTreeSet<String> {
    let lines = text.split(|byte| *byte == b'\n');
    let issues = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    issues.filter(|issue| issue.status == "closed").map(|issue| issue.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_closed_issues_count() {
        let text = b"{\"id\":\"a\",\"status\":\"closed\",\"title\":\"x\"}\n{\"id\":\"b\",\"status\":\"open\"}\nnoise\n\n\
            {\"id\":\"c\",\"status\":\"closed\"}\n{\"id\":\"d\",\"status\":\"clo";
        assert_eq!(closed(text), ["a", "c"].map(str::to_owned).into());
        assert_eq!(closed(b"\xff\xfe"), BTreeSet::new());
    }
}
