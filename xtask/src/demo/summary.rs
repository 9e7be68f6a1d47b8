//! What the demonstration prints in the end: a pure function of what happened.

use std::time::Duration;

use serde_json::Value;

use super::Happened;
use crate::table::columns;

/// Width of the boot's bar chart in characters.
const CHART: u64 = 40;

/// The whole text, several lines.
pub fn text(happened: &Happened) -> String {
    let sections = [
        ("build", build(happened)),
        ("image", happened.sizes.trim_end().to_owned()),
        (
            "boot, in milliseconds since the kernel started",
            boot(&happened.report),
        ),
        ("web page", page(happened)),
        (
            "power off",
            format!("clean, {} after the button was pressed", seconds(happened.off)),
        ),
    ];
    let mut text = String::new();
    for (title, body) in sections {
        text.push_str(title);
        text.push('\n');
        for line in body.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text.trim_end().to_owned()
}

fn build(happened: &Happened) -> String {
    let row = |name: &str, time: Duration, what: &str| {
        vec![
            name.to_owned(),
            format!("{} ms", time.as_millis()),
            what.to_owned(),
        ]
    };
    columns(&[
        row(
            "cold",
            happened.cold,
            "components in the cache, nothing derived from them",
        ),
        row("warm", happened.warm, "nothing changed"),
    ])
}

fn page(happened: &Happened) -> String {
    let Some(answer) = &happened.answer else {
        return "none".to_owned();
    };
    let title = title(&answer.page).unwrap_or("a page without a title");
    format!(
        "{}: {title}, {} after `ironkit run`",
        answer.status,
        seconds(happened.served)
    )
}

/// The phases of a boot report as a table with bars, and every container below its section.
fn boot(report: &Value) -> String {
    let phases = phases(report);
    let end = phases.iter().map(|phase| phase.end).max().unwrap_or(0);
    let row = |phase: &Phase| {
        let bar = bar(phase.start, phase.end, end);
        vec![
            phase.name.clone(),
            format!("{:>6} to {:>6}", phase.start, phase.end),
            bar,
        ]
    };
    columns(&phases.iter().map(row).collect::<Vec<_>>())
}

struct Phase {
    name: String,
    start: u64,
    end: u64,
}

fn phases(report: &Value) -> Vec<Phase> {
    let at = |key: &str| report[key].as_u64().unwrap_or(0);
    let phase = |name: &str, start, end| Phase {
        name: name.to_owned(),
        start,
        end,
    };
    let mut phases = vec![
        phase("kernel", 0, at("initMs")),
        phase("PID 1", at("initMs"), at("systemMs")),
    ];
    for (section, start, end) in [
        ("onboot", at("systemMs"), at("onbootMs")),
        ("services", at("onbootMs"), at("servicesMs")),
    ] {
        phases.push(phase(section, start, end));
        let containers = report["containers"].as_array().into_iter().flatten();
        for container in containers.filter(|container| container["section"] == section) {
            let begun = container["startMs"].as_u64().unwrap_or(start);
            // A service has no end yet, or one that belongs to the shutdown.
            let ended = container["endMs"]
                .as_u64()
                .unwrap_or(end)
                .clamp(begun, end.max(begun));
            let name = format!("  {}", container["name"].as_str().unwrap_or("?"));
            phases.push(phase(&name, begun, ended));
        }
    }
    phases
}

/// A bar from `start` to `end` on a scale that ends at `whole`. Whatever took time has one character at least.
fn bar(start: u64, end: u64, whole: u64) -> String {
    let place = |time: u64| usize::try_from(time * CHART / whole.max(1)).unwrap_or(0);
    let (from, to) = (place(start), place(end));
    let width = (to - from.min(to)).max(usize::from(end > start));
    format!("{}{}", " ".repeat(from), "#".repeat(width))
}

/// The text of a page's title.
fn title(page: &str) -> Option<&str> {
    let (_, after) = page.split_once("<title>")?;
    Some(after.split_once("</title>")?.0.trim())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Answer;
    use serde_json::json;

    #[test]
    fn what_happened() {
        let container = |section: &str, name: &str, start: u64, end: Option<u64>| json!({ "section": section, "name": name, "startMs": start, "endMs": end });
        let happened = Happened {
            cold: Duration::from_millis(1234),
            warm: Duration::from_millis(31),
            sizes: "minimal-kernel  11.7 MB\n".to_owned(),
            served: Duration::from_millis(7890),
            answer: Some(Answer {
                status: "HTTP/1.1 200 OK".to_owned(),
                page: "<title>Hello</title>".to_owned(),
            }),
            report: json!({
                "initMs": 500, "systemMs": 650, "onbootMs": 900, "servicesMs": 1000,
                "containers": [
                    container("onboot", "000-dhcpcd", 660, Some(890)),
                    container("services", "nginx", 990, Some(5000)),
                ],
            }),
            off: Duration::from_millis(420),
        };
        let expect = "\
build
  cold  1234 ms  components in the cache, nothing derived from them
  warm  31 ms    nothing changed
image
  minimal-kernel  11.7 MB
boot, in milliseconds since the kernel started
  kernel             0 to    500  ####################
  PID 1            500 to    650                      ######
  onboot           650 to    900                            ##########
    000-dhcpcd     660 to    890                            #########
  services         900 to   1000                                      ####
    nginx          990 to   1000                                         #
web page
  HTTP/1.1 200 OK: Hello, 7.9 s after `ironkit run`
power off
  clean, 0.4 s after the button was pressed";
        assert_eq!(text(&happened), expect);
    }

    #[test]
    fn titles() {
        for (page, expect) in [
            ("<html><title> a b </title>", Some("a b")),
            ("<title>a", None),
            ("", None),
        ] {
            assert_eq!(title(page), expect);
        }
    }
}
