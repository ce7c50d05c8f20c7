//! Follows a run on a NATS server: its state, and every event that changes it.

use resus_bus::{client::Client, link::Link};
use resus_core::ids::{RunId, Slug};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(run)) = (args.next(), args.next()) else {
        return Err("usage: follow_run URL RUN".into());
    };
    let client = Client::connect(&Link::parse(&url)?, &Slug::new("default")?, "follow-run").await?;
    let mut watch = client.watch(&RunId::new(run)?).await?;
    loop {
        let update = watch.next().await?;
        let document = update.envelope.map_or_else(|| serde_json::to_value(&update.state), Ok)?;
        println!("{document}");
    }
}
