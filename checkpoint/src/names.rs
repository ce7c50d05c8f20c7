//! The names in a folder of checkpoints, of which there may be so many.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use resus_disk::Disk;

/// Names at most in a folder of checkpoints or manifests. Such a list takes some 10 MB.
pub(crate) const NAMES_MAX: usize = 100_000;

/// The names in `folder`, sorted; none if there is no such folder.
///
/// # Errors
/// There are more than [`NAMES_MAX`]; what the system says.
pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<OsString>> {
    match disk.list(folder, NAMES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Ok(names) if names.len() > NAMES_MAX => {
            Err(io::Error::other(format!("it holds more than {NAMES_MAX} names")))
        }
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_disk::faulty::{Faulty, Plan};

    #[test]
    fn of_a_folder_with_too_many_names_the_limit_is_told() {
        let (disk, folder) = (Faulty::new(Plan::default()), Path::new("/checkpoints"));
        assert!(list(&disk, folder).unwrap().is_empty(), "there is no such folder");
        disk.plant_folder(folder).unwrap();
        for number in 0..NAMES_MAX {
            disk.plant_file(&folder.join(number.to_string()), b"").unwrap();
        }
        assert_eq!(list(&disk, folder).unwrap().len(), NAMES_MAX);
        disk.plant_file(&folder.join("one more"), b"").unwrap();
        assert_eq!(list(&disk, folder).unwrap_err().to_string(), "it holds more than 100000 names");
    }
}
