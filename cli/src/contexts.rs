//! Daemons on other machines, kept under names: one file each in the configuration folder,
//! readable by its owner alone. Secrets are not in it, only the paths of their files.

use crate::args::Global;
use crate::error::CliError;
use crate::secret_file::{self, SecretError, one_line};
use crate::settings::config_home;
use resus_bus::link::{Auth, Link, LinkError, Secret};
use resus_core::ids::Slug;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};

/// The name of this machine's daemon; no file is called so.
pub(crate) const LOCAL: &str = "local";
/// Most bytes of a file that is read here: what is larger is not one.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How a daemon on another machine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Addresses of the server.
    pub nats: String,
    /// The daemon's machine; by default the only one that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Who we are to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File with the user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// File with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// File with the seed of an NKey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey_file: Option<String>,
    /// File with a JWT and the seed of its NKey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creds_file: Option<String>,
    /// File with the certificates of authorities to trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<String>,
    /// File with our certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<String>,
    /// File with the key of our certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<String>,
}

impl Context {
    /// Puts what the options say in place of what the context says.
    ///
    /// # Errors
    /// [`CliError::Usage`]: a path that is not UTF-8.
    pub(crate) fn take(&mut self, global: &Global) -> Result<(), CliError> {
        self.node = global.node.clone().or(self.node.take());
        self.namespace = global.namespace.clone().or(self.namespace.take());
        // Who says who they are is nobody else.
        if global.nats_user.is_some() || global.nats_creds.is_some() {
            (self.password_file, self.token_file, self.nkey_file) = (None, None, None);
            self.user = global.nats_user.clone();
            self.creds_file = global.nats_creds.as_deref().map(whole_path).transpose()?;
        }
        Ok(())
    }

    /// The link to the server, with the secrets out of their files. A user without a password
    /// is left out: the environment may know it.
    ///
    /// # Errors
    /// [`CliError`]: an address that is none, a file that can't be read, too many identities.
    pub(crate) fn link(&self) -> Result<Link, CliError> {
        let mut link = Link::parse(&self.nats).map_err(of_address)?;
        let files = [&self.password_file, &self.token_file, &self.nkey_file, &self.creds_file];
        let identities = files.into_iter().flatten().count() + usize::from(link.auth != Auth::None);
        // A user says who we are together with its password, which may be in the environment.
        let has_user_beside = identities == 1 && self.user.is_some() && self.password_file.is_none();
        if identities > 1 || has_user_beside {
            return Err(usage(
                "more than one way to say who we are; one is enough: a user, a token, an NKey or a .creds \
                 file, in the address or beside it",
            ));
        }
        if let Some(file) = &self.password_file {
            let user = self.user.clone().ok_or_else(|| usage("a password file needs a user"))?;
            link.auth = Auth::UserPassword { user, password: line(file)? };
        } else if let Some(file) = &self.token_file {
            link.auth = Auth::Token(line(file)?);
        } else if let Some(file) = &self.nkey_file {
            link.auth = Auth::NKey(line(file)?);
        } else if let Some(file) = &self.creds_file {
            link.auth = Auth::Credentials(secret(file)?);
        }
        link.tls.ca = self.tls_ca.as_ref().map(PathBuf::from);
        link.tls.client = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                // Not kept: whoever connects reads it anew.
                let _checked = secret(key)?;
                Some((certificate.into(), key.into()))
            }
            (None, None) => None,
            _ => return Err(usage("tls_cert and tls_key belong together")),
        };
        // Whoever names certificates does not want to be talked out of them.
        link.tls.required |= link.tls.ca.is_some() || link.tls.client.is_some();
        Ok(link)
    }

    /// Whether the context can be kept in a file: its address holds no secret.
    ///
    /// # Errors
    /// [`CliError::Usage`].
    fn check(&self) -> Result<(), CliError> {
        if Link::parse(&self.nats).map_err(of_address)?.auth != Auth::None {
            return Err(CliError::Usage {
                what: "an address with a user or a token in it is not kept: it would be a secret in a file"
                    .to_owned(),
                next: "--nats-user NAME --password-file FILE, --token-file FILE, or --nats-creds FILE"
                    .to_owned(),
            });
        }
        self.link().map(drop)
    }

    /// The document: keys and texts.
    fn text(&self) -> Result<String, CliError> {
        let document = serde_json::to_value(self).map_err(|error| usage(&error.to_string()))?;
        let mut text = String::new();
        for (key, value) in document.as_object().into_iter().flatten() {
            // A JSON string without control characters is a TOML string.
            if value.as_str().is_some_and(|value| value.chars().any(char::is_control)) {
                return Err(usage(&format!("{key} holds a control character")));
            }
            text.push_str(&format!("{key} = {value}\n"));
        }
        Ok(text)
    }
}

/// The context called `name`.
///
/// # Errors
/// [`CliError`]: there is none, or it can't be read.
pub(crate) fn load(name: &str) -> Result<Context, CliError> {
    let path = file(name)?;
    let text = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(missing(name));
        }
        text => text.map_err(failed("read", &path))?,
    };
    toml::from_str(&text).map_err(|error| CliError::Usage {
        what: format!("{} can't be understood: {}", path.display(), error.message()),
        next: format!("resus context rm {name}, and add it again"),
    })
}

/// Keeps a context under a name that is free.
///
/// # Errors
/// [`CliError`]: the name is taken or none, or the context makes no sense.
pub(crate) fn add(name: &str, context: &Context) -> Result<(), CliError> {
    let path = file(name)?;
    context.check()?;
    if path.exists() {
        return Err(CliError::Usage {
            what: format!("there is a context called {name} already"),
            next: format!("resus context show {name}; resus context rm {name}"),
        });
    }
    write(&path, &context.text()?).map_err(failed("write", &path))
}

/// Forgets a context; if it was in use, this machine's daemon is.
///
/// # Errors
/// [`CliError`]: there is none.
pub(crate) fn remove(name: &str) -> Result<(), CliError> {
    let path = file(name)?;
    if !path.exists() {
        return Err(missing(name));
    }
    if in_use()?.as_deref() == Some(name) {
        use_for_all(LOCAL)?;
    }
    fs::remove_file(&path).map_err(failed("remove", &path))
}

/// The names of all contexts, sorted.
///
/// # Errors
/// [`CliError::Io`].
pub(crate) fn names() -> Result<Vec<String>, CliError> {
    let folder = folder()?.join("contexts");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", &folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("read", &folder))?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".toml"));
        names.extend(name.filter(|name| Slug::new(*name).is_ok()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The name of the context that is in use; `None` = this machine's daemon.
///
/// # Errors
/// [`CliError::Io`].
pub(crate) fn in_use() -> Result<Option<String>, CliError> {
    let Some(folder) = config_home() else { return Ok(None) };
    let path = folder.join("resus/context");
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => {
            let name = text.map_err(failed("read", &path))?.trim().to_owned();
            Ok(Some(name).filter(|name| !name.is_empty() && name != LOCAL))
        }
    }
}

/// From now on commands that name no daemon mean this one.
///
/// # Errors
/// [`CliError`]: there is no such context.
pub(crate) fn use_for_all(name: &str) -> Result<(), CliError> {
    if name != LOCAL {
        load(name)?;
    }
    let path = folder()?.join("context");
    write(&path, &format!("{name}\n")).map_err(failed("write", &path))
}

/// `path` from wherever a command is typed.
///
/// # Errors
/// [`CliError::Usage`]: it is not UTF-8.
pub(crate) fn whole_path(path: &Path) -> Result<String, CliError> {
    let whole = absolute(path).map_err(|error| usage(&format!("{} is no path: {error}", path.display())))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| usage(&format!("{} is not valid UTF-8, so it can't be kept", path.display())))
}

fn folder() -> Result<PathBuf, CliError> {
    let home = config_home().map(|home| home.join("resus"));
    home.ok_or_else(|| usage("neither XDG_CONFIG_HOME nor HOME says where contexts are kept"))
}

fn file(name: &str) -> Result<PathBuf, CliError> {
    if name == LOCAL {
        return Err(usage(&format!("{LOCAL} is the name of this machine's daemon")));
    }
    let slug = Slug::new(name).map_err(|error| usage(&error.to_string()))?;
    Ok(folder()?.join("contexts").join(format!("{slug}.toml")))
}

/// A secret out of its file.
fn secret(path: &str) -> Result<Secret, CliError> {
    let at = Path::new(path);
    secret_file::read(at).map_err(|error| match error {
        SecretError::Read(source) => failed("read", at)(source),
        other => CliError::Usage {
            what: format!("{path} {other}"),
            next: other.fix(at).unwrap_or_else(|| "put the secret, and nothing else, into it".to_owned()),
        },
    })
}

/// The same where a secret is one line.
fn line(path: &str) -> Result<Secret, CliError> {
    secret(path).map(|text| one_line(&text))
}

fn read(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        let message = format!("it is {length} bytes long; at most {FILE_BYTES_MAX} make sense");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    fs::read_to_string(path)
}

/// Writes a file for its owner alone, whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    renamed.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn missing(name: &str) -> CliError {
    CliError::Usage {
        what: format!("there is no context called {name:?}"),
        next: format!("resus context ls; resus context add {name} --nats nats://HOST:4222"),
    }
}

fn of_address(error: LinkError) -> CliError {
    CliError::Usage { what: format!("--nats: {error}"), next: "--nats nats://HOST:4222".to_owned() }
}

fn usage(what: &str) -> CliError {
    CliError::Usage { what: what.to_owned(), next: "resus context --help".to_owned() }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let path = path.to_path_buf();
    move |source| CliError::Io { what, path, source }
}

#[cfg(test)]
mod tests;
