//! What is not in an image because a later part has the same path, in few words.

use std::collections::BTreeMap;

use ironkit_tree::{Override, Path, Resolution, Tree};

/// A line for each path that a part lost, and one for all below a directory that it lost.
pub(crate) fn overridden(tree: &Tree, resolution: &Resolution) -> Vec<String> {
    let place = |index: usize| format!("{} ({})", tree.parts[index].location, tree.parts[index].name);
    // What is joined out of several files is no file that was lost.
    let lost = |over: &&Override| tree.parts[over.winner].source != ironkit_rootfs::JOINED_SOURCE;
    folded(resolution.overrides.iter().filter(lost))
        .into_iter()
        .map(|(over, below)| {
            let more = match below {
                0 => String::new(),
                1 => ", with what is below it".to_owned(),
                many => format!(", with {many} paths below it"),
            };
            let (winner, loser) = (place(over.winner), place(over.loser));
            format!("{}: from {winner}, not {loser}{more}", over.path)
        })
        .collect()
}

/// The overrides without those below another one of the same parts, of which the number is told.
fn folded<'a>(overrides: impl Iterator<Item = &'a Override>) -> Vec<(&'a Override, usize)> {
    let mut folded: Vec<(&Override, usize)> = Vec::new();
    let mut tops: BTreeMap<(usize, usize, &Path), usize> = BTreeMap::new();
    for over in overrides {
        let above = over
            .path
            .ancestors()
            .find_map(|above| tops.get(&(over.loser, over.winner, &above)).copied());
        match above {
            Some(top) => folded[top].1 += 1,
            None => {
                tops.insert((over.loser, over.winner, &over.path), folded.len());
                folded.push((over, 0));
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replaced_directory_had_is_counted() {
        let over = |path: &str, loser, winner| Override {
            path: Path::parse(path).unwrap(),
            loser,
            winner,
        };
        let overrides = [
            over("etc/x", 0, 1),
            over("lib", 0, 2),
            over("lib/a", 0, 2),
            over("lib/a/b", 0, 2),
            over("lib/a", 1, 2),
        ];
        let shown: Vec<_> = folded(overrides.iter())
            .into_iter()
            .map(|(over, below)| format!("{} {}<{} {below}", over.path, over.loser, over.winner))
            .collect();
        assert_eq!(shown, ["etc/x 0<1 0", "lib 0<2 2", "lib/a 1<2 0"]);
    }
}
