//! What was measured: the table for people, the JSON for programs.
//!
//! ```text
//!   Hardware   where          a throughput without its machine means nothing
//!   Row        one system under one load
//!   Ratio      two rows compared, and whether the ratio we promise holds
//! ```
//!
//! Notes are footnotes: at 120 columns a column of prose would leave no room for figures.

use std::fmt::{self, Write as _};

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use hdrhistogram::Histogram;
use serde::Serialize;

const WIDTH_COLUMNS: u16 = 120;
const UNKNOWN: &str = "unknown";
/// Columns of the table that hold text; the others are figures and stand to the right.
const TEXT_COLUMNS: usize = 2;
const HEADER: [&str; 9] = ["system", "accounts", "callers", "per s", "p50 ms", "p99 ms", "p99.9", "conflicts", "bytes"];
/// Frames would cost the width that the longest names need.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub hardware: Hardware,
    pub rows: Vec<Row>,
    pub ratios: Vec<Ratio>,
}

/// One system under one load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub system: String,
    /// `10,000, Zipf 1.0` or `one hot`.
    pub accounts: String,
    pub callers: usize,
    pub per_second: f64,
    pub latency: Option<Latency>,
    /// Attempts that lost a race and were made again.
    pub conflicts: Option<u64>,
    /// On disk, indexes included.
    pub bytes_per_charge: Option<f64>,
    /// What the figures alone do not say; may be empty.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    /// Requests a second that were offered, whatever the answers did; `None`: a closed loop.
    pub open_loop_rate: Option<f64>,
}

impl Latency {
    /// The percentiles of microseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, open_loop_rate: Option<f64>) -> Self {
        Self {
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            open_loop_rate,
        }
    }
}

/// Two rows compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    pub name: String,
    pub value: f64,
    /// What is promised: at least this much, unless the name says otherwise.
    pub required: Option<f64>,
    pub holds: Option<bool>,
}

impl Ratio {
    /// `ours / theirs`. Where nothing is required, nothing can fail to hold.
    #[must_use]
    pub fn new(name: impl Into<String>, ours: f64, theirs: f64, required: Option<f64>) -> Self {
        let value = ours / theirs;
        // A ratio that could not be measured compares with nothing, and so does not hold.
        Self { name: name.into(), value, required, holds: required.map(|required| value >= required) }
    }
}

impl Report {
    /// Whether every promised ratio holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ratios.iter().all(|ratio| ratio.holds != Some(false))
    }

    /// The whole report as text of at most 120 columns.
    #[must_use]
    pub fn render(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Notes::default();
        writeln!(f, "{}\n", self.hardware)?;
        writeln!(f, "{}", rows_table(&self.rows, &mut notes).trim_fmt())?;
        if !self.ratios.is_empty() {
            writeln!(f, "\n{}", ratios_table(&self.ratios).trim_fmt())?;
        }
        for (number, note) in (1..).zip(&notes.texts) {
            writeln!(f)?;
            wrap(f, &format!("[{number}] "), note)?;
        }
        Ok(())
    }
}

fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    // Not the terminal's width: the same table everywhere, in a log file too.
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH_COLUMNS);
    table.set_header(header);
    table
}

fn rows_table(rows: &[Row], notes: &mut Notes) -> Table {
    let mut table = new_table(HEADER);
    for column in table.column_iter_mut().skip(TEXT_COLUMNS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        table.add_row(cells(row, notes));
    }
    table
}

fn cells(row: &Row, notes: &mut Notes) -> [Cell; HEADER.len()] {
    let mut system = row.system.clone();
    if !row.note.is_empty() {
        system.push_str(&format!(" [{}]", notes.number(&row.note)));
    }
    let mut callers = thousands(row.callers as f64);
    if let Some(rate) = row.latency.and_then(|latency| latency.open_loop_rate) {
        callers.push_str(&format!(" @ {}/s", thousands(rate)));
    }
    let latency =
        |pick: fn(Latency) -> u64| row.latency.map_or_else(String::new, |latency| milliseconds(pick(latency)));
    [
        Cell::new(system),
        Cell::new(&row.accounts),
        Cell::new(callers),
        Cell::new(thousands(row.per_second)),
        Cell::new(latency(|latency| latency.p50_us)),
        Cell::new(latency(|latency| latency.p99_us)),
        Cell::new(latency(|latency| latency.p999_us)),
        Cell::new(row.conflicts.map_or_else(String::new, |conflicts| thousands(conflicts as f64))),
        Cell::new(row.bytes_per_charge.map_or_else(String::new, thousands)),
    ]
}

fn ratios_table(ratios: &[Ratio]) -> Table {
    let mut table = new_table(["ratio", "measured", "required", ""]);
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for ratio in ratios {
        let required = ratio.required.map_or_else(String::new, |required| format!("{required:.2}"));
        let verdict = match ratio.holds {
            Some(true) => "holds",
            Some(false) => "DOES NOT HOLD",
            None => "",
        };
        table.add_row([ratio.name.as_str(), &format!("{:.2}", ratio.value), &required, verdict]);
    }
    table
}

/// Footnotes in the order they are met; rows that say the same share one.
#[derive(Default)]
struct Notes {
    texts: Vec<String>,
}

impl Notes {
    fn number(&mut self, note: &str) -> usize {
        if let Some(known) = self.texts.iter().position(|text| text == note) {
            return known + 1;
        }
        self.texts.push(note.to_owned());
        self.texts.len()
    }
}

/// Prose under a hanging mark, in lines of the table's width.
fn wrap(f: &mut fmt::Formatter<'_>, mark: &str, text: &str) -> fmt::Result {
    let indent = mark.chars().count();
    let mut column = indent;
    f.write_str(mark)?;
    for (at, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > usize::from(WIDTH_COLUMNS) {
            write!(f, "\n{:indent$}", "")?;
            column = indent;
        } else if at > 0 {
            f.write_char(' ')?;
            column += 1;
        }
        f.write_str(word)?;
        column += length;
    }
    Ok(())
}

/// `36,000`: rounded to whole numbers.
fn thousands(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    if value < 0.0 && digits != "0" {
        grouped.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Nobody reads the microseconds of a slow answer.
fn milliseconds(us: u64) -> String {
    let ms = us as f64 / 1_000.0;
    let decimals = if ms < 10.0 {
        2
    } else if ms < 100.0 {
        1
    } else {
        0
    };
    format!("{ms:.decimals$}")
}

/// The machine the figures belong to. What cannot be found out is `unknown` or zero, never an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hardware {
    pub cpu: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub postgresql: String,
}

impl Hardware {
    /// Asks the operating system; the version of PostgreSQL is the caller's to know.
    #[must_use]
    pub fn read(postgresql: &str) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: or_unknown(cpu_model(&cpuinfo)),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_mib(&meminfo),
            kernel: or_unknown(&kernel),
            postgresql: or_unknown(postgresql),
        }
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_mib, kernel, postgresql } = self;
        write!(f, "{cpu}, {cores} cores, {memory_mib} MiB, kernel {kernel}, PostgreSQL {postgresql}")
    }
}

fn or_unknown(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { UNKNOWN.to_owned() } else { text.to_owned() }
}

/// `model name` on x86, `Model` on some ARM boards, nothing on others.
fn cpu_model(cpuinfo: &str) -> &str {
    ["model name", "Model", "cpu"].into_iter().find_map(|name| field(cpuinfo, name)).unwrap_or_default()
}

fn memory_mib(meminfo: &str) -> u64 {
    let kib = field(meminfo, "MemTotal").and_then(|total| total.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1_024
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, note: &str) -> Row {
        Row {
            system: system.to_owned(),
            accounts: "10,000, Zipf 1.0".to_owned(),
            callers: 1_024,
            per_second: 85_123.4,
            latency: Some(Latency {
                p50_us: 4_120,
                p99_us: 23_456,
                p999_us: 1_216_000,
                open_loop_rate: Some(20_000.0),
            }),
            conflicts: Some(1_234_567),
            bytes_per_charge: Some(489.7),
            note: note.to_owned(),
        }
    }

    fn report() -> Report {
        let long = "the best of 8, 16, 32 and 64 clients, prepared statements; ".repeat(5);
        Report {
            hardware: Hardware::read("15.18"),
            rows: vec![row("hand-written SQL transaction, pgbench", &long), row("this ledger", &long), row("x", "")],
            ratios: vec![
                Ratio::new("this ledger / hand-written, one hot account", 85_000.0, 1_900.0, Some(10.0)),
                Ratio::new("this ledger / nothing", 1.0, 0.0, None),
                Ratio::new("unmeasured", 0.0, 0.0, Some(1.0)),
            ],
        }
    }

    #[test]
    fn every_line_fits_and_every_figure_is_there() {
        let text = report().render();
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(WIDTH_COLUMNS), "{line}");
        }
        for part in ["85,123", "4.12", "23.5", "1216", "1,234,567", "490", "1,024 @ 20,000/s", "[1] the best", "44.74"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("[2]"), "rows with the same note share it");
    }

    #[test]
    fn a_ratio_that_could_not_be_measured_does_not_hold() {
        let report = report();
        let holds: Vec<_> = report.ratios.iter().map(|ratio| ratio.holds).collect();
        assert_eq!(holds, [Some(true), None, Some(false)]);
        assert!(!report.holds());
    }

    #[test]
    fn json_has_the_figures_unrounded() {
        let json: serde_json::Value = serde_json::to_value(report()).unwrap();
        assert_eq!(json["rows"][0]["per_second"], 85_123.4);
        assert_eq!(json["rows"][0]["latency"]["p99_us"], 23_456);
        assert_eq!(json["hardware"]["postgresql"], "15.18");
    }

    #[test]
    fn the_machine_is_read_from_what_linux_says() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A Fast CPU @ 3.00GHz\n";
        assert_eq!(cpu_model(cpuinfo), "A Fast CPU @ 3.00GHz");
        assert_eq!(or_unknown(cpu_model("")), UNKNOWN);
        assert_eq!(memory_mib("MemTotal:        8192000 kB\n"), 8_000);
        assert_eq!(memory_mib("MemTotal: lots"), 0);
    }

    #[test]
    fn whole_numbers_are_grouped() {
        for (value, shown) in [(0.0, "0"), (999.0, "999"), (1_000.0, "1,000"), (-1_234_567.0, "-1,234,567")] {
            assert_eq!(thousands(value), shown);
        }
        assert_eq!(thousands(f64::NAN), "?");
    }
}
