//! What is known of a daemon's settings: what it says of them, and, on its machine, whether the
//! file says something else by now.

use crate::render::page::Page;
use crate::render::parts::{local, said};
use crate::settings::stamp;
use resus_core::api::SettingsView;
use std::fs;

/// The settings of a daemon.
#[derive(Debug)]
pub(super) struct Known<'v> {
    view: &'v SettingsView,
    /// Whether the file is another one than was read; `None` = it is on another machine.
    pub differs: Option<bool>,
}

impl<'v> Known<'v> {
    /// Of a daemon of this machine.
    pub(super) fn of_here(view: &'v SettingsView) -> Self {
        let now = view.file.as_ref().and_then(|file| fs::metadata(file).ok()).map(|meta| stamp(&meta));
        // A file that was refused has been looked at: what is to be done about it is told anyway.
        Self { view, differs: Some(now != view.stamp) }
    }

    /// Of another machine's.
    pub(super) fn of_there(view: &'v SettingsView) -> Self {
        Self { view, differs: None }
    }

    /// Rows of the daemon's status: a label and what is to be said.
    pub(super) fn rows(&self, page: &Page) -> Vec<(&'static str, String)> {
        let SettingsView { file, stamp, read_at, waiting, refused } = self.view;
        let from = match (file, stamp) {
            (Some(file), Some(_)) => said(file),
            (Some(file), None) => format!("the defaults; {} is not there", said(file)),
            (None, _) => "the defaults; there is no home to have a file in".to_owned(),
        };
        let mut rows = vec![("settings", format!("{from} (read {})", local(read_at, page)))];
        if let Some(refused) = refused {
            rows.push((
                "",
                format!("the file was refused {}; those before it apply:", local(&refused.at, page)),
            ));
            rows.extend(refused.faults.iter().map(|fault| ("", format!("  {}", said(fault)))));
        } else if self.differs == Some(true) {
            rows.push(("", "the file has changed since; 'resus daemon reload' reads it".to_owned()));
        }
        if !waiting.is_empty() {
            let keys = waiting.iter().map(|key| said(key)).collect::<Vec<_>>().join(", ");
            rows.push(("", format!("after 'resus daemon restart': {keys}")));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;
    use resus_core::api::SettingsRefusal;

    #[test]
    fn a_file_that_changed_after_it_was_read_is_told_where_it_can_be_seen() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("config.toml");
        fs::write(&path, "[retry]\n").expect("a file");
        let state = stamp(&fs::metadata(&path).expect("there"));
        let file = Some(path.display().to_string());
        let view = SettingsView { file, stamp: Some(state), ..SettingsView::default() };
        assert_eq!(Known::of_here(&view).differs, Some(false));
        fs::write(&path, "[retry]\nmax = 1\n").expect("a file");
        assert_eq!(Known::of_here(&view).differs, Some(true));
        assert_eq!(Known::of_there(&view).differs, None);
        fs::remove_file(&path).expect("removed");
        assert_eq!(Known::of_here(&view).differs, Some(true));
        assert_eq!(Known::of_here(&SettingsView { stamp: None, ..view }).differs, Some(false));
    }

    #[test]
    fn a_refusal_is_told_with_its_reasons_and_drives_no_terminal() {
        let view = SettingsView {
            file: Some("/c.toml".to_owned()),
            stamp: Some("1@1.0".to_owned()),
            read_at: "2026-11-22T04:13:46.123Z".to_owned(),
            waiting: vec!["bus.url".to_owned()],
            refused: Some(SettingsRefusal {
                at: "2026-11-22T05:13:46.123Z".to_owned(),
                faults: vec!["/c.toml:1:1: x\u{1b}".to_owned()],
            }),
        };
        let rows = Known { view: &view, differs: Some(true) }.rows(&page(80));
        assert_eq!(rows.len(), 4, "{rows:?}");
        assert!(rows[0].1.starts_with("/c.toml (read "), "{rows:?}");
        assert_eq!(rows[2].1, "  /c.toml:1:1: x\\u{1b}");
        assert_eq!(rows[3].1, "after 'resus daemon restart': bus.url");
    }
}
