//! What park and dock leave behind.

use super::*;
use crate::model::Name;
use crate::town::files::town_toml::RigState::{self, Active, Docked, Parked};

fn rig() -> Name {
    Name::parse("x").unwrap()
}

fn set(text: &str, state: RigState) -> String {
    set_rig_state(text, &rig(), state, None, None).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_changed_value_keeps_its_comments() {
    let text = "# top\n[rigs.x] # the rig\n# above\nstate = \"docked\"  # behind\n\n[town]\n";
    assert_eq!(set(text, Parked), text.replace("docked", "parked"));
}

#[test]
fn a_removed_key_keeps_its_comments() {
    let text = "[rigs.x]\n# above\nstate = \"docked\"  # behind\nreason = \"r\"\nuntil = 2026-12-01T09:00:00Z\nprefix = \"p\"\n";
    assert_eq!(set(text, Active), "[rigs.x]\n# above\n# behind\nprefix = \"p\"\n");
}

#[test]
fn reason_and_until_follow_the_state_and_an_old_reason_goes() {
    let until = "2026-12-01T09:00:00Z".parse().ok();
    let parked = set_rig_state("[rigs.x]\nprefix = \"p\"\n", &rig(), Parked, Some("a \"b\""), until).unwrap();
    assert_eq!(
        parked,
        "[rigs.x]\nstate = \"parked\"\nreason = 'a \"b\"'\nuntil = 2026-12-01T09:00:00Z\nprefix = \"p\"\n"
    );
    assert_eq!(set(&parked, Docked), "[rigs.x]\nstate = \"docked\"\nprefix = \"p\"\n");
    let again = set_rig_state(&parked, &rig(), Parked, Some("a \"b\""), until).unwrap();
    assert_eq!(again, parked, "the same edit twice changes nothing");
}

#[test]
fn every_way_to_write_a_rig_can_be_parked_and_unparked() {
    for (text, parked, back) in [
        ("", "[rigs.x]\nstate = \"parked\"\n", "[rigs.x]\n"),
        ("# only\n", "# only\n\n[rigs.x]\nstate = \"parked\"\n", "# only\n\n[rigs.x]\n"),
        ("[town]", "[town]\n\n[rigs.x]\nstate = \"parked\"", "[town]\n\n[rigs.x]"),
        ("[rigs.x]", "[rigs.x]\nstate = \"parked\"", "[rigs.x]"),
        ("  [rigs.x]\n", "  [rigs.x]\n  state = \"parked\"\n", "  [rigs.x]\n"),
        (
            "rigs.x.prefix = 'p'\n",
            "rigs.x.state = \"parked\"\nrigs.x.prefix = 'p'\n",
            "rigs.x.prefix = 'p'\n",
        ),
        (
            "[rigs]\nx.prefix = 'p'\n",
            "[rigs]\nx.state = \"parked\"\nx.prefix = 'p'\n",
            "[rigs]\nx.prefix = 'p'\n",
        ),
        (
            "rigs.y.prefix = 'p'\n",
            "rigs.y.prefix = 'p'\n\n[rigs.x]\nstate = \"parked\"\n",
            "rigs.y.prefix = 'p'\n\n[rigs.x]\n",
        ),
        ("[rigs]\nx = {}\n", "[rigs]\nx = { state = \"parked\" }\n", "[rigs]\nx = {}\n"),
        (
            "rigs.x = { prefix = 'p' }\n",
            "rigs.x = { state = \"parked\", prefix = 'p' }\n",
            "rigs.x = { prefix = 'p' }\n",
        ),
        (
            "rigs = {x={prefix='p'}}\n",
            "rigs = {x={ state = \"parked\", prefix='p'}}\n",
            "rigs = {x={ prefix='p'}}\n",
        ),
        (
            "rigs = { y = {} }\n",
            "rigs = { x = { state = \"parked\" }, y = {} }\n",
            "rigs = { x = {}, y = {} }\n",
        ),
        (
            "rigs = { x.prefix = 'p' }\n",
            "rigs = { x.state = \"parked\", x.prefix = 'p' }\n",
            "rigs = { x.prefix = 'p' }\n",
        ),
        (
            "[rigs.x.crew.max]\n",
            "[rigs.x.crew.max]\n\n[rigs.x]\nstate = \"parked\"\n",
            "[rigs.x.crew.max]\n\n[rigs.x]\n",
        ),
    ] {
        assert_eq!(set(text, Parked), parked, "park {text:?}");
        assert_eq!(set(parked, Active), back, "unpark {parked:?}");
    }
}

#[test]
fn an_unparked_rig_does_not_vanish_from_the_list_of_rigs() {
    assert_eq!(set("rigs.x.state = 'parked' # why\n", Active), "rigs.x = {} # why\n");
    assert_eq!(set("rigs = { x.state = 'parked' }\n", Active), "rigs = { x = {} }\n");
    assert_eq!(set("a = 1\n", Active), "a = 1\n");
}

#[test]
fn the_last_entry_of_an_inline_table_goes_with_its_comma() {
    assert_eq!(set("rigs.x = { prefix = 'p', state = 'parked' }\n", Active), "rigs.x = { prefix = 'p' }\n");
    let several = "[rigs]\nx = {\n  prefix = 'p', # one\n  state = 'parked', # two\n}\n";
    let left = set(several, Active);
    assert!(left.contains("# one") && left.contains("# two"), "{left}");
}

#[test]
fn crlf_stays_crlf() {
    let text = "# top\r\n[rigs.x]\r\nprefix = 'p'\r\n";
    let parked = "# top\r\n[rigs.x]\r\nstate = \"parked\"\r\nprefix = 'p'\r\n";
    assert_eq!(set(text, Parked), parked);
    assert_eq!(set(parked, Active), text);
    assert_eq!(set("[town]\r\n", Parked), "[town]\r\n\r\n[rigs.x]\r\nstate = \"parked\"\r\n");
}

#[test]
fn a_byte_order_mark_stays() {
    assert_eq!(set("\u{feff}[rigs.x]\nstate = 'docked'\n", Parked), "\u{feff}[rigs.x]\nstate = \"parked\"\n");
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    let refused = |text| set_rig_state(text, &rig(), Parked, None, None).unwrap_err();
    assert!(matches!(refused("[rigs.x]\nstate ="), EditError::Syntax { line: 2, .. }));
    assert!(matches!(refused("rigs = 3"), EditError::NotATable(_)));
    assert!(matches!(refused("rigs.x = 3"), EditError::NotATable(_)));
    assert!(matches!(refused("[[rigs]]\n"), EditError::NotATable(_)));
}

/// Lines that a `town.toml` may consist of; most orders of them are valid.
const LINES: &[&str] = &[
    "# c",
    "",
    "[town] # c",
    "naming = 'rig'",
    "[rigs]",
    "[rigs.x] # c",
    "  state = 'docked'  # c",
    "reason = \"\"\"two\nlines # not a comment\"\"\"",
    "until = 2026-12-01T09:00:00Z",
    "prefix = 'p'",
    "x.state = 'parked' # c",
    "x.prefix = \"p\"",
    "x = { state = 'docked', prefix = 'p' } # c",
    "rigs.x.state = 'docked'",
    "rigs.x.roles.witness = { enabled = true }",
    "rigs = { y = {}, x = { prefix = 'p', state = 'parked' } }",
    "[rigs.x.crew.max]",
    "[rigs.x.roles.refinery] # c",
    "[rigs.y]",
];

proptest::proptest! {
    #[test]
    fn park_and_unpark_change_three_keys_and_no_comment(
        lines in proptest::collection::vec(proptest::sample::select(LINES), 0..6),
        crlf: bool,
        finished: bool,
    ) {
        let mut text = lines.join(if crlf { "\r\n" } else { "\n" });
        if finished {
            text.push('\n');
        }
        let comments = |text: &str| text.matches("# c").count();
        match set_rig_state(&text, &rig(), Parked, Some("why"), None) {
            Ok(parked) => {
                proptest::prop_assert_eq!(comments(&text), comments(&parked));
proptest::prop_assert!(!finished || parked.ends_with('\n'), "{}", parked);
                let back = set_rig_state(&parked, &rig(), Active, None, None).unwrap();
                proptest::prop_assert_eq!(comments(&text), comments(&back));
            }
            Err(error) => proptest::prop_assert!(matches!(error, EditError::Syntax { .. }), "{}: {}", text, error),
        }
    }
}
