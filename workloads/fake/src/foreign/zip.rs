//! ZIP archives without compression: for each entry a header and its bytes, then a directory of all
//! entries, then a record that says where that is. Format: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16.

/// 1980-01-01, the first day there is.
const DATE: u16 = 0x21;
/// The version of the format that stored entries need: 2.0.
const VERSION: u16 = 20;

/// An archive of `entries`, and where in it the bytes of each begin.
pub(super) fn archive(entries: &[(&str, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut directory, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (name, data) in entries {
        let described = described(name, data);
        directory.extend(*b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&described);
        // No comment, on no other disk, without attributes.
        directory.extend([0; 10]);
        directory.extend(length(bytes.len()));
        directory.extend(name.as_bytes());
        bytes.extend(*b"PK\x03\x04");
        bytes.extend(&described);
        bytes.extend(name.as_bytes());
        places.push(bytes.len());
        bytes.extend(*data);
    }
    let directory_at = bytes.len();
    bytes.extend(&directory);
    bytes.extend(*b"PK\x05\x06\0\0\0\0");
    let [count @ .., _, _] = length(entries.len());
    bytes.extend([count, count].concat());
    bytes.extend(length(directory.len()));
    bytes.extend(length(directory_at));
    bytes.extend([0; 2]);
    (bytes, places)
}

/// What stands in the header of an entry and in the directory alike.
fn described(name: &str, data: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    fields.extend(VERSION.to_le_bytes());
    // No flags, stored, at midnight.
    fields.extend([0; 6]);
    fields.extend(DATE.to_le_bytes());
    fields.extend(crc32fast::hash(data).to_le_bytes());
    fields.extend(length(data.len()));
    fields.extend(length(data.len()));
    fields.extend(length(name.len()));
    fields
}

/// A length or place in four bytes. That of a name takes two, and two zeroes say that nothing else follows.
fn length(bytes: usize) -> [u8; 4] {
    // An archive of this worker has some KiB.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn another_program_finds_every_entry_whole() {
        let folder = tempfile::tempdir().unwrap();
        let entries: [(&str, &[u8]); 3] = [("a/empty", b""), ("a/text", b"text"), ("b", &[7; 70_000])];
        let (bytes, places) = archive(&entries);
        for ((_, data), place) in entries.iter().zip(&places) {
            assert_eq!(bytes[*place..][..data.len()], **data);
        }
        std::fs::write(folder.path().join("x.zip"), bytes).unwrap();
        let script = "import zipfile; z = zipfile.ZipFile('x.zip'); assert z.testzip() is None
print([(i.filename, i.file_size, i.header_offset) for i in z.infolist()], z.read('a/text'))";
        let output =
            Command::new("python3").args(["-c", script]).current_dir(folder.path()).output().unwrap_or_else(
                |error| panic!("python3 can't be started ({error}): apt-get install python3"),
            );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "[('a/empty', 0, 0), ('a/text', 4, 37), ('b', 70000, 77)] b'text'",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
