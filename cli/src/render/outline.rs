//! What a checkpoint file says about itself.

use crate::render::page::Page;
use crate::render::parts::said;
use crate::render::verdict::numbers;
use crate::text::paint::Colour;
use crate::text::{number, size, table};
use jiff::Timestamp;
use resus_checkpoint::{Compression, Outline, Peek};
use serde_json::{Value, json};
use std::path::Path;

/// For programs.
pub(crate) fn document(path: &Path, peek: &Peek) -> Value {
    let header = &peek.header;
    let section = |section: &Outline| {
        json!({
            "name": section.name,
            "element": section.element.name(),
            "count": count(section),
            "raw_bytes": section.raw_bytes,
            "stored_bytes": section.stored_bytes,
            "compression": compression(section.compression),
        })
    };
    let meta = peek.meta.as_ref().map(|meta| {
        json!({
            "step": meta.step,
            "epoch": meta.epoch,
            "numbers": numbers(meta.health),
            // What is not finite has no place in JSON.
            "metrics": meta.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "writer": meta.writer,
        })
    });
    json!({
        "path": path,
        "version": header.version,
        "games": header.games,
        "unix_time": header.unix_time,
        "is_compressed": header.is_compressed(),
        "is_sealed": header.is_sealed(),
        "crc32": format!("{:08x}", header.crc),
        "size_bytes": peek.size_bytes,
        "meta": meta,
        "sections": peek.sections.iter().map(section).collect::<Vec<_>>(),
    })
}

/// For people.
pub(crate) fn text(path: &Path, peek: &Peek, page: &Page) -> String {
    let name = page.paint.on(Colour::Bold, &said(&page.path(&path.to_string_lossy())));
    let mut text = format!("PRSM version {}  {name}\n", peek.header.version);
    text.push_str(&page.rows(&rows(peek, page), 0));
    if !peek.sections.is_empty() {
        let head = ["SECTION", "TYPE", "COUNT", "RAW", "STORED", "COMPRESSION"];
        let rows: Vec<_> = peek.sections.iter().map(cells).collect();
        text.push_str(&table::lines(&head, &rows, page.paint).concat());
    }
    text
}

fn rows(peek: &Peek, page: &Page) -> Vec<(String, String)> {
    let header = &peek.header;
    let row = |label: &str, value: String| (label.to_owned(), value);
    let mut rows = Vec::new();
    match &peek.meta {
        Some(meta) => {
            rows.push(row("step", number::amount(meta.step as f64)));
            rows.extend(meta.epoch.map(|epoch| row("epoch", number::amount(epoch))));
            rows.push(row("numbers", numbers(meta.health).unwrap_or("nobody looked").to_owned()));
            rows.extend(meta.metrics.iter().map(|(name, value)| row(&said(name), number::value(*value))));
            rows.push(row("writer", said(&meta.writer)));
        }
        None => rows.push(row("games", number::amount(header.games as f64))),
    }
    rows.push(row("saved", saved(header.unix_time, page)));
    rows.push(row("size", size::show(peek.size_bytes)));
    rows.push(row("checksum", format!("crc32:{:08x}", header.crc)));
    if peek.meta.is_none() {
        let is_sealed = if header.is_sealed() {
            "its games and time are protected"
        } else {
            "no: its games and time are not protected"
        };
        rows.push(row("sealed", is_sealed.to_owned()));
        rows.push(row("compressed", if header.is_compressed() { "yes" } else { "no" }.to_owned()));
    }
    rows
}

fn saved(unix_time: i64, page: &Page) -> String {
    match Timestamp::from_second(unix_time) {
        Ok(stamp) => stamp.to_zoned(page.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{unix_time} s since 1970"),
    }
}

fn cells(section: &Outline) -> [String; 6] {
    [
        said(&section.name),
        section.element.name().to_owned(),
        number::amount(count(section) as f64),
        size::show(section.raw_bytes),
        size::show(section.stored_bytes),
        compression(section.compression).to_owned(),
    ]
}

fn count(section: &Outline) -> u64 {
    section.raw_bytes / section.element.bytes() as u64
}

/// Its name in lower case.
pub(crate) fn compression(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;
    use resus_checkpoint::{Element, Header, Health, Meta};

    fn peeked(meta: Option<Meta>) -> Peek {
        let header = Header { version: 3, flags: 3, crc: 0xab, games: 12_000, unix_time: 1_700_000_000 };
        let section = Outline {
            name: "weights\u{1b}".into(),
            element: Element::F32,
            compression: Compression::Zstd,
            raw_bytes: 4 << 20,
            stored_bytes: 1 << 20,
        };
        let sections = if meta.is_some() { vec![section] } else { Vec::new() };
        Peek { header, meta, size_bytes: 1 << 20, sections }
    }

    #[test]
    fn what_a_file_says_is_shown() {
        let meta = Meta {
            step: 12_000,
            epoch: Some(1.5),
            health: Health::Finite,
            metrics: [("loss".to_owned(), 0.127)].into(),
            writer: "othello-trainer 0.1.0".into(),
        };
        let expected = "\
PRSM version 3  /s/ck.prsm
  step      12,000
  epoch     1.50
  numbers   finite
  loss      0.127
  writer    othello-trainer 0.1.0
  saved     2023-11-14 22:13:20
  size      1MiB
  checksum  crc32:000000ab
SECTION        TYPE  COUNT      RAW   STORED  COMPRESSION
weights\\u{1b}  f32   1,048,576  4MiB  1MiB    zstd
";
        let peeked = peeked(Some(meta));
        assert_eq!(text(Path::new("/s/ck.prsm"), &peeked, &page(80)), expected);
        let json = document(Path::new("/s/ck.prsm"), &peeked);
        assert_eq!(json["sections"][0]["count"], 1 << 20);
        assert_eq!(json["meta"]["metrics"]["loss"], 0.127);
    }

    #[test]
    fn an_older_file_says_less() {
        let mut old = peeked(None);
        (old.header.version, old.header.flags) = (2, 0);
        let shown = text(Path::new("/s/ck.prsm"), &old, &page(80));
        assert!(shown.starts_with("PRSM version 2") && shown.contains("games       12,000"), "{shown}");
        assert!(shown.contains("not protected") && !shown.contains("SECTION"), "{shown}");
        old.header.unix_time = i64::MAX;
        assert!(text(Path::new("/x"), &old, &page(80)).contains("s since 1970"));
    }
}
