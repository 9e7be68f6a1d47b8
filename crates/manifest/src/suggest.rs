//! What was probably meant: the nearest of some words.

/// The word that differs least from `given`, when little enough differs; upper and lower case count as equal.
pub fn nearest<'w>(given: &str, words: &[&'w str]) -> Option<&'w str> {
    /// Longer words are not compared: the cost is quadratic, and no key is that long.
    const LONGEST: usize = 64;
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let lower = given.to_lowercase();
    let length = given.chars().count();
    let allowed = (length / 3).max(1);
    words
        .iter()
        .filter(|word| word.chars().count().abs_diff(length) <= allowed)
        .map(|word| (distance(&lower, &word.to_lowercase()), *word))
        .filter(|(distance, word)| *distance <= allowed && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `` `a`, `b` or `c` ``.
pub fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Number of letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    // Cell (i, j) is the distance between the first i letters of `a` and the first j of `b`.
    let mut cells = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let cell = |back_i: usize, back_j: usize| cells[(i - back_i) * width + j - back_j];
            let best = match (i, j) {
                (0, edge) | (edge, 0) => edge,
                _ => {
                    let replaced = cell(1, 1) + usize::from(a[i - 1] != b[j - 1]);
                    let best = replaced.min(cell(1, 0) + 1).min(cell(0, 1) + 1);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swapped { best.min(cell(2, 2) + 1) } else { best }
                }
            };
            cells[i * width + j] = best;
        }
    }
    cells[cells.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let words = ["cmdline", "image", "binary", "tar", "maskedPaths", "net"];
        let table = [
            ("cmdlien", Some("cmdline")),
            ("cmd_line", Some("cmdline")),
            ("imgae", Some("image")),
            ("maskedpaths", Some("maskedPaths")),
            ("tars", Some("tar")),
            ("ipc", None),
            ("x", None),
            ("", None),
        ];
        for (given, expected) in table {
            assert_eq!(nearest(given, &words), expected, "{given}");
        }
    }
}
