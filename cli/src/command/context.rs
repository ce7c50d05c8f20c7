//! `resus context`: daemons on other machines, under names.

use crate::args::Global;
use crate::command::Around;
use crate::contexts::{self, Context, LOCAL, whole_path};
use crate::error::CliError;
use crate::render::parts::said;
use crate::text::columns::pad;
use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;
use serde_json::json;
use std::path::PathBuf;

/// Columns of the labels.
const LABEL_WIDTH: usize = 15;

/// Arguments of `resus context`.
#[derive(Debug, Args)]
#[command(
    after_help = "A context is kept in a file of its own, for you alone, in ~/.config/resus/contexts. Secrets are
not in it, only the paths of their files. 'local' is this machine's daemon.

Examples:
  resus context add lab --nats nats://lab:4222 --nats-creds lab.creds
  resus context use lab && resus ps
  resus --context local ps"
)]
pub(crate) struct ContextArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Keep what --nats, --node, --namespace and the credentials say under a name
    Add(AddArgs),
    /// List contexts
    Ls,
    /// Let commands that name no daemon mean this one
    Use(NameArgs),
    /// Forget a context
    Rm(NameArgs),
    /// Show a context [default: the one in use]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus context use lab
  resus context use local
  resus context rm lab")]
struct NameArgs {
    /// Its name, or local
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus context show
  resus context show lab --json")]
struct ShowArgs {
    /// Its name
    name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus context add lab --nats nats://lab:4222 --nats-creds lab.creds
  resus context add lab --nats nats://lab:4222 --nats-user ann --password-file pw")]
struct AddArgs {
    /// What to call it: lower-case letters, digits and '-'
    name: String,
    /// File with the password of --nats-user
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with a token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the seed of an NKey
    #[arg(long, value_name = "FILE")]
    nkey_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities to trust besides the system's
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Carries out `resus context`. Asks no daemon.
///
/// # Errors
/// [`CliError`].
pub(crate) fn context(args: ContextArgs, global: &Global, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Add(args) => {
            contexts::add(&args.name, &described(&args, global)?)?;
            tell(around, &format!("use it with: resus context use {}", args.name));
        }
        What::Ls => list(around)?,
        What::Use(args) => {
            contexts::use_for_all(&args.name)?;
            tell(around, &format!("from now on commands mean {}", whose(&args.name)));
        }
        What::Rm(args) => {
            contexts::remove(&args.name)?;
            tell(around, &format!("{} is forgotten", args.name));
        }
        What::Show(args) => show(args.name, around)?,
    }
    Ok(ExitCode::Ok)
}

fn described(args: &AddArgs, global: &Global) -> Result<Context, CliError> {
    let nats = global.nats.clone().ok_or_else(|| CliError::Usage {
        what: "the address of the server is missing".to_owned(),
        next: format!("resus context add {} --nats nats://HOST:4222", args.name),
    })?;
    let path = |path: &Option<PathBuf>| path.as_deref().map(whole_path).transpose();
    let mut context = Context { nats, ..Context::default() };
    context.take(global)?;
    Ok(Context {
        password_file: path(&args.password_file)?,
        token_file: path(&args.token_file)?,
        nkey_file: path(&args.nkey_file)?,
        tls_ca: path(&args.tls_ca)?,
        tls_cert: path(&args.tls_cert)?,
        tls_key: path(&args.tls_key)?,
        ..context
    })
}

fn list(around: &Around) -> Result<(), CliError> {
    let in_use = contexts::in_use()?;
    let mut rows = vec![(LOCAL.to_owned(), "this machine's daemon".to_owned(), in_use.is_none())];
    for name in contexts::names()? {
        let is_in_use = in_use.as_deref() == Some(name.as_str());
        let what = contexts::load(&name).map_or_else(|error| error.to_string(), |context| context.nats);
        rows.push((name, what, is_in_use));
    }
    for (name, what, is_in_use) in rows {
        if around.console.json {
            around.console.out_json(&json!({"name": name, "nats": what, "in_use": is_in_use}))?;
        } else {
            let mark = if is_in_use { "*" } else { " " };
            around.console.out(&format!("{mark} {} {}\n", pad(&name, LABEL_WIDTH), said(&what)))?;
        }
    }
    Ok(())
}

fn show(name: Option<String>, around: &Around) -> Result<(), CliError> {
    let name = match name {
        Some(name) => name,
        None => contexts::in_use()?.unwrap_or_else(|| LOCAL.to_owned()),
    };
    if name == LOCAL {
        return match around.console.json {
            true => around.console.out_json(&json!({"name": LOCAL})),
            false => around.console.out(&format!("{}\n", whose(LOCAL))),
        };
    }
    let mut document =
        serde_json::to_value(contexts::load(&name)?).map_err(|error| CliError::Output(error.into()))?;
    document["name"] = json!(name);
    if around.console.json {
        return around.console.out_json(&document);
    }
    for (key, value) in document.as_object().into_iter().flatten() {
        let value = said(value.as_str().unwrap_or_default());
        around.console.out(&format!("{} {value}\n", pad(key, LABEL_WIDTH)))?;
    }
    Ok(())
}

fn whose(name: &str) -> String {
    if name == LOCAL {
        "this machine's daemon".to_owned()
    } else {
        format!("the daemon of the context {name}")
    }
}

fn tell(around: &Around, text: &str) {
    if !around.console.json {
        around.console.tell(&format!("{text}\n"));
    }
}
