//! Results, and how they are written.

use std::time::Duration;

use serde_json::{Value, json};

use crate::table::columns;

/// Something measured, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    /// A time; shown in milliseconds.
    Time(Duration),
    /// The size of files in bytes; shown in millions.
    Size(u64),
    /// Memory in bytes; shown in MiB.
    Memory(u64),
}

/// What a number should not exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// This, whatever the machine.
    Absolute(Quantity),
    /// So many times what it is compared with.
    Times(f64),
}

/// One line of the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The median.
    pub measured: Quantity,
    /// What it is compared with, measured in the same run.
    pub against: Option<(&'static str, Quantity)>,
    /// What it should not exceed.
    pub limit: Option<Limit>,
}

impl Row {
    /// A number that stands for itself.
    pub fn new(what: impl Into<String>, measured: Quantity) -> Row {
        Row {
            what: what.into(),
            measured,
            against: None,
            limit: None,
        }
    }

    /// The same, compared with something.
    pub fn against(self, what: &'static str, measured: Quantity) -> Row {
        Row {
            against: Some((what, measured)),
            ..self
        }
    }

    /// The same, with the most that it should be.
    pub fn limit(self, limit: Quantity) -> Row {
        Row {
            limit: Some(Limit::Absolute(limit)),
            ..self
        }
    }

    /// The same, with the most that it should be compared with the other.
    pub fn times(self, limit: f64) -> Row {
        Row {
            limit: Some(Limit::Times(limit)),
            ..self
        }
    }

    fn within(&self) -> Option<bool> {
        Some(match self.limit? {
            Limit::Absolute(limit) => self.measured.number() <= limit.number(),
            Limit::Times(limit) => self.ratio()? <= limit,
        })
    }

    fn ratio(&self) -> Option<f64> {
        let (_, reference) = self.against?;
        Some(self.measured.number() / reference.number()).filter(|ratio| ratio.is_finite())
    }
}

impl Quantity {
    fn number(self) -> f64 {
        // There is no conversion from 64 bits that cannot round; here the sum rounds above 8 PiB.
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).map_or(0.0, f64::from);
        let exact = |bytes: u64| half(bytes >> 32) * 2_f64.powi(32) + half(bytes);
        match self {
            Quantity::Time(time) => time.as_secs_f64() * 1000.0,
            Quantity::Size(bytes) => exact(bytes) / 1e6,
            Quantity::Memory(bytes) => exact(bytes) / f64::from(1 << 20),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Quantity::Time(_) => "ms",
            Quantity::Size(_) => "MB",
            Quantity::Memory(_) => "MiB",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limit::Absolute(quantity) => write!(f, "<= {quantity}"),
            Limit::Times(times) => write!(f, "<= {times:.2} times"),
        }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number() {
            number if number < 10.0 => write!(f, "{number:.2} {}", self.unit()),
            number if number < 1000.0 => write!(f, "{number:.1} {}", self.unit()),
            number => write!(f, "{number:.0} {}", self.unit()),
        }
    }
}

/// The results for a person.
pub fn table(rows: &[(&str, Row)], machine: &str) -> String {
    let titles = ["benchmark", "what", "median", "ratio", "against", "limit", ""];
    let mut cells = vec![titles.map(str::to_owned).to_vec()];
    for (benchmark, row) in rows {
        let against = row
            .against
            .map_or_else(String::new, |(what, quantity)| format!("{what}, {quantity}"));
        cells.push(vec![
            (*benchmark).to_owned(),
            row.what.clone(),
            row.measured.to_string(),
            row.ratio()
                .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            against,
            row.limit.map_or_else(String::new, |limit| limit.to_string()),
            row.within()
                .map_or("", |within| if within { "ok" } else { "over" })
                .to_owned(),
        ]);
    }
    format!("{}\n{machine}", columns(&cells))
}

/// The results for a program.
pub fn json(rows: &[(&str, Row)]) -> String {
    let value = |(benchmark, row): &(&str, Row)| {
        json!({
            "benchmark": benchmark,
            "what": row.what,
            "median": row.measured.number(),
            "unit": row.measured.unit(),
            "against": row.against.map(|(what, quantity)| json!({ "what": what, "median": quantity.number() })),
            "limit": row.limit.map(|limit| match limit {
                Limit::Absolute(quantity) => quantity.number(),
                Limit::Times(times) => times,
            }),
            "limitIsRatio": matches!(row.limit, Some(Limit::Times(_))),
            "ok": row.within(),
        })
    };
    format!("{:#}", Value::Array(rows.iter().map(value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results() {
        let time = |ms| Quantity::Time(Duration::from_millis(ms));
        let rows = [
            (
                "warm",
                Row::new("nothing changed", time(30))
                    .against("cp", time(20))
                    .limit(time(60)),
            ),
            (
                "size",
                Row::new("all", Quantity::Size(23_000_000)).limit(Quantity::Size(22_000_000)),
            ),
            ("memory", Row::new("cold", Quantity::Memory(32 << 20))),
            (
                "tar",
                Row::new("new", time(50)).against("tar", time(20)).times(2.0),
            ),
        ];
        let expect = "\
benchmark  what             median    ratio  against       limit
warm       nothing changed  30.0 ms   1.50   cp, 20.0 ms   <= 60.0 ms     ok
size       all              23.0 MB                        <= 22.0 MB     over
memory     cold             32.0 MiB
tar        new              50.0 ms   2.50   tar, 20.0 ms  <= 2.00 times  over
2 processors";
        assert_eq!(table(&rows, "2 processors"), expect);
        let parsed: Value = serde_json::from_str(&json(&rows)).unwrap();
        assert_eq!(
            (&parsed[1]["median"], &parsed[1]["limit"]),
            (&json!(23.0), &json!(22.0))
        );
        assert_eq!(
            (&parsed[0]["ok"], &parsed[1]["ok"], &parsed[2]["ok"]),
            (&json!(true), &json!(false), &Value::Null)
        );
        assert_eq!(
            (&parsed[0]["against"]["median"], &parsed[2]["unit"]),
            (&json!(20.0), &json!("MiB"))
        );
    }
}
