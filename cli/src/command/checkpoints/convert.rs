//! `resus checkpoints convert`: the same checkpoint in another form.

use crate::command::Around;
use crate::error::CliError;
use crate::judgement::unconverted;
use crate::named::{self, Named};
use crate::render::parts::said;
use crate::text::paint::Colour;
use crate::text::size;
use clap::{Args, ValueEnum};
use resus_checkpoint::{Compression, ConvertOptions, Saved, VERSION, convert as write};
use resus_core::exit::ExitCode;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `resus checkpoints convert`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is read is verified; what is written is read back. Nothing is written over unless
--force says so.

Examples:
  resus checkpoints convert old.prsm new.prsm --compress zstd
  resus checkpoints convert nightly:latest model.prsm"
)]
pub(crate) struct ConvertArgs {
    /// A file, or RUN:CHECKPOINT
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The file to write
    #[arg(value_name = "TO")]
    pub to: PathBuf,
    /// Version of the format: 3, or 2 for one section
    #[arg(long, value_name = "VERSION", default_value_t = VERSION)]
    pub to_version: u32,
    /// How to store it: none, lz4 or zstd
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, default_value_t)]
    pub compress: Packing,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
}

/// How to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Packing {
    /// As it is.
    #[default]
    None,
    /// Quick.
    Lz4,
    /// Small.
    Zstd,
}

impl From<Packing> for Compression {
    fn from(packing: Packing) -> Self {
        match packing {
            Packing::None => Self::None,
            Packing::Lz4 => Self::Lz4,
            Packing::Zstd => Self::Zstd,
        }
    }
}

/// Carries out `resus checkpoints convert`.
///
/// # Errors
/// [`CliError`]: it is damaged, does not fit into the other form, or something is there already.
pub(crate) async fn convert(args: ConvertArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.to_version < VERSION && args.compress != Packing::None {
        let what = format!("version {} is written without compression", args.to_version);
        return Err(CliError::Usage {
            what,
            next: format!("leave out --compress, or --to-version {VERSION}"),
        });
    }
    let from = named::file(Named::typed(&args.from), around).await?;
    let options = ConvertOptions {
        version: args.to_version,
        compression: args.compress.into(),
        replace: args.force,
        ..ConvertOptions::default()
    };
    let to = args.to.clone();
    let written = tokio::task::spawn_blocking(move || write(&from, &args.to, &options)).await?;
    let saved = written.map_err(|error| unconverted(error, to))?;
    tell(&saved, args.to_version, around)?;
    Ok(ExitCode::Ok)
}

fn tell(saved: &Saved, version: u32, around: &Around) -> Result<(), CliError> {
    let console = &around.console;
    if console.json {
        let Saved { path, size_bytes, digest, .. } = saved;
        let written = json!({"path": path, "version": version, "size_bytes": size_bytes, "digest": digest});
        return console.out_json(&written);
    }
    let glyph = console.err_paint.on(Colour::Green, "✓");
    let (path, bytes) = (said(&saved.path.to_string_lossy()), size::show(saved.size_bytes));
    console.tell(&format!("{glyph} {path}  PRSM {version}  {bytes}\n"));
    Ok(())
}
