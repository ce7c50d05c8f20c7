//! The versions of the ledger's schema, and the migrations between them.
//!
//! The version is SQLite's `user_version`. A new version is one more entry at the end of
//! `MIGRATIONS` and one SQL file; an entry that was released is never edited.

use rusqlite::{Connection, TransactionBehavior};

/// SQLite's `application_id` of every ledger: the bytes `Resu`.
pub const APPLICATION_ID: u32 = u32::from_be_bytes(*b"Resu");

/// The newest schema version this program can read and write.
pub const VERSION: u32 = 1;

/// One step from the version before to `to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// Version the step leads to.
    pub to: u32,
    /// The statements of the step.
    pub sql: &'static str,
}

/// Every step from an empty file to [`VERSION`], in order.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration { to: 1, sql: include_str!("schema/v1.sql") }];

/// A migration that failed and left the file at the version before it.
#[derive(Debug, thiserror::Error)]
#[error("failed to migrate from version {from} to {to}")]
pub struct MigrateError {
    /// Version the file still has.
    pub from: u32,
    /// Version the failed step leads to.
    pub to: u32,
    /// What SQLite said.
    pub source: rusqlite::Error,
}

/// Runs every step that `version` lacks, each in a transaction of its own together with the
/// change of `user_version`, so that a crash leaves a whole version behind.
pub(crate) fn migrate(
    connection: &mut Connection,
    version: u32,
    steps: &[Migration],
) -> Result<u32, MigrateError> {
    let mut at = version;
    for step in steps.iter().filter(|step| step.to > version) {
        apply(connection, step).map_err(|source| MigrateError { from: at, to: step.to, source })?;
        at = step.to;
    }
    Ok(at)
}

fn apply(connection: &mut Connection, step: &Migration) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    transaction.execute_batch(step.sql)?;
    transaction.pragma_update(None, "user_version", step.to)?;
    transaction.commit()
}

/// The first table or index of [`VERSION`] that the file lacks or defines differently; `None`
/// when all are as they must be. Objects an operator added are not looked at.
pub(crate) fn first_difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model, 0, MIGRATIONS).map_err(|failed| failed.source)?;
    let found = objects(connection)?;
    Ok(objects(&model)?.into_iter().find(|object| !found.contains(object)).map(|(name, _)| name))
}

/// Name and definition of every object in the schema. Automatic indexes have no definition.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare("SELECT type || ' ' || name, tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A later version as it might look: a column with a default, filled for old rows.
    const V2: Migration = Migration {
        to: 2,
        sql: "ALTER TABLE cursors ADD COLUMN moved_ms INTEGER NOT NULL DEFAULT 0;
              UPDATE cursors SET moved_ms = value * 1000;",
    };

    fn version(connection: &Connection) -> u32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    }

    fn at_v1_with_a_cursor() -> Connection {
        let mut connection = Connection::open_in_memory().expect("memory");
        assert_eq!(migrate(&mut connection, 0, MIGRATIONS).expect("v1"), 1);
        connection.execute("INSERT INTO cursors VALUES ('nats', 7, 0)", []).expect("insert");
        connection
    }

    #[test]
    fn the_steps_lead_to_the_version_one_by_one() {
        let targets: Vec<u32> = MIGRATIONS.iter().map(|step| step.to).collect();
        assert_eq!(targets, (1..=VERSION).collect::<Vec<_>>());
    }

    #[test]
    fn only_the_missing_steps_run_and_rows_are_carried_over() {
        let mut connection = at_v1_with_a_cursor();
        let steps: Vec<Migration> = MIGRATIONS.iter().copied().chain([V2]).collect();
        assert_eq!(migrate(&mut connection, 1, &steps).expect("v2"), 2);
        assert_eq!(version(&connection), 2);
        let moved: i64 = connection
            .query_row("SELECT moved_ms FROM cursors WHERE name = 'nats'", [], |row| row.get(0))
            .expect("the row is still there");
        assert_eq!(moved, 7000);
        assert_eq!(migrate(&mut connection, 2, &steps).expect("nothing to do"), 2);
    }

    #[test]
    fn a_failed_step_leaves_the_version_before_it() {
        let mut connection = at_v1_with_a_cursor();
        let broken = Migration { to: 3, sql: "DROP TABLE cursors; SELECT * FROM nowhere;" };
        let failed = migrate(&mut connection, 1, &[V2, broken]).expect_err("the last step is broken");
        assert_eq!((failed.from, failed.to), (2, 3));
        assert_eq!(version(&connection), 2, "the good step before it stays");
        let kept: i64 =
            connection.query_row("SELECT count(*) FROM cursors", [], |row| row.get(0)).expect("count");
        assert_eq!(kept, 1, "what the broken step did is undone");
    }

    #[test]
    fn a_changed_definition_is_found_and_an_added_one_is_not_minded() {
        let connection = at_v1_with_a_cursor();
        connection.execute_batch("CREATE VIEW mine AS SELECT * FROM events").expect("view");
        assert_eq!(first_difference(&connection).expect("readable"), None);
        connection.execute_batch("ALTER TABLE events RENAME COLUMN body TO text").expect("rename");
        assert_eq!(first_difference(&connection).expect("readable"), Some("table events".into()));
    }
}
