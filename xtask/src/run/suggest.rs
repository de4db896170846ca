//! "Did you mean": the known name that is nearest to an unknown one.

/// The candidate that a typing error would most likely have been meant for.
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

/// Of longer names nobody knows which was meant; to compare two takes the product of their lengths.
const LONGEST_NAME: usize = 200;
