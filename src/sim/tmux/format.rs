//! tmux's formats: variables, options, comparisons, "and", "or", and the conditional.
//!
//! Everything is written to one text, also what is only compared: it is cut off again. So a format costs no memory of its own, and a look asks
//! for one line a pane.

use super::pattern;

/// What knows the value of a variable.
pub(super) trait Values {
    /// Writes the value of a variable or an option; `false` if it has none.
    fn write(&self, name: &str, out: &mut String) -> bool;

    /// Takes note of something in a format that is not modelled.
    fn unmodelled(&self, what: &str);
}

/// Expands a format.
pub(super) fn expand(format: &str, values: &impl Values, out: &mut String) {
    let mut rest = format;
    while let Some(at) = rest.find('#') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut letters = from.chars();
        letters.next();
        match letters.next() {
            None => {
                values.unmodelled("a # at the end of a format");
                return out.push('#');
            }
            Some('{') => {
                let Some(length) = skip(from, "}") else { return };
                let (inner, tail) = from.split_at(length);
                // What fails ends the whole text there.
                if replace(inner.get(2..).unwrap_or_default(), values, out).is_none() {
                    return;
                }
                rest = tail.get(1..).unwrap_or_default();
            }
            Some('(') => {
                values.unmodelled("#(…)");
                return;
            }
            Some('#') => {
                let hashes = from.len() - from.trim_start_matches('#').len();
                if from.get(hashes..).is_some_and(|tail| tail.starts_with('[')) {
                    let (style, tail) = from.split_at(hashes + 1);
                    out.push_str(style);
                    rest = tail;
                } else {
                    out.push('#');
                    rest = from.get(2..).unwrap_or_default();
                }
            }
            Some(letter @ ('}' | ',')) => {
                out.push(letter);
                rest = from.get(2..).unwrap_or_default();
            }
            Some(letter) => {
                if letter.is_ascii_alphabetic() && "DFHIPSTWh".contains(letter) {
                    values.unmodelled("a format of one letter");
                }
                out.push('#');
                out.push(letter);
                rest = from.get(1 + letter.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
}

/// Whether an expanded format counts as true where it is a condition within a format.
pub(super) fn is_true(text: &str) -> bool {
    !text.is_empty() && text != "0"
}

/// The place of the first letter of `ends` that stands in no braces.
fn skip(text: &str, ends: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let after = bytes.get(at + 1);
        if *byte == b'#' {
            if after == Some(&b'{') {
                depth += 1;
            }
            // The end of a text counts as one of the letters that may follow.
            if after.is_none_or(|after| b",#{}:".contains(after)) {
                at += 2;
                continue;
            }
        }
        if *byte == b'}' {
            depth -= 1;
        }
        if depth == 0 && ends.as_bytes().contains(byte) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// What stands before the first comma that is in no braces, and what stands behind it.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = skip(text, ",")?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

const COMPARISONS: [&str; 8] = ["==:", "!=:", "&&:", "||:", "<:", ">:", "<=:", ">=:"];

fn replace(inner: &str, values: &impl Values, out: &mut String) -> Option<()> {
    if let Some(operator) = COMPARISONS.iter().find(|operator| inner.starts_with(**operator)) {
        return compare(operator, inner.get(operator.len()..)?, values, out);
    }
    if let Some(both) = inner.strip_prefix("m:") {
        let (left, right) = split(both)?;
        let (start, middle) = aside(left, right, values, out);
        let fits = pattern::fits(out.get(start..middle)?, out.get(middle..)?);
        out.truncate(start);
        out.push(if fits { '1' } else { '0' });
        return Some(());
    }
    if let Some(literal) = inner.strip_prefix("l:") {
        out.push_str(literal);
        return Some(());
    }
    if let Some(choice) = inner.strip_prefix('?') {
        let (condition, branches) = split(choice)?;
        let holds = condition_holds(condition, values, out);
        let (yes, no) = split(branches)?;
        expand(if holds { yes } else { no }, values, out);
        return Some(());
    }
    if inner.contains("#{") {
        expand(inner, values, out);
        return Some(());
    }
    if inner.contains(':') {
        values.unmodelled(inner);
    }
    values.write(inner, out);
    Some(())
}

/// Writes two formats behind each other; where the first and where the second begins.
fn aside(left: &str, right: &str, values: &impl Values, out: &mut String) -> (usize, usize) {
    let start = out.len();
    expand(left, values, out);
    let middle = out.len();
    expand(right, values, out);
    (start, middle)
}

fn compare(operator: &str, both: &str, values: &impl Values, out: &mut String) -> Option<()> {
    let (left, right) = split(both)?;
    let (start, middle) = aside(left, right, values, out);
    let (left, right) = (out.get(start..middle)?, out.get(middle..)?);
    let holds = match operator {
        "==:" => left == right,
        "!=:" => left != right,
        "&&:" => is_true(left) && is_true(right),
        "||:" => is_true(left) || is_true(right),
        "<:" => left < right,
        ">:" => left > right,
        "<=:" => left <= right,
        _ => left >= right,
    };
    out.truncate(start);
    out.push(if holds { '1' } else { '0' });
    Some(())
}

/// A condition is the name of a variable, or else a format; a text that is neither is false.
fn condition_holds(condition: &str, values: &impl Values, out: &mut String) -> bool {
    let start = out.len();
    let mut holds = false;
    if values.write(condition, out) {
        holds = out.get(start..).is_some_and(is_true);
    } else if condition.contains('#') {
        expand(condition, values, out);
        holds = out.get(start..).is_some_and(|found| found != condition && is_true(found));
    }
    out.truncate(start);
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some3;

    impl Values for Some3 {
        fn write(&self, name: &str, out: &mut String) -> bool {
            let value = match name {
                "pid" => "7",
                "@gtctl" => "t.o/p.i",
                "zero" => "0",
                "empty" => "",
                _ => return false,
            };
            out.push_str(value);
            true
        }

        fn unmodelled(&self, what: &str) {
            panic!("{what}");
        }
    }

    #[test]
    fn formats_are_expanded_as_tmux_does() {
        for (format, expected) in [
            ("a #{pid} b", "a 7 b"),
            ("##{pid} #,#} #x", "#{pid} ,} #x"),
            ("##[x]#{pid}", "##[x]7"),
            ("#{nothing}|", "|"),
            ("#{==:#{pid},7}#{!=:#{pid},7}", "10"),
            ("#{&&:#{==:#{pid},7},#{&&:#{==:#{@gtctl},t.o/p.i},1}}", "1"),
            ("#{&&:#{==:#{pid},8},1} #{||:#{==:#{pid},8},1}", "0 1"),
            ("#{?zero,yes,no} #{?empty,yes,no}", "no no"),
            ("#{?pid,#{pid},no}", "7"),
            ("#{?missing,0,1}", "1"),
            ("#{?#{==:#{pid},7},a#,b,c}", "a,b"),
            ("#{m:t.*,#{@gtctl}}", "1"),
            ("#{l:#{pid}}", "#{pid}"),
            ("good #{==:1} gone", "good "),
            ("good #{pid", "good "),
        ] {
            let mut out = String::from("before ");
            expand(format, &Some3, &mut out);
            assert_eq!(out.strip_prefix("before "), Some(expected), "{format}");
        }
    }
}
