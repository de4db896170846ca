//! "Did you mean": the known name that is nearest to an unknown one.

/// Returns the candidate that a typing error most likely meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    candidates
        .filter(|it| it.len() <= LONGEST_NAME)
        .map(|it| (strsim::damerau_levenshtein(name, it), it))
        .filter(|(distance, it)| *distance <= (it.len().max(name.len()) / 3).max(1))
        .min()
        .map(|(_, it)| it)
}

/// Longest name that is compared: the meaning of a longer one cannot be guessed, and a comparison
/// takes the product of both lengths.
const LONGEST_NAME: usize = 200;
