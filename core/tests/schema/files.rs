//! The files in `docs/schemas/` are the schemas. `UPDATE=1` writes them.

use resus_core::schema::documents;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the tests of core may read files; core may not")]
fn the_files_are_the_schemas() {
    let documents: BTreeMap<String, String> = documents()
        .into_iter()
        .map(|document| (document.file, serde_json::to_string_pretty(&document.schema).unwrap() + "\n"))
        .collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        for (file, text) in &documents {
            std::fs::write(folder().join(file), text).unwrap();
        }
    }
    let entries = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        found,
        documents.keys().cloned().collect(),
        "a file too many, or too few: UPDATE=1, or remove it"
    );
    for (file, text) in &documents {
        let kept = std::fs::read_to_string(folder().join(file)).unwrap();
        assert!(kept == *text, "docs/schemas/{file} is not what the types say: UPDATE=1 rewrites it");
    }
}

#[test]
fn every_schema_is_found_by_its_name_and_named_once() {
    let all = documents();
    let names: BTreeSet<_> = all.iter().map(|document| &document.file).collect();
    assert_eq!(names.len(), all.len());
    for exchange in resus_core::schema::EXCHANGES {
        for name in [exchange.request, exchange.reply] {
            let file = resus_core::schema::file_of_type(name);
            let document = all.iter().find(|document| document.file == file);
            assert_eq!(document.unwrap_or_else(|| panic!("no {file}")).schema["title"], name);
        }
    }
}
