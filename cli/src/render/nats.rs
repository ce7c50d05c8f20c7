//! How to reach the bus, as one could paste it.

use crate::render::page::Page;
use crate::render::shell;
use resus_bus::subject;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A NATS server and who may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NatsInfo {
    /// `managed` or `external`.
    pub kind: &'static str,
    /// Addresses, separated by commas; no secrets.
    pub url: String,
    /// Whether a managed server runs; nothing for one that is not ours.
    pub running: Option<bool>,
    /// The process of a managed server.
    pub pid: Option<u32>,
    /// Its version.
    pub version: Option<String>,
    /// Its address for browsers.
    pub websocket_url: Option<String>,
    /// Its monitoring address, or the one that the settings name.
    pub monitor_url: Option<String>,
    /// The first free part of every address.
    pub namespace: String,
    /// What this machine is called.
    pub node: String,
    /// Streams, and the bucket with the present states.
    pub streams: [&'static str; 2],
    /// The bucket.
    pub bucket: &'static str,
    /// Ways in, the least powerful first.
    pub access: Vec<Access>,
    /// Files of certificates.
    pub tls: Certificates,
}

/// A way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(crate) enum Access {
    /// None is needed, or none is set up.
    Nothing,
    /// A user whose password is in a file; without one it stands in the address that was set.
    User {
        /// Its name.
        user: String,
        /// The file.
        password_file: Option<PathBuf>,
    },
    /// A token in a file.
    Token {
        /// The file.
        token_file: Option<PathBuf>,
    },
    /// The seed of an NKey in a file.
    Nkey {
        /// The file.
        nkey_file: PathBuf,
    },
    /// Credentials in a file.
    Credentials {
        /// The file.
        creds_file: PathBuf,
    },
}

/// Files of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Certificates {
    /// Authorities to trust.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// The server in a block.
pub(crate) fn block(info: &NatsInfo, page: &Page) -> String {
    let mut rows = vec![row("address", &info.url)];
    let version = info.version.as_deref().unwrap_or("?");
    match (info.running, info.pid) {
        (Some(true), Some(pid)) => {
            rows.push(row("server", &format!("nats-server {version}, pid {pid}, ours")))
        }
        (Some(_), _) => rows.push(row("server", "ours, not running now: resus daemon start")),
        (None, _) => rows.push(row("server", "somebody else's")),
    }
    for (label, url) in [("websocket", &info.websocket_url), ("monitoring", &info.monitor_url)] {
        rows.extend(url.as_ref().map(|url| row(label, url)));
    }
    rows.push(row("namespace", &info.namespace));
    rows.push(row("node", &info.node));
    rows.push(row("streams", &format!("{}, and the bucket {}", info.streams.join(", "), info.bucket)));
    for access in &info.access {
        rows.push(row("access", &told(access, page)));
    }
    if let Some(access) = info.access.first() {
        rows.push(row("listen", &listen(info, access)));
    }
    if let Some(command) = info.access.last().and_then(|access| command(info, access)) {
        rows.push(row("command", &command));
    }
    page.rows(&rows, 0)
}

fn row(label: &str, value: &str) -> (String, String) {
    (label.to_owned(), value.to_owned())
}

fn told(access: &Access, page: &Page) -> String {
    let at = |path: &Path| page.path(&path.to_string_lossy());
    match access {
        Access::Nothing => "without a password".to_owned(),
        Access::User { user, password_file: Some(file) } => format!("user {user}, password in {}", at(file)),
        Access::User { user, password_file: None } => format!("user {user}, password in bus.url"),
        Access::Token { token_file: Some(file) } => format!("token in {}", at(file)),
        Access::Token { token_file: None } => "token in bus.url".to_owned(),
        Access::Nkey { nkey_file } => format!("NKey in {}", at(nkey_file)),
        Access::Credentials { creds_file } => format!("credentials in {}", at(creds_file)),
    }
}

fn word(path: &Path) -> String {
    shell::command(&[path.to_string_lossy().into_owned()], usize::MAX)
}

fn content(path: &Path) -> String {
    format!("\"$(cat {})\"", word(path))
}

/// A subscription with the `nats` command line tool. Secrets go to it by its environment, which
/// other users can't read; they can read what it is called with.
fn listen(info: &NatsInfo, access: &Access) -> String {
    let mut before = String::new();
    let mut flags = format!("--server {}", info.url);
    match access {
        Access::Nothing => {}
        Access::User { user, password_file } => {
            let user = shell::command(std::slice::from_ref(user), usize::MAX);
            let password = password_file.as_ref().map_or_else(|| "PASSWORD".to_owned(), |path| content(path));
            before = format!("NATS_USER={user} NATS_PASSWORD={password} ");
        }
        Access::Token { token_file } => {
            let token = token_file.as_ref().map_or_else(|| "TOKEN".to_owned(), |path| content(path));
            before = format!("NATS_USER={token} ");
        }
        Access::Nkey { nkey_file } => flags.push_str(&format!(" --nkey {}", word(nkey_file))),
        Access::Credentials { creds_file } => flags.push_str(&format!(" --creds {}", word(creds_file))),
    }
    let Certificates { ca, cert, key } = &info.tls;
    for (name, path) in [("tlsca", ca), ("tlscert", cert), ("tlskey", key)] {
        flags.extend(path.as_ref().map(|path| format!(" --{name} {}", word(path))));
    }
    format!("{before}nats {flags} sub '{}'", subject::ALL)
}

/// A command of ours with that identity. Secrets go to it by its environment, which other users
/// can't read; they can read what it is called with.
fn command(info: &NatsInfo, access: &Access) -> Option<String> {
    let url = &info.url;
    match access {
        Access::Nothing => Some(format!("resus --nats {url} ps")),
        Access::User { user, password_file } => {
            let password = password_file.as_deref().map_or_else(|| "PASSWORD".to_owned(), content);
            Some(format!("RESUS_NATS_PASSWORD={password} resus --nats {url} --nats-user {user} ps"))
        }
        Access::Token { token_file } => {
            let (scheme, host) = url.split(',').next()?.split_once("://")?;
            let token = token_file
                .as_deref()
                .map_or_else(|| "TOKEN".to_owned(), |path| format!("$(cat {})", word(path)));
            Some(format!("RESUS_NATS=\"{scheme}://{token}@{host}\" resus ps"))
        }
        Access::Credentials { creds_file } => {
            Some(format!("resus --nats {url} --nats-creds {} ps", word(creds_file)))
        }
        Access::Nkey { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;

    fn info(access: Vec<Access>) -> NatsInfo {
        NatsInfo {
            kind: "managed",
            url: "nats://127.0.0.1:4222".to_owned(),
            running: Some(true),
            pid: Some(7),
            version: Some("2.15.1".to_owned()),
            websocket_url: None,
            monitor_url: Some("http://127.0.0.1:8222".to_owned()),
            namespace: "default".to_owned(),
            node: "gpu-a1".to_owned(),
            streams: [subject::LEDGER_STREAM, subject::TELEMETRY_STREAM],
            bucket: subject::STATE_BUCKET,
            access,
            tls: Certificates::default(),
        }
    }

    #[test]
    fn a_managed_server_and_how_to_use_it() {
        let user = |name: &str| Access::User {
            user: name.to_owned(),
            password_file: Some(format!("/s/my nats/{name}").into()),
        };
        let expected = "  address     nats://127.0.0.1:4222
  server      nats-server 2.15.1, pid 7, ours
  monitoring  http://127.0.0.1:8222
  namespace   default
  node        gpu-a1
  streams     PULSE_LEDGER, PULSE_TELEMETRY, and the bucket pulse_state
  access      user viewer, password in /s/my nats/viewer
  access      user operator, password in /s/my nats/operator
  listen      NATS_USER=viewer NATS_PASSWORD=\"$(cat '/s/my nats/viewer')\" nats --server nats://127.0.0.1:4222 sub 'pulse.>'
  command     RESUS_NATS_PASSWORD=\"$(cat '/s/my nats/operator')\" resus --nats nats://127.0.0.1:4222 --nats-user operator ps
";
        assert_eq!(block(&info(vec![user("viewer"), user("operator")]), &page(usize::MAX)), expected);
    }

    #[test]
    fn every_way_in_has_its_own_flags() {
        let of = |access: Access| {
            let text = block(&info(vec![access]), &page(usize::MAX));
            let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("listen      "));
            lines.next().expect("a line").replace("--server nats://127.0.0.1:4222 ", "")
        };
        assert_eq!(of(Access::Nothing), "nats sub 'pulse.>'");
        assert_eq!(of(Access::Token { token_file: None }), "NATS_USER=TOKEN nats sub 'pulse.>'");
        assert_eq!(of(Access::Nkey { nkey_file: "/n".into() }), "nats --nkey /n sub 'pulse.>'");
        assert_eq!(of(Access::Credentials { creds_file: "/c".into() }), "nats --creds /c sub 'pulse.>'");
    }

    #[test]
    fn a_server_of_somebody_else_with_certificates() {
        let tls = Certificates { ca: Some("/ca".into()), cert: None, key: None };
        let access = vec![Access::User { user: "ann".to_owned(), password_file: None }];
        let url = "tls://a:1,tls://b:2".to_owned();
        let text = block(&NatsInfo { running: None, pid: None, url, tls, ..info(access) }, &page(usize::MAX));
        for line in [
            "server      somebody else's",
            "access      user ann, password in bus.url",
            "listen      NATS_USER=ann NATS_PASSWORD=PASSWORD nats --server tls://a:1,tls://b:2 --tlsca /ca sub 'pulse.>'",
            "command     RESUS_NATS_PASSWORD=PASSWORD resus --nats tls://a:1,tls://b:2 --nats-user ann ps",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} in\n{text}");
        }
    }
}
