//! Appends rows to the ledger of a folder and says after each commit how far it is: the workload whose
//! system calls tests record and interrupt.
//!
//! `append_to_ledger FOLDER COMMITS ROWS_PER_COMMIT [abandon]`; with `abandon` it ends as if killed,
//! leaving the log for the next one.

use resus_store::{Ledger, Row};
use std::error::Error;
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, commits, rows, rest @ ..] = arguments.as_slice() else {
        return Err("usage: append_to_ledger FOLDER COMMITS ROWS_PER_COMMIT [abandon]".into());
    };
    let (commits, rows): (u64, u64) = (commits.parse()?, rows.parse()?);
    let path = Path::new(folder).join("ledger.db");
    let mut ledger = if path.exists() { Ledger::open(&path)? } else { Ledger::create(&path)? };
    let first = ledger.reader()?.last_pos()? + 1;
    for commit in 0..commits {
        let from = first + commit * rows;
        let batch: Vec<Row> = (from..from + rows).map(row).collect();
        let last = ledger.append(&batch)?;
        // One system call per line, so that a recording shows what came before it.
        let mut out = std::io::stdout().lock();
        out.write_all(format!("committed {last}\n").as_bytes())?;
        out.flush()?;
    }
    if rest.first().is_some_and(|word| word == "abandon") {
        std::process::exit(0);
    }
    Ok(())
}

/// Its content follows from its number.
fn row(seq: u64) -> Row {
    let body = format!(r#"{{"n":{seq},"text":"{}"}}"#, "grüße ".repeat(20));
    Row { run_id: "a".into(), seq, attempt: 1, unix_ms: 1_700_000_000_000 + seq, kind: "status".into(), body }
}
