//! From what `[bus]` says to the bus of a daemon: files of secrets are read, once, here.

use crate::secret_file::{self, SecretError, one_line};
use crate::settings::SettingsError;
use crate::settings::bus::{BusSettings, Url};
use resus_actors::broker::{ServerFolder, ServerRecord};
use resus_bus::link::{Auth, Link, Secret, Tls};
use resus_bus::roles::Role;
use resus_bus::setup::{BusSetup, Choice, Managed};
use resus_shim::identity::is_alive;
use resus_store::StateDir;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Names the server for `bus.url = "auto"`, as other programs of NATS do.
pub(crate) const URL_VAR: &str = "NATS_URL";

/// The bus that `settings` describe; `nats_url` is what [`URL_VAR`] says.
///
/// # Errors
/// [`SettingsError::Bus`] with everything that is wrong; never with a secret.
pub(crate) fn setup(settings: &BusSettings, nats_url: Option<&str>) -> Result<BusSetup, SettingsError> {
    let mut faults = Vec::new();
    let choice = choice(settings, nats_url.filter(|url| !url.is_empty()), &mut faults);
    if !faults.is_empty() {
        return Err(SettingsError::Bus { faults });
    }
    Ok(BusSetup {
        choice,
        namespace: settings.namespace.clone(),
        ledger_bytes: settings.ledger_bytes,
        ledger_age: Duration::from_millis(settings.ledger_age_ms),
        telemetry_bytes: settings.telemetry_bytes,
        outbox_alarm: settings.outbox_alarm,
        allow_commands: settings.allow_commands,
        file: settings.file,
    })
}

/// The bus of the settings as it is now, seen from a command.
#[derive(Debug)]
pub(crate) enum Present {
    /// None but the one within the daemon.
    Local,
    /// Somebody's server.
    External(Link),
    /// The daemon's own server.
    Managed {
        /// Its folder.
        folder: ServerFolder,
        /// The last one, if there was any.
        record: Option<ServerRecord>,
        /// Whether that one lives.
        running: bool,
    },
}

impl Present {
    /// The bus that `settings` describe and the environment of this process, of the daemon of
    /// `state`.
    ///
    /// # Errors
    /// As [`setup`].
    pub(crate) fn of(state: &StateDir, settings: &BusSettings) -> Result<Self, SettingsError> {
        Ok(match setup(settings, env::var(URL_VAR).ok().as_deref())?.choice {
            Choice::Local => Self::Local,
            Choice::External(link) => Self::External(link),
            Choice::Managed(_) => {
                let folder = ServerFolder::of(state.path());
                let record = folder.record();
                let running = record.as_ref().is_some_and(|last| is_alive(last.process, &last.boot_id));
                Self::Managed { folder, record, running }
            }
        })
    }

    /// The monitoring address of the server, if it is known.
    pub(crate) fn monitor_url(&self, settings: &BusSettings) -> Option<String> {
        match self {
            Self::Managed { record: Some(record), .. } => {
                Some(format!("http://127.0.0.1:{}", record.monitor_port))
            }
            Self::Local | Self::External(_) | Self::Managed { record: None, .. } => {
                settings.monitor_url.clone()
            }
        }
    }

    /// How to look at the daemon's own server.
    ///
    /// # Errors
    /// Its password can't be read, or there never was one.
    pub(crate) fn managed_link(&self) -> io::Result<Link> {
        let Self::Managed { folder, record: Some(record), .. } = self else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let password = fs::read_to_string(folder.password_file(Role::Viewer))?;
        let auth = Auth::UserPassword {
            user: Role::Viewer.as_str().to_owned(),
            password: Secret::new(password.trim_end()),
        };
        let servers = vec![format!("nats://127.0.0.1:{}", record.port)];
        Ok(Link { servers, auth, tls: Tls::default() })
    }
}

fn choice(settings: &BusSettings, nats_url: Option<&str>, faults: &mut Vec<String>) -> Choice {
    let link = match (&settings.url, nats_url) {
        (Url::Local, _) | (Url::Auto, None) => return Choice::Local,
        (Url::Managed, _) => {
            return Choice::Managed(Managed {
                program: settings.server.clone(),
                port: settings.port,
                websocket_port: Some(settings.websocket_port).filter(|port| *port > 0),
            });
        }
        (Url::At(link), _) => Ok(link.clone()),
        (Url::Auto, Some(url)) => Link::parse(url),
    };
    match link {
        Ok(link) => Choice::External(with_identity(link, settings, faults)),
        Err(error) => {
            faults.push(format!("${URL_VAR}: {error}"));
            Choice::Local
        }
    }
}

/// `link` with who we are and with certificates.
fn with_identity(mut link: Link, settings: &BusSettings, faults: &mut Vec<String>) -> Link {
    let mut secret = |key: &str, path: &Option<PathBuf>, check: fn(&str) -> Result<(), SecretError>| {
        let path = path.as_ref()?;
        let read = secret_file::read(path).and_then(|secret| check(secret.reveal()).map(|()| secret));
        let told = |why: SecretError| {
            let fix = why.fix(path).map_or_else(String::new, |fix| format!(": {fix}"));
            faults.push(format!("bus.{key}: {} {why}{fix}", path.display()));
        };
        read.map_err(told).ok()
    };
    let password = secret("password_file", &settings.password_file, any_form).as_ref().map(one_line);
    let token = secret("token_file", &settings.token_file, any_form).as_ref().map(one_line);
    let seed = secret("nkey_file", &settings.nkey_file, is_seed).as_ref().map(one_line);
    let credentials = secret("creds_file", &settings.creds_file, are_credentials);
    let auth = match (&settings.user, password, token, seed, credentials) {
        (Some(user), Some(password), ..) => Auth::UserPassword { user: user.clone(), password },
        (_, _, Some(token), ..) => Auth::Token(token),
        (_, _, _, Some(seed), _) => Auth::NKey(seed),
        (.., Some(credentials)) => Auth::Credentials(credentials),
        _ => link.auth,
    };
    link.auth = auth;
    if settings.tls_key.is_some() {
        // Not kept: whoever connects reads it anew, so that a renewed one is used.
        let _checked = secret("tls_key", &settings.tls_key, any_form);
    }
    for (key, path) in [("tls_ca", &settings.tls_ca), ("tls_cert", &settings.tls_cert)] {
        if let Some(path) = path
            && let Err(error) = File::open(path)
        {
            faults.push(format!("bus.{key}: {} can't be read: {error}", path.display()));
        }
    }
    link.tls.ca.clone_from(&settings.tls_ca);
    link.tls.client = settings.tls_cert.clone().zip(settings.tls_key.clone());
    // Whoever names certificates does not want to be talked out of them.
    link.tls.required |= link.tls.ca.is_some() || link.tls.client.is_some();
    link
}

fn any_form(_text: &str) -> Result<(), SecretError> {
    Ok(())
}

/// The seed of a user's NKey: a prefix, 32 bytes and a checksum in base 32, which always begins so.
fn is_seed(text: &str) -> Result<(), SecretError> {
    let text = text.trim_end();
    let base_32 = text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    let is_one = text.starts_with("SU") && text.len() == 58 && base_32;
    if is_one { Ok(()) } else { Err(SecretError::Form("the seed of an NKey of a user (SU…)")) }
}

fn are_credentials(text: &str) -> Result<(), SecretError> {
    let has = |part: &str| text.contains(&format!("-----BEGIN {part}-----"));
    let are = has("NATS USER JWT") && has("USER NKEY SEED");
    if are { Ok(()) } else { Err(SecretError::Form("a file of credentials (.creds)")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn file(folder: &Path, name: &str, content: &str, mode: u32) -> Option<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Some(path)
    }

    fn at(url: &str) -> BusSettings {
        BusSettings { url: Url::At(Link::parse(url).unwrap()), ..BusSettings::default() }
    }

    #[test]
    fn auto_means_the_server_that_the_environment_names_or_none() {
        let auto = BusSettings::default();
        assert_eq!(setup(&auto, None).unwrap(), BusSetup::default());
        assert_eq!(setup(&auto, Some("")).unwrap().choice, Choice::Local);
        let Choice::External(link) = setup(&auto, Some("nats://h")).unwrap().choice else { panic!() };
        assert_eq!(link.to_string(), "nats://h:4222");
        let local = BusSettings { url: Url::Local, ..auto };
        assert_eq!(setup(&local, Some("nats://h")).unwrap().choice, Choice::Local);
        let error = setup(&BusSettings::default(), Some("http://u:s3cret@h")).unwrap_err();
        assert_eq!(error.details(), ["$NATS_URL: an address begins with nats:// or tls://, not \"http://\""]);
    }

    #[test]
    fn the_managed_server_has_its_ports_and_its_program() {
        let settings =
            BusSettings { url: Url::Managed, port: 1, websocket_port: 2, ..BusSettings::default() };
        let managed = Managed { program: None, port: 1, websocket_port: Some(2) };
        assert_eq!(setup(&settings, None).unwrap().choice, Choice::Managed(managed));
    }

    #[test]
    fn secrets_come_from_their_files_without_the_end_of_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let password = file(folder.path(), "p", "s3cret \n", 0o600);
        let settings = BusSettings { user: Some("ann".to_owned()), password_file: password, ..at("h") };
        let Choice::External(link) = setup(&settings, None).unwrap().choice else { panic!() };
        let password = Secret::new("s3cret ");
        assert_eq!(link.auth, Auth::UserPassword { user: "ann".to_owned(), password });
        let text = "-----BEGIN NATS USER JWT-----\nx\n-----BEGIN USER NKEY SEED-----\ny\n";
        let creds = file(folder.path(), "c", text, 0o400);
        let ca = file(folder.path(), "ca", "", 0o644);
        let settings = BusSettings { creds_file: creds, tls_ca: ca.clone(), ..at("h") };
        let Choice::External(link) = setup(&settings, None).unwrap().choice else { panic!() };
        assert_eq!(link.auth, Auth::Credentials(Secret::new(text)));
        assert!(link.tls.required && link.tls.ca == ca);
    }

    #[test]
    fn a_file_of_another_kind_is_found_before_a_server_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let told = |settings: &BusSettings| setup(settings, None).unwrap_err().details().remove(0);
        let public_key = format!("U{}\n", "A".repeat(55));
        let settings = BusSettings { nkey_file: file(folder.path(), "n", &public_key, 0o600), ..at("h") };
        assert!(told(&settings).ends_with("/n is not the seed of an NKey of a user (SU…)"));
        let settings = BusSettings { creds_file: file(folder.path(), "c", "s3cret", 0o600), ..at("h") };
        assert!(told(&settings).ends_with("/c is not a file of credentials (.creds)"));
        let seed = format!("SU{}\n", "A".repeat(56));
        let settings = BusSettings { nkey_file: file(folder.path(), "s", &seed, 0o600), ..at("h") };
        let Choice::External(link) = setup(&settings, None).unwrap().choice else { panic!() };
        assert_eq!(link.auth, Auth::NKey(Secret::new(seed.trim_end())));
    }

    #[test]
    fn files_that_others_may_read_are_refused_with_what_to_type_and_all_faults_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at_path = |name: &str| folder.path().join(name).display().to_string();
        let settings = BusSettings {
            token_file: file(folder.path(), "t", "s3cret", 0o640),
            nkey_file: file(folder.path(), "n", "\n", 0o600),
            tls_ca: Some(folder.path().join("none")),
            tls_cert: file(folder.path(), "cert", "", 0o644),
            tls_key: file(folder.path(), "k", "s3cret", 0o604),
            ..at("h")
        };
        let told = setup(&settings, None).unwrap_err().details();
        let [t, n, k, none] = ["t", "n", "k", "none"].map(at_path);
        let expected = [
            format!("bus.token_file: {t} can be read by others (mode 640): chmod 600 {t}"),
            format!("bus.nkey_file: {n} is empty"),
            format!("bus.tls_key: {k} can be read by others (mode 604): chmod 600 {k}"),
            format!("bus.tls_ca: {none} can't be read: No such file or directory (os error 2)"),
        ];
        assert_eq!(told, expected);
        assert!(!format!("{told:?}").contains("s3cret"));
    }
}
