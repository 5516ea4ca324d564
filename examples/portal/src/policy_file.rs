//! The configuration file changes under a running portal, or a template of its mails: policy, templates and transport come
//! into force, whole or not at all.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use doorwarden::{Configuration, Engine};

use crate::server::reached_at;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// More files than there are templates aren't looked at.
const MOST_FILES: usize = 1_000;

/// Looks at the files every second; a bad one keeps the old policy, templates and transport and says why.
pub(crate) async fn watch(file: PathBuf, templates: Option<PathBuf>, address: SocketAddr, engine: Engine) {
    let mut templates = templates;
    let mut seen = stamps(&file, templates.as_deref());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = stamps(&file, templates.as_deref());
        if now == seen {
            continue;
        }
        seen = now;
        match reload(&file, address, &engine).await {
            Ok(folder) => {
                if folder != templates {
                    templates = folder;
                    seen = stamps(&file, templates.as_deref());
                }
                println!("{}: the new policy is in force", file.display());
            }
            Err(why) => eprintln!("{}: the old policy stays in force: {why}", file.display()),
        }
    }
}

/// Puts the file in force; the folder of its templates.
async fn reload(
    file: &Path,
    address: SocketAddr,
    engine: &Engine,
) -> Result<Option<PathBuf>, Box<dyn std::error::Error>> {
    let configuration = reached_at(Configuration::load(file)?, address);
    configuration.put_in_force(engine).await?;
    Ok(configuration.mail_templates_folder())
}

/// What shows that a file is another than it was.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

fn stamps(file: &Path, templates: Option<&Path>) -> Vec<Stamp> {
    let templates = templates.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut templates: Vec<_> = templates.flatten().take(MOST_FILES).map(|entry| stamp(entry.path())).collect();
    templates.sort();
    templates.push(stamp(file.to_owned()));
    templates
}

fn stamp(file: PathBuf) -> Stamp {
    let metadata = std::fs::metadata(&file).ok();
    let changed = metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
    (file, changed)
}
