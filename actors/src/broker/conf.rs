//! The text of the server's configuration; nothing here touches a file.

use resus_bus::link::Secret;
use resus_bus::roles::{Role, User, authorization};
use resus_bus::setup::BusSetup;
use resus_core::ids::Slug;
use std::path::Path;

/// What streams of the server's users may take besides ours.
const SPARE_FILE_BYTES: u64 = 1 << 30;
/// The same in memory: the present states, and streams of users.
const SPARE_MEMORY_BYTES: u64 = 256 << 20;
/// The server's log is set aside at this size.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// Logs kept besides the present one.
const LOGS_KEPT: u32 = 2;

/// The ports of a server, all on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// For clients.
    pub client: u16,
    /// For its monitoring pages.
    pub monitor: u16,
    /// For browsers.
    pub websocket: Option<u16>,
}

/// What the configuration is made of.
pub(super) struct Conf<'a> {
    /// What the server calls itself.
    pub name: &'a str,
    /// Where it listens.
    pub ports: Ports,
    /// Its folder.
    pub folder: &'a Path,
    /// How much it may keep, and for whom.
    pub setup: &'a BusSetup,
    /// This machine.
    pub node: &'a Slug,
    /// The password of each role's user.
    pub passwords: &'a [(Role, Secret)],
}

impl Conf<'_> {
    /// The text. Equal servers have equal texts.
    pub(super) fn text(&self) -> String {
        let path = |name: &str| quoted(&self.folder.join(name).to_string_lossy());
        let Ports { client, monitor, websocket } = self.ports;
        let websocket = websocket.map_or_else(String::new, |port| {
            // Without TLS: nothing leaves this machine.
            format!("websocket {{\n  listen: \"127.0.0.1:{port}\"\n  no_tls: true\n}}\n")
        });
        let users: Vec<_> = self
            .passwords
            .iter()
            .map(|(role, password)| User {
                name: role.as_str().to_owned(),
                password: password.clone(),
                role: *role,
                // It serves this daemon alone, which may change the limits of its streams.
                owns_server: *role == Role::Node,
            })
            .collect();
        format!(
            "# Written by the daemon of Resus whenever it starts its server: changes are lost.\n\
             server_name: {name}\n\
             listen: \"127.0.0.1:{client}\"\n\
             http: \"127.0.0.1:{monitor}\"\n\
             log_file: {log}\n\
             log_size_limit: {LOG_BYTES_MAX}\n\
             log_max_num: {LOGS_KEPT}\n\
             max_payload: 1048576\n\
             jetstream {{\n  store_dir: {store}\n  sync_interval: always\n  \
             max_memory_store: {memory}\n  max_file_store: {file}\n}}\n\
             {websocket}{authorization}",
            name = quoted(self.name),
            log = path(super::folder::LOG),
            store = path("store"),
            memory = self.setup.telemetry_bytes + SPARE_MEMORY_BYTES,
            file = self.setup.ledger_bytes + SPARE_FILE_BYTES,
            authorization = authorization(&users, &self.setup.namespace, self.node),
        )
    }
}

/// A text as nats-server reads it between quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_for_safety_is_in_the_text() {
        let setup = BusSetup::default();
        let node = Slug::new("gpu").unwrap();
        let text = Conf {
            name: "a\"b",
            ports: Ports { client: 1, monitor: 2, websocket: Some(3) },
            folder: Path::new("/s/na ts"),
            setup: &setup,
            node: &node,
            passwords: &[(Role::Viewer, Secret::new("pw")), (Role::Node, Secret::new("pw"))],
        }
        .text();
        for line in [
            "server_name: \"a\\\"b\"",
            "listen: \"127.0.0.1:1\"",
            "http: \"127.0.0.1:2\"",
            "  listen: \"127.0.0.1:3\"",
            "  sync_interval: always",
            "  store_dir: \"/s/na ts/store\"",
            "  max_file_store: 2147483648",
            "  user: \"viewer\"",
            "  password: \"pw\"",
            "        \"$JS.API.STREAM.UPDATE.PULSE_LEDGER\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("STREAM.UPDATE.PULSE_LEDGER").count(), 1, "only the daemon's own user");
        assert!(!text.contains("0.0.0.0"), "nothing listens to other machines");
    }
}
