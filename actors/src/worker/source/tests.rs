use super::*;
use std::io::Write;

struct Bench {
    folder: tempfile::TempDir,
    source: Source,
    offset: u64,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.jsonl"), "").unwrap();
        let source = Source::new(folder.path().join("events.jsonl"));
        Self { folder, source, offset: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    fn append(&self, text: &str) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path())
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// A reader that knows nothing but the ledger's offset.
    fn forget(&mut self) {
        self.source = Source::new(self.path());
    }

    fn next(&mut self) -> Piece {
        let piece = self.source.read(self.offset).unwrap();
        self.offset = piece.at + piece.bytes.len() as u64;
        piece
    }

    fn text(&mut self) -> (String, bool) {
        let piece = self.next();
        (String::from_utf8(piece.bytes).unwrap(), piece.anew)
    }
}

fn continued(text: &str) -> (String, bool) {
    (text.to_owned(), false)
}

fn anew(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

#[test]
fn what_is_appended_is_read_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.text(), continued(""));
    bench.append("one\n");
    assert_eq!(bench.text(), continued("one\n"));
    assert_eq!(bench.text(), continued(""));
    bench.append("two\n");
    bench.forget();
    assert_eq!(bench.text(), continued("two\n"));
}

#[test]
fn a_truncated_file_is_read_from_its_start_and_offsets_go_on() {
    for restart in [false, true] {
        let mut bench = Bench::new();
        bench.append("one, two, three\n");
        bench.next();
        fs::write(bench.path(), "four\n").unwrap();
        if restart {
            bench.forget();
        }
        assert_eq!(bench.text(), anew("four\n"), "restart: {restart}");
        assert_eq!(bench.offset, 16 + 5);
        bench.append("five\n");
        bench.forget();
        assert_eq!(bench.text(), continued("five\n"));
    }
}

#[test]
fn a_file_written_anew_to_a_greater_length_is_noticed() {
    let mut bench = Bench::new();
    bench.append("one\n");
    bench.next();
    fs::write(bench.path(), "a new beginning\n").unwrap();
    assert_eq!(bench.text(), anew("a new beginning\n"));
    assert_eq!(bench.text(), continued(""));
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_then_its_successor() {
    for restart in [false, true] {
        let mut bench = Bench::new();
        bench.append("one\n");
        bench.next();
        bench.append("two\n");
        fs::rename(bench.path(), bench.folder.path().join("events.jsonl.1")).unwrap();
        if !restart {
            assert_eq!(bench.text(), continued("two\n"));
            assert!(bench.next().absent);
        }
        bench.append("three\n");
        if restart {
            bench.forget();
            assert_eq!(bench.text(), continued("two\n"));
        }
        assert_eq!(bench.text(), anew("three\n"), "restart: {restart}");
        bench.append("four\n");
        bench.forget();
        assert_eq!(bench.text(), continued("four\n"));
    }
}

#[test]
fn a_deleted_file_is_followed_by_its_successor() {
    let mut bench = Bench::new();
    bench.append("one\n");
    bench.next();
    // Kept open, or the successor might get its inode within the clock's resolution.
    let _old = File::open(bench.path()).unwrap();
    fs::remove_file(bench.path()).unwrap();
    assert!(bench.next().absent);
    bench.append("two\n");
    bench.forget();
    assert_eq!(bench.text(), (String::from("two\n"), false));
}

#[test]
fn the_head_is_freed_and_what_is_left_is_read_on() {
    let mut bench = Bench::new();
    let line = format!("{}\n", "x".repeat(1023));
    let lines = 4 * EVENTS_FREE_STEP / 1024;
    for _ in 0..lines {
        bench.append(&line);
    }
    let blocks = || fs::metadata(bench.path()).unwrap().blocks() * 512;
    let (whole, length) = (blocks(), fs::metadata(bench.path()).unwrap().len());
    while !bench.next().bytes.is_empty() {}
    assert_eq!(bench.offset, length);
    bench.source.free(bench.offset);
    let left = fs::metadata(bench.path()).unwrap().blocks() * 512;
    assert!(left < whole - 2 * EVENTS_FREE_STEP, "{left} of {whole}");
    bench.append("two\n");
    assert_eq!(bench.text(), continued("two\n"));
    // A reader that begins at 0 finds the rest, and knows that it begins within a line.
    bench.forget();
    bench.offset = 0;
    let piece = bench.next();
    assert!(piece.at > 2 * EVENTS_FREE_STEP && piece.within_line, "{}", piece.at);
    assert!(piece.bytes.starts_with(b"x"));
}

#[test]
fn how_much_waits_is_told() {
    let mut bench = Bench::new();
    bench.append(&"x".repeat(3 * EVENTS_READ_BYTES));
    let piece = bench.next();
    assert_eq!(piece.bytes.len() as u64 + piece.behind, 3 * EVENTS_READ_BYTES as u64);
    while bench.next().behind > 0 {}
}

#[test]
fn a_record_that_makes_no_sense_is_not_believed() {
    let mut bench = Bench::new();
    bench.append("one\n");
    for nonsense in ["", "{", "[]", r#"{"file":{"dev":1,"ino":1},"base":99999}"#] {
        fs::write(bench.source.record_path(), nonsense).unwrap();
        bench.forget();
        bench.offset = 0;
        assert_eq!(bench.text().0, "one\n", "{nonsense}");
    }
}

#[test]
fn an_offset_from_before_the_present_file_begins_at_its_start_under_its_own_number() {
    let mut bench = Bench::new();
    bench.append("one, two, three\n");
    bench.next();
    fs::write(bench.path(), "four\n").unwrap();
    assert_eq!(bench.text(), anew("four\n"));
    // The ledger knows only what was said at the very beginning.
    bench.forget();
    bench.offset = 4;
    let piece = bench.next();
    assert_eq!((piece.at, piece.bytes.as_slice(), piece.anew), (16, b"four\n".as_slice(), true));
    bench.append("five\n");
    assert_eq!(bench.text(), continued("five\n"), "and nothing looks like another cut");
}

#[test]
fn a_renamed_file_without_a_successor_is_found_by_a_new_reader() {
    let mut bench = Bench::new();
    bench.append("one\n");
    bench.next();
    bench.append("two\n");
    fs::rename(bench.path(), bench.folder.path().join("old")).unwrap();
    bench.forget();
    assert_eq!(bench.text(), continued("two\n"));
    assert!(bench.next().absent);
    bench.append("three\n");
    assert_eq!(bench.text(), anew("three\n"));
}

#[test]
fn an_empty_successor_is_told_as_a_new_beginning() {
    let mut bench = Bench::new();
    bench.append("half a li");
    bench.next();
    fs::rename(bench.path(), bench.folder.path().join("old")).unwrap();
    fs::write(bench.path(), "").unwrap();
    let piece = bench.next();
    assert!(piece.anew && piece.bytes.is_empty());
}

#[test]
fn another_device_number_is_the_same_file_if_its_birth_is_known() {
    let one = FileId { dev: 1, ino: 7, born_ns: Some(5) };
    assert!(one.is_same(FileId { dev: 2, ..one }));
    assert!(!one.is_same(FileId { born_ns: Some(6), ..one }));
    let unknown = FileId { born_ns: None, ..one };
    assert!(unknown.is_same(unknown) && !unknown.is_same(FileId { dev: 2, ..unknown }));
}

#[test]
fn a_reader_that_begins_within_a_line_reads_it_from_its_start() {
    for (text, offset, begins) in [("one\ntwo three\n", 8, 4), ("one two\n", 3, 0), ("one\ntwo\n", 4, 4)] {
        let mut bench = Bench::new();
        bench.append(text);
        bench.offset = offset;
        let piece = bench.next();
        assert_eq!((piece.at, piece.anew), (begins, begins != offset), "{text:?} from {offset}");
    }
}
