//! The configuration file changes under a running portal: its policy comes into force, whole or not at all.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use doorwarden::{Configuration, Engine};

use crate::server::reached_at;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the file every second; a bad one keeps the old policy and says why.
pub(crate) async fn watch(file: PathBuf, address: SocketAddr, engine: Engine) {
    let mut seen = changed_at(&file);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed_at(&file);
        if now == seen {
            continue;
        }
        seen = now;
        match reload(&file, address, &engine).await {
            Ok(()) => println!("{}: the new policy is in force", file.display()),
            Err(why) => eprintln!("{}: the old policy stays in force: {why}", file.display()),
        }
    }
}

async fn reload(file: &Path, address: SocketAddr, engine: &Engine) -> Result<(), Box<dyn std::error::Error>> {
    let configuration = reached_at(Configuration::load(file)?, address);
    let templates = configuration.mail_templates()?;
    engine.set_policy(configuration.policy()).await?;
    engine.set_mail_templates(templates);
    Ok(())
}

fn changed_at(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
