//! How a server is reached: addresses, credentials, certificates. Secrets never show.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A text that must not be seen: it has no form to print but stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who has to send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who we are to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    UserPassword {
        /// The user's name.
        user: String,
        /// Its password.
        password: Secret,
    },
    /// Whoever knows the token.
    Token(Secret),
    /// The holder of an NKey, by its seed (`SU…`).
    NKey(Secret),
    /// The content of a `.creds` file: a JWT and the seed of its NKey.
    Credentials(Secret),
}

/// Certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Nothing is said without it. Addresses that begin with `tls://` need it anyway.
    pub required: bool,
    /// File (PEM) with the certificates of authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Files (PEM) with our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How a server (or a cluster of them) is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Addresses as `nats://HOST:PORT` or `tls://HOST:PORT`, without user and password.
    pub servers: Vec<String>,
    /// Who we are.
    pub auth: Auth,
    /// Certificates.
    pub tls: Tls,
}

/// Why a text is no address of a server. The text itself is not told: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is nothing.
    #[error("an address such as nats://host:4222 is missing")]
    Empty,
    /// Another protocol.
    #[error("an address begins with nats:// or tls://, not {scheme:?}")]
    Scheme {
        /// What it begins with.
        scheme: String,
    },
    /// No host, or a port that is none.
    #[error("address {number} is not of the form nats://HOST:PORT")]
    Form {
        /// Its place in the list, from 1.
        number: usize,
    },
    /// Two users.
    #[error("the addresses name different users")]
    Users,
}

/// The port of NATS.
const PORT: u16 = 4222;

impl Link {
    /// Reads one address or several, separated by commas. `nats://USER:PASSWORD@HOST` and
    /// `nats://TOKEN@HOST` give who we are too.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let mut link = Self { servers: Vec::new(), auth: Auth::None, tls: Tls::default() };
        for (number, address) in text.split(',').map(str::trim).filter(|part| !part.is_empty()).enumerate() {
            let form = LinkError::Form { number: number + 1 };
            let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
            if scheme != "nats" && scheme != "tls" {
                return Err(LinkError::Scheme { scheme: format!("{}://", scheme.escape_debug()) });
            }
            let rest = rest.trim_end_matches('/');
            let (user, host) = match rest.rsplit_once('@') {
                Some((user, host)) => (Some(user), host),
                None => (None, rest),
            };
            let host = with_port(host).ok_or(form)?;
            if let Some(user) = user {
                let auth = match user.split_once(':') {
                    Some((user, password)) => {
                        Auth::UserPassword { user: user.to_owned(), password: Secret::new(password) }
                    }
                    None => Auth::Token(Secret::new(user)),
                };
                if link.auth != Auth::None && link.auth != auth {
                    return Err(LinkError::Users);
                }
                link.auth = auth;
            }
            link.tls.required |= scheme == "tls";
            link.servers.push(format!("{scheme}://{host}"));
        }
        if link.servers.is_empty() { Err(LinkError::Empty) } else { Ok(link) }
    }
}

impl Link {
    /// Whether all of its servers are on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = |server: &String| {
            let (_scheme, rest) = server.split_once("://").unwrap_or(("", server));
            rest.rsplit_once(':').map_or(rest, |(host, _port)| host).to_owned()
        };
        let is_here = |host: String| {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        };
        self.servers.iter().map(host).all(is_here)
    }
}

/// `HOST:PORT` of `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
fn with_port(host: &str) -> Option<String> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok().filter(|port| *port > 0)?),
        Some(_) | None => (host, PORT),
    };
    let bracketed = name.starts_with('[') && name.ends_with(']') && name.len() > 2;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain = !name.is_empty() && name.chars().all(fits);
    (bracketed || plain).then(|| format!("{name}:{port}"))
}

/// The addresses, separated by commas; never who we are.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.servers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_secrets_are_taken_out_of_them() {
        let link = Link::parse("nats://ann:pa:ss@a, nats://ann:pa:ss@b:4333,[::1],[::1]:1/").unwrap();
        assert_eq!(link.to_string(), "nats://a:4222,nats://b:4333,nats://[::1]:4222,nats://[::1]:1");
        let Auth::UserPassword { user, password } = &link.auth else { panic!("{link:?}") };
        assert_eq!((user.as_str(), password.reveal()), ("ann", "pa:ss"));
        assert!(!format!("{link:?}{link}").contains("pa:ss"));
        assert!(!link.is_loopback() && !Link::parse("127.evil.example").unwrap().is_loopback());
        assert!(Link::parse("127.0.0.1,localhost:1,[::1]").unwrap().is_loopback());
        let link = Link::parse("tls://s3cret@h").unwrap();
        assert!(link.tls.required && link.auth == Auth::Token(Secret::new("s3cret")));
    }

    #[test]
    fn what_is_no_address_is_refused_without_telling_its_secrets() {
        for bad in [
            "",
            " , ",
            "http://h",
            "nats://",
            "nats://u:s3cret@",
            "nats://s3cret@h:x",
            "h:0",
            "a b",
            "nats://[]",
        ] {
            let error = Link::parse(bad).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("s3cret"), "{bad}: {error}");
        }
        assert_eq!(Link::parse("nats://a:1@h,nats://b:1@h"), Err(LinkError::Users));
    }
}
