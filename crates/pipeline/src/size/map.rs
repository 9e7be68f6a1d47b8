//! Sizes as a map: an area for each component, and in it one for each file, in proportion to its bytes.

use std::fmt::Write as _;

use super::squares::{Rectangle, divide};
use super::{Component, Sizes};

/// The picture's size, in its own units.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 720.0;
/// What is above a component's files: its name.
const TITLE: f64 = 18.0;
/// Smaller areas have no text.
const TEXT_WIDTH: f64 = 48.0;
const TEXT_HEIGHT: f64 = 14.0;
/// About the width of a letter.
const LETTER: f64 = 6.6;
/// Files that are shown by themselves in each component; the rest is one area.
const FILES: usize = 200;
/// Hues of the components, by rank: far from each other, the same for the same rank.
const HUES: [u32; 12] = [212, 28, 142, 340, 265, 50, 180, 5, 95, 300, 235, 160];

/// The map as a picture of its own.
pub fn svg(sizes: &Sizes) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"what takes the space of the image\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
    );
    let whole = Rectangle {
        x: 0.0,
        y: 0.0,
        width: WIDTH,
        height: HEIGHT,
    };
    let shown: Vec<&Component> = sizes
        .components
        .iter()
        .filter(|component| component.size > 0)
        .collect();
    let weights: Vec<f64> = shown.iter().map(|component| weight(component.size)).collect();
    for ((rank, component), place) in shown.iter().enumerate().zip(divide(whole, &weights)) {
        area(&mut out, component, sizes.total, hue(rank), place);
    }
    out.push_str("</svg>\n");
    out
}

/// The map as a page, with the components in a table below it. It needs nothing but itself.
pub fn html(sizes: &Sizes, title: &str) -> String {
    let title = escaped(title);
    let mut rows = String::new();
    for (rank, component) in sizes.components.iter().enumerate() {
        let _ = writeln!(
            rows,
            "<tr><td><i style=\"background:hsl({} 55% 60%)\"></i>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            hue(rank),
            escaped(&component.name),
            bytes(component.size),
            percent(component.size, sizes.total),
            component.files.len(),
            escaped(&component.source),
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         <h1>{title} <small>{}</small></h1>\n{}<table>\n\
         <tr><th>component<th>size<th>share<th>files<th>made from</tr>\n{rows}</table>\n</html>\n",
        bytes(sizes.total),
        svg(sizes),
    )
}

const STYLE: &str = "\
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem }
h1 small { font-weight: normal; opacity: .7 }
svg { width: 100%; height: auto; border-radius: 6px }
svg g.file:hover rect { stroke: #000; stroke-width: 2 }
table { border-collapse: collapse; margin-top: 1rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #8884 }
td:nth-child(2), td:nth-child(3), td:nth-child(4) { text-align: right; white-space: nowrap }
td i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em }
";

/// A component and its files.
fn area(out: &mut String, component: &Component, total: u64, hue: u32, place: Rectangle) {
    let share = percent(component.size, total);
    let name = escaped(&component.name);
    let _ = writeln!(out, "<g>{}", rectangle(place, &format!("hsl({hue} 45% 42%)")));
    let titled = place.height > 3.0 * TITLE && place.width > TEXT_WIDTH;
    if titled {
        let label = format!("{} · {} · {share}", component.name, bytes(component.size));
        text(
            out,
            &label,
            place.x + 5.0,
            place.y + 14.0,
            place.width - 8.0,
            "#fff",
        );
    }
    let inside = place.inset(1.0, if titled { TITLE } else { 0.0 });
    let shown = component.files.len().min(FILES);
    let (files, rest) = component.files.split_at(shown);
    let rest_size: u64 = rest.iter().map(|(_, size)| size).sum();
    let mut weights: Vec<f64> = files.iter().map(|(_, size)| weight(*size)).collect();
    if rest_size > 0 {
        weights.push(weight(rest_size));
    }
    // The rest is larger than the last file, and areas are divided in falling order.
    let last = weights.len().saturating_sub(1);
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&one, &other| weights[other].total_cmp(&weights[one]));
    let ordered: Vec<f64> = order.iter().map(|&index| weights[index]).collect();
    for (index, place) in order.into_iter().zip(divide(inside, &ordered)) {
        let (label, size) = match (index == last, rest_size) {
            (true, 1..) => (format!("{} more files", rest.len()), rest_size),
            _ => (files[index].0.to_string(), files[index].1),
        };
        let lightness = 58 + (index % 4) * 5;
        let _ = writeln!(
            out,
            "<g class=\"file\"><title>{}\n{} · {} of the image\n{name}</title>{}",
            escaped(&label),
            bytes(size),
            percent(size, total),
            rectangle(place.inset(0.5, 0.0), &format!("hsl({hue} 55% {lightness}%)")),
        );
        if place.width > TEXT_WIDTH && place.height > TEXT_HEIGHT + 4.0 {
            let short = label.rsplit('/').next().unwrap_or(&label).to_owned();
            text(
                out,
                &short,
                place.x + 4.0,
                place.y + 14.0,
                place.width - 6.0,
                "#000",
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</g>\n");
}

fn rectangle(place: Rectangle, fill: &str) -> String {
    format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
        place.x, place.y, place.width, place.height
    )
}

/// Text in a line, as much of it as there is room for.
fn text(out: &mut String, label: &str, x: f64, y: f64, width: f64, colour: &str) {
    let mut taken = 0.0;
    let mut shown: String = label
        .chars()
        .take_while(|_| {
            taken += LETTER;
            taken <= width
        })
        .collect();
    if shown.len() < label.len() {
        shown.pop();
        shown.push('…');
    }
    let _ = write!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{}</text>",
        escaped(&shown)
    );
}

fn hue(rank: usize) -> u32 {
    HUES[rank % HUES.len()]
}

#[expect(clippy::cast_precision_loss, reason = "a picture is not exact to the byte")]
fn weight(size: u64) -> f64 {
    size as f64
}

fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", permille / 10, permille % 10)
}

fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{}.{} kB", size / 1_000, size % 1_000 / 100),
        _ => format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000),
    }
}

/// Text inside a document: names are whatever an image has.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            control if control.is_control() => out.push('\u{fffd}'),
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_tree::Path;

    fn component(name: &str, files: &[(&str, u64)]) -> Component {
        Component {
            name: name.to_owned(),
            source: String::new(),
            size: files.iter().map(|(_, size)| size).sum(),
            files: files
                .iter()
                .map(|(path, size)| (Path::parse(path).unwrap(), *size))
                .collect(),
        }
    }

    #[test]
    fn every_file_has_an_area_and_names_cannot_break_out() {
        let components = vec![
            component("service <web>", &[("a/\"x\"", 9000), ("a/b&c\u{1b}", 500)]),
            component("kernel", &[("lib/modules/virtio.ko", 3000)]),
        ];
        let sizes = Sizes {
            total: 12_500,
            components,
        };
        let picture = svg(&sizes);
        assert_eq!(picture.matches("class=\"file\"").count(), 3);
        for broken in ["<web>", "b&c", "\u{1b}", "NaN"] {
            assert!(!picture.contains(broken), "{broken}\n{picture}");
        }
        assert!(picture.contains("72.0 %"), "{picture}");
        assert!(html(&sizes, "a<b").contains("<title>a&lt;b</title>"));
    }

    #[test]
    fn what_is_too_much_to_show_is_one_area() {
        let files: Vec<(String, u64)> = (0..1000).map(|number| (format!("f{number}"), 10)).collect();
        let files: Vec<(&str, u64)> = files.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        let sizes = Sizes {
            total: 10_000,
            components: vec![component("many", &files)],
        };
        let picture = svg(&sizes);
        assert_eq!(picture.matches("class=\"file\"").count(), FILES + 1);
        assert!(picture.contains("800 more files"));
    }
}
