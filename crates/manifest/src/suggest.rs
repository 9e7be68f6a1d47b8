//! What was probably meant: the nearest of some words.

/// The word that differs least from `given`, when little enough differs; upper and lower case count as equal.
pub fn nearest<'w>(given: &str, words: &[&'w str]) -> Option<&'w str> {
    /// Longer words are not compared: the cost is quadratic, and no key is that long.
    const LONGEST: usize = 64;
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let lower = given.to_lowercase();
    let allowed = (given.chars().count() / 3).max(1);
    words
        .iter()
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
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
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
