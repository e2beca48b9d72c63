//! The report, as an object and as a table.

use crate::{Failure, machine::Machine, row::Row};
use std::collections::BTreeMap;

/// One object: machine, versions, rows.
pub(crate) fn json(
    machine: &Machine,
    versions: &BTreeMap<String, String>,
    rows: &[Row],
) -> Result<String, Failure> {
    let report = serde_json::json!({ "machine": machine, "versions": versions, "rows": rows });
    Ok(serde_json::to_string_pretty(&report)?)
}

/// The same to read.
pub(crate) fn table(machine: &Machine, versions: &BTreeMap<String, String>, rows: &[Row]) -> String {
    let versions: Vec<_> = versions.iter().map(|(name, version)| format!("{name}: {version}")).collect();
    let mut lines = vec![
        format!(
            "{} cores of {}, {} MiB, Linux {}",
            machine.cores, machine.cpu, machine.memory_mib, machine.kernel
        ),
        versions.join(", "),
        String::new(),
    ];
    let head = ["area", "work", "unit", "ours", "theirs", "ratio", "goal", "pairs", "peer"];
    let cells: Vec<[String; 9]> =
        [head.map(str::to_owned)].into_iter().chain(rows.iter().map(cells)).collect();
    let widths: [usize; 9] =
        std::array::from_fn(|at| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or_default());
    for row in &cells {
        let padded = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| {
            // Figures stand under one another.
            if (3..8).contains(&at) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

fn cells(row: &Row) -> [String; 9] {
    let figure = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    [
        row.area.to_owned(),
        row.work.to_owned(),
        row.unit.to_owned(),
        figure(Some(row.ours), 1),
        figure(row.theirs, 1),
        figure(row.ratio, 2),
        figure(row.goal, 2),
        row.pairs.to_string(),
        row.peer.unwrap_or("-").to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{json, table};
    use crate::{
        machine::Machine,
        row::{Better, Row, Work},
    };

    fn rows() -> Vec<Row> {
        let work = Work {
            area: "startup",
            work: "start",
            peer: Some("by hand"),
            unit: "ms",
            better: Better::Lower,
            goal: Some(1.0),
        };
        vec![Row::new(&work, &[200.0; 5], &[500.0; 5]), Row::new(&Work { peer: None, ..work }, &[3.0], &[])]
    }

    fn machine() -> Machine {
        Machine { cores: 2, cpu: "A CPU".into(), memory_mib: 1024, kernel: "6.1".into() }
    }

    #[test]
    fn columns_are_aligned() {
        let versions = [("rustc".to_owned(), "1.95.0".to_owned())].into();
        let expected = "\
2 cores of A CPU, 1024 MiB, Linux 6.1
rustc: 1.95.0

area     work   unit   ours  theirs  ratio  goal  pairs  peer
startup  start  ms    200.0   500.0   2.50  1.00      5  by hand
startup  start  ms      3.0       -      -  1.00      0  -";
        assert_eq!(table(&machine(), &versions, &rows()), expected);
    }

    #[test]
    fn the_object_has_machine_versions_and_rows() {
        let text = json(&machine(), &Default::default(), &rows()).expect("written");
        let object: serde_json::Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(object["machine"]["cores"], 2);
        assert_eq!((&object["rows"][0]["ratio"], &object["rows"][1]["ratio"]), (&2.5.into(), &().into()));
    }
}
