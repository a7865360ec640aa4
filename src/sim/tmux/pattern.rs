//! Patterns as in a shell: `*`, `?` and `[…]`.

/// Whether a text fits a pattern as a whole.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            fits(rest, text)
                || text.char_indices().any(|(at, letter)| {
                    text.get(at + letter.len_utf8()..).is_some_and(|tail| fits(rest, tail))
                })
        }
        Some('[') if letters.as_str().get(1..).is_some_and(|rest| rest.contains(']')) => {
            let mut text = text.chars();
            let Some(letter) = text.next() else { return false };
            let (found, rest) = class(letters.as_str(), letter);
            found && fits(rest, text.as_str())
        }
        Some(one) => {
            let one = if one == '\\' { letters.next().unwrap_or('\\') } else { one };
            let is_any = one == '?' && !pattern.starts_with('\\');
            let mut text = text.chars();
            text.next().is_some_and(|letter| is_any || letter == one) && fits(letters.as_str(), text.as_str())
        }
    }
}

/// Whether a letter is in the class that begins here, and what follows the class.
fn class(pattern: &str, letter: char) -> (bool, &str) {
    let (inner, negated) = match pattern.strip_prefix(['!', '^']) {
        Some(inner) => (inner, true),
        None => (pattern, false),
    };
    let end = inner.char_indices().skip(1).find(|(_, it)| *it == ']').map_or(inner.len(), |(at, _)| at);
    let (members, rest) = inner.split_at(end);
    let members: Vec<char> = members.chars().collect();
    let mut found = false;
    let mut at = 0;
    while let Some(first) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(last)) => {
                found |= (*first..=*last).contains(&letter);
                at += 3;
            }
            _ => {
                found |= *first == letter;
                at += 1;
            }
        }
    }
    (found != negated, rest.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?", "ü", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\?", "x", false),
            ("[", "[", true),
            ("gt-*", "gt-mayor", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
