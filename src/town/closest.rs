//! "Did you mean": the known word nearest to one that is not known.

/// Nobody mistypes a longer word, and comparing two takes as much time as the product of their lengths.
const WORD_LENGTH_MAX: usize = 64;

/// The nearest of the known words, or `None` if none is near enough to be a slip of the finger.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ, and one always may; more is another word.
    let near = (word.chars().count() / 3).max(1);
    if word.len() > WORD_LENGTH_MAX {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .filter(|one| one.len() <= WORD_LENGTH_MAX)
        .map(|one| (strsim::damerau_levenshtein(&word, &one.to_lowercase()), one))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, one)| one)
}

/// The help for an unknown word: the nearest known one, or all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()) {
        Some(one) => format!("did you mean `{one}`?"),
        None if known.is_empty() => "nothing is allowed here".to_owned(),
        None => format!("allowed: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["witness", "refinery", "crew"];
        assert_eq!(closest("refinary", known), Some("refinery"));
        assert_eq!(closest("Witnes", known), Some("witness"));
        assert_eq!(closest("polecats", known), None);
        assert_eq!(did_you_mean("polecats", &known), "allowed: witness, refinery, crew");
    }
}
