//! The section `[bus]`: what was typed, checked as far as that needs no file and no network.

use crate::settings::Settings;
use resus_bus::link::{Auth, Link};
use resus_core::ids::Slug;
use std::path::PathBuf;

/// Smallest and largest sizes of what a server keeps: less than a day of one run makes no
/// sense, and more is not what a bus is for.
pub(super) const SIZES: (u64, u64) = (1 << 20, 1 << 40);
/// Shortest and longest time in milliseconds that a server keeps events: a late joiner needs
/// some, and a ledger of this machine has the rest.
pub(super) const AGES: (u64, u64) = (3_600_000, 400 * 86_400_000);

/// Which bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Url {
    /// What `$NATS_URL` says, else none.
    Auto,
    /// None.
    Local,
    /// A server of our own.
    Managed,
    /// Somebody's server.
    At(Link),
}

/// What `[bus]` says. Empty texts are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BusSettings {
    /// Which bus.
    pub url: Url,
    /// The first free part of every address.
    pub namespace: Slug,
    /// Who we are.
    pub user: Option<String>,
    /// The user's password.
    pub password_file: Option<PathBuf>,
    /// A token instead.
    pub token_file: Option<PathBuf>,
    /// The seed of an NKey instead.
    pub nkey_file: Option<PathBuf>,
    /// Credentials instead.
    pub creds_file: Option<PathBuf>,
    /// Authorities to trust.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Largest size of the events kept on the server, in bytes.
    pub ledger_bytes: u64,
    /// How long they are kept, in milliseconds.
    pub ledger_age_ms: u64,
    /// Largest size of the telemetry kept there, in bytes.
    pub telemetry_bytes: u64,
    /// More waiting events than this raise an alarm.
    pub outbox_alarm: u64,
    /// Whether any program may be started through the bus.
    pub allow_commands: bool,
    /// Whether runs get a file of their events.
    pub file: bool,
    /// Address of the server's monitoring pages, `http://HOST:PORT`.
    pub monitor_url: Option<String>,
    /// Port of the managed server; 0 = any.
    pub port: u16,
    /// Its port for browsers; 0 = none.
    pub websocket_port: u16,
    /// Path of its program.
    pub server: Option<PathBuf>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            url: Url::Auto,
            namespace: Slug::nearest("default", "default"),
            user: None,
            password_file: None,
            token_file: None,
            nkey_file: None,
            creds_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            ledger_bytes: 1 << 30,
            ledger_age_ms: 30 * 86_400_000,
            telemetry_bytes: 256 << 20,
            outbox_alarm: 1_000_000,
            allow_commands: false,
            file: false,
            monitor_url: None,
            port: 4222,
            websocket_port: 0,
            server: None,
        }
    }
}

impl BusSettings {
    /// Keys that are fine by themselves and not together, each with what is wrong.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        match (&self.user, &self.password_file) {
            (Some(_), None) => {
                found
                    .push(("bus.user", "a user needs a password: name the file in password_file".to_owned()));
            }
            (None, Some(_)) => found.push(("bus.password_file", "whose password? name the user".to_owned())),
            (Some(_), Some(_)) | (None, None) => {}
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => found.push(("bus.tls_cert", "a certificate needs its tls_key".to_owned())),
            (None, Some(_)) => found.push(("bus.tls_key", "a key needs its tls_cert".to_owned())),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let ways = self.ways();
        if let [first, second, ..] = ways.as_slice() {
            found.push((second, format!("says who we are, and {first} does so too: one is enough")));
        }
        if self.url == Url::Managed
            && let Some(way) = ways.first()
        {
            found.push((way, "the managed server makes its own credentials".to_owned()));
        }
        found.into_iter().map(|(key, what)| (key, format!("{key}: {what}"))).collect()
    }

    /// The keys that say who we are.
    fn ways(&self) -> Vec<&'static str> {
        let within_url = matches!(&self.url, Url::At(link) if link.auth != Auth::None);
        let ways = [
            (within_url, "bus.url"),
            (self.user.is_some(), "bus.user"),
            (self.token_file.is_some(), "bus.token_file"),
            (self.nkey_file.is_some(), "bus.nkey_file"),
            (self.creds_file.is_some(), "bus.creds_file"),
        ];
        ways.into_iter().filter_map(|(used, key)| used.then_some(key)).collect()
    }
}

/// Reads `bus.url`. The reason of a refusal never quotes the text: it may hold a password.
pub(super) fn url(settings: &mut Settings, text: &str) -> Result<(), String> {
    settings.bus.url = match text {
        "auto" => Url::Auto,
        "local" => Url::Local,
        "managed" => Url::Managed,
        // A word alone is a slip of the pen rather than a host.
        word if word != "localhost" && word.chars().all(|c| c.is_ascii_lowercase()) => {
            return Err(
                "it is \"auto\", \"local\", \"managed\", or the address of a NATS server such as nats://host:4222"
                    .to_owned(),
            );
        }
        address => Url::At(Link::parse(address).map_err(|error| {
            format!("it is \"auto\", \"local\", \"managed\" or the address of a NATS server: {error}")
        })?),
    };
    Ok(())
}

/// Reads `bus.namespace`.
pub(super) fn namespace(settings: &mut Settings, text: &str) -> Result<(), String> {
    settings.bus.namespace = Slug::new(text).map_err(|error| error.to_string())?;
    Ok(())
}

/// Reads `bus.monitor_url`.
pub(super) fn monitor_url(settings: &mut Settings, text: &str) -> Result<(), String> {
    let fits = |host: &str| !host.is_empty() && !host.contains(['@', '/', ' ', '?', '#']);
    let is_one = |url: &str| url.strip_prefix("http://").is_some_and(fits);
    let url = text.trim_end_matches('/');
    settings.bus.monitor_url = match url {
        "" => None,
        url if is_one(url) => Some(url.to_owned()),
        _ => return Err("it is not of the form \"http://HOST:8222\"".to_owned()),
    };
    Ok(())
}

/// A text that may be empty for "none".
pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The path of a file; empty = none. A daemon has no folder of its own that a relative path
/// could start from.
pub(super) fn path(text: &str) -> Result<Option<PathBuf>, String> {
    let path = some(text).map(PathBuf::from);
    if path.as_ref().is_some_and(|path| !path.is_absolute()) {
        // Not quoted: somebody may have typed the secret itself.
        return Err("it is not the whole path of a file (one that begins with /)".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let settings = Settings::built_in().expect("the defaults are valid");
        settings.with_file(text, "c.toml".into()).expect_err("faulty").details()
    }

    #[test]
    fn an_address_is_taken_apart_and_its_password_never_shows() {
        let settings = Settings::built_in().expect("valid");
        let text = "[bus]\nurl = 'nats://ann:s3cret@h, h2'\nnamespace = 'team-a'\nfile = true\n";
        let read = settings.with_file(text, "c.toml".into()).expect("valid");
        let Url::At(link) = &read.bus.url else { panic!("{read:?}") };
        assert_eq!(link.to_string(), "nats://h:4222,nats://h2:4222");
        assert_eq!((read.bus.namespace.as_str(), read.bus.file), ("team-a", true));
        assert!(!format!("{read:?}").contains("s3cret"));
    }

    #[test]
    fn a_word_alone_is_no_host() {
        for word in ["managd", "foo"] {
            let found = faults(&format!("[bus]\nurl = '{word}'\n"));
            assert!(found[0].contains("\"managed\"") && found[0].contains("nats://host:4222"), "{found:?}");
        }
    }

    #[test]
    fn every_fault_is_told_and_no_secret() {
        let found = faults(
            "[bus]\nurl = 'http://ann:s3cret@h'\nnamespace = 'A B'\ntoken_file = 'x'\nport = 70000\n\
             file = 'yes'\nledger_age = '1s'\npassword = 's3cret'\nmonitor_url = 'h:8222'\nledger_size = '1KiB'\n",
        );
        let expected = [
            "c.toml:2:7: bus.url: it is \"auto\", \"local\", \"managed\" or the address of a NATS server: \
             an address begins with nats:// or tls://, not \"http://\"",
            "c.toml:3:13: bus.namespace: name \"A B\" is not 1 to 48 lower-case letters, digits or '-'",
            "c.toml:4:14: bus.token_file: it is not the whole path of a file (one that begins with /)",
            "c.toml:5:8: bus.port: 70000 is not a port from 0 to 65535",
            "c.toml:6:8: bus.file: \"yes\" is not true or false",
            "c.toml:7:14: bus.ledger_age: \"1s\" is not between \"1h\" and \"400d\"",
            "c.toml:8:1: unknown key bus.password; did you mean bus.password_file?",
            "c.toml:9:15: bus.monitor_url: it is not of the form \"http://HOST:8222\"",
            "c.toml:10:15: bus.ledger_size: \"1KiB\" is not between 1MiB and 1024GiB",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_that_do_not_go_together_are_told_together() {
        let found = faults("[bus]\nuser = 'ann'\ntoken_file = '/t'\ntls_key = '/k'\n");
        let expected = [
            "c.toml:2:8: bus.user: a user needs a password: name the file in password_file",
            "c.toml:3:14: bus.token_file: says who we are, and bus.user does so too: one is enough",
            "c.toml:4:11: bus.tls_key: a key needs its tls_cert",
        ];
        assert_eq!(found, expected);
        let found =
            faults("[bus]\nurl = 'managed'\npassword_file = '/p'\nnkey_file = '/n'\ntls_cert = '/c'\n");
        let expected = [
            "c.toml:3:17: bus.password_file: whose password? name the user",
            "c.toml:4:13: bus.nkey_file: the managed server makes its own credentials",
            "c.toml:5:12: bus.tls_cert: a certificate needs its tls_key",
        ];
        assert_eq!(found, expected);
    }
}
