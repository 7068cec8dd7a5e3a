//! `tamis bases`: signed bases, by hand. Works on the directory; a running service notices.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tamis_reputation::bases;
use tamis_reputation::bases::config::Config;
use tamis_reputation::bases::directory::{Directory, Release};
use tamis_reputation::bases::error::BasesError;
use tamis_reputation::bases::publish::{self, Publication};
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;

use crate::cli::{Bases, BasesAction};
use crate::start::{self, Settings};

/// Exit status when there is nothing to tell of or nothing newer to pull.
const NOTHING: u8 = 2;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Does what was typed; exit status 2 when no bases are in force, or nothing newer was there to pull.
pub async fn run(options: Bases) -> Result<ExitCode, Failure> {
    let config = options.config.as_deref();
    match options.action {
        BasesAction::Keygen { file } => {
            tamis_runtime::say!("{}", publish::make_key(&file)?);
            Ok(ExitCode::SUCCESS)
        }
        BasesAction::Publish { dir, introduce, retire, valid_days } => {
            let valid_s = u64::from(valid_days) * SECONDS_PER_DAY;
            let publication = Publication {
                source: dir,
                introduce: keys(&introduce)?,
                retire: keys(&retire)?,
                valid_s,
            };
            let config = configured(config)?.1;
            let (directory, file) = (Directory::open(&config)?, signing_key_file(config)?);
            let key = publish::read_key(&file)?;
            let release = directory.publish(&publication, &key, clock::unix_seconds())?;
            tamis_runtime::say!("generation {} is in force here", release.generation());
            Ok(ExitCode::SUCCESS)
        }
        BasesAction::Pull => pull(config).await,
        BasesAction::Status => status(&configured(config)?.1),
        BasesAction::Rollback => {
            let config = configured(config)?.1;
            let is_signed_here = config.signing_key_file.is_some();
            let release = Directory::open(&config)?.roll_back()?;
            tamis_runtime::say!("generation {} is in force again", release.generation());
            if is_signed_here {
                tamis_runtime::say!(
                    "sites keep what they have, and the service here publishes nothing, until `tamis bases resume`"
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        BasesAction::Resume { valid_days } => {
            let config = configured(config)?.1;
            let (directory, file) = (Directory::open(&config)?, signing_key_file(config)?);
            let (key, valid_s) =
                (publish::read_key(&file)?, u64::from(valid_days) * SECONDS_PER_DAY);
            let release = directory.resume(&key, valid_s, clock::unix_seconds())?;
            tamis_runtime::say!("generation {} is in force here", release.generation());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn configured(path: Option<&Path>) -> Result<(Settings, Config), Failure> {
    let settings = start::settings(path)?;
    let Some(config) = settings.bases.clone() else {
        let advice = "Write a section [bases] with dir = \"...\" and name the file by --config.";
        return Err(Failure::configuration("[bases] names no directory", advice));
    };
    Ok((settings, config))
}

fn signing_key_file(config: Config) -> Result<PathBuf, Failure> {
    config.signing_key_file.ok_or_else(|| {
        Failure::configuration(
            "[bases] signing_key_file names no key to sign with",
            "Make one with `tamis bases keygen FILE`.",
        )
    })
}

fn keys<K: std::str::FromStr<Err: std::fmt::Display>>(texts: &[String]) -> Result<Vec<K>, Failure> {
    let key = |text: &String| {
        text.parse().map_err(|error| Failure::usage(format!("{text}: {error}"), ""))
    };
    texts.iter().map(key).collect()
}

async fn pull(config: Option<&Path>) -> Result<ExitCode, Failure> {
    let (settings, config) = configured(config)?;
    match bases::pull_once(config, &settings.tls).await? {
        Some(release) => {
            tamis_runtime::say!("generation {} is in force", release.generation());
            Ok(ExitCode::SUCCESS)
        }
        None => {
            tamis_runtime::say!("the upstream has nothing newer");
            Ok(ExitCode::from(NOTHING))
        }
    }
}

fn status(config: &Config) -> Result<ExitCode, Failure> {
    let directory = Directory::open(config)?;
    let now_s = clock::unix_seconds();
    let in_force = directory.in_force()?;
    match &in_force {
        None => tamis_runtime::say!("no bases are in force"),
        Some(release) => in_force_lines(release, now_s),
    }
    let kept: Vec<String> =
        directory.releases()?.iter().map(|(generation, _)| generation.to_string()).collect();
    tamis_runtime::say!(
        "on disk      {}",
        if kept.is_empty() { "nothing".to_owned() } else { kept.join(" ") }
    );
    match directory.taken_back()? {
        0 => {}
        highest => tamis_runtime::say!(
            "taken back   up to generation {highest}: only newer ones are taken"
        ),
    }
    if config.signing_key_file.is_some()
        && let Err(held @ BasesError::Held { .. }) = directory.not_held()
    {
        tamis_runtime::say!("held         {held}");
    }
    if let Some((at_s, words)) = directory.last_refusal() {
        tamis_runtime::say!("refused      {} s ago: {words}", now_s.saturating_sub(at_s));
    }
    Ok(if in_force.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NOTHING) })
}

fn in_force_lines(release: &Release, now_s: u64) {
    let manifest = &release.signed.manifest;
    tamis_runtime::say!("channel      {}", manifest.channel);
    tamis_runtime::say!("generation   {}, after {}", manifest.generation, manifest.previous);
    tamis_runtime::say!("signed by    {}", release.signed.signer);
    tamis_runtime::say!("age          {} s", now_s.saturating_sub(manifest.created_unix_s));
    match manifest.not_after_unix_s.checked_sub(now_s) {
        Some(left_s) => {
            tamis_runtime::say!("good for     {left_s} s more; in force until a newer one comes")
        }
        None => tamis_runtime::say!(
            "good for     no new site any more; in force until a newer one comes"
        ),
    }
    for endorsed in &manifest.keys {
        tamis_runtime::say!("may sign     {} (id {})", endorsed.key, endorsed.key.id());
    }
    for key in &manifest.retired {
        tamis_runtime::say!("may not sign {key}");
    }
    for file in &manifest.files {
        tamis_runtime::say!("file         {} {} bytes", file.name, file.bytes);
    }
    tamis_runtime::say!("directory    {}", release.dir.display());
}
