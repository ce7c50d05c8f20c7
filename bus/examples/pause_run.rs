//! Pauses a run through a NATS server.

use resus_bus::{client::Client, link::Link};
use resus_core::ids::{RunId, Slug};
use resus_core::input::Verb;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(run)) = (args.next(), args.next()) else {
        return Err("usage: pause_run URL RUN".into());
    };
    let client = Client::connect(&Link::parse(&url)?, &Slug::new("default")?, "pause-run").await?;
    let reply = client.command(&RunId::new(run)?, Verb::Pause).await?;
    println!("{}", serde_json::to_string(&reply)?);
    Ok(())
}
