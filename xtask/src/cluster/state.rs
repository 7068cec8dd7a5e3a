//! What is written down of a running cluster, so that another command finds exactly its processes again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::health::Health;
use super::network::Network;
use super::process::Identity;

/// Name of the file below the folder of the cluster.
const FILE: &str = "state";
/// First line; another number where a later version writes otherwise.
const FORMAT: &str = "tamis-cluster\t1";

/// A process that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started {
    pub(super) name: String,
    pub(super) identity: Identity,
    /// Where it does its work.
    pub(super) address: String,
    pub(super) health: Health,
}

/// A cluster that was started and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Which run of the kernel the processes belong to: after another boot their numbers mean others.
    pub(super) boot: String,
    pub(super) network: Network,
    pub(super) binaries: PathBuf,
    pub(super) processes: Vec<Started>,
}

/// The present run of the kernel.
pub(super) fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).context(path)?.trim().to_owned())
}

impl State {
    /// What is written in `folder`; none if no cluster was started there since this machine did.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let state = Self::parse(&text).with_context(|| path.display().to_string())?;
        Ok((state.boot == boot()?).then_some(state))
    }

    /// Reads what `head` and `Started::line` wrote. A last line that was cut off counts as not written.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        if lines.next() != Some(FORMAT) {
            bail!("was written by another version");
        }
        let mut value = |name: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(name).and_then(|rest| rest.strip_prefix('\t')).map(str::to_owned)
        };
        let (boot, network, binaries) = (value("boot"), value("network"), value("binaries"));
        let network = Network::new(network.context("no network")?.parse().context("network")?)?;
        let mut processes = Vec::new();
        for line in lines {
            processes.push(Started::parse(line).with_context(|| format!("bad line: {line}"))?);
        }
        Ok(Self {
            boot: boot.context("no boot")?,
            network,
            binaries: binaries.context("no binaries")?.into(),
            processes,
        })
    }

    fn head(&self) -> String {
        let (network, binaries) = (self.network.number(), self.binaries.display());
        format!("{FORMAT}\nboot\t{}\nnetwork\t{network}\nbinaries\t{binaries}\n", self.boot)
    }

    /// The whole file.
    pub(super) fn text(&self) -> String {
        let mut text = self.head();
        text.extend(self.processes.iter().map(Started::line));
        text
    }

    /// Writes what there is.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        fs::write(&path, self.text()).with_context(|| path.display().to_string())
    }

    /// Adds a process, at once in the file too: whatever happens then, it is found again.
    pub(super) fn add(&mut self, folder: &Path, started: Started) -> Result<()> {
        let path = folder.join(FILE);
        let mut file = fs::File::options()
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let line = started.line();
        self.processes.push(started);
        file.write_all(line.as_bytes()).with_context(|| path.display().to_string())
    }

    /// Forgets a cluster that has ended.
    pub(super) fn remove(folder: &Path) -> Result<()> {
        match fs::remove_file(folder.join(FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Started {
    fn line(&self) -> String {
        let Identity { pid, start } = self.identity;
        format!("process\t{}\t{pid}\t{start}\t{}\t{}\n", self.name, self.address, self.health)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("process\t")?.split('\t');
        Some(Self {
            name: fields.next()?.to_owned(),
            identity: Identity {
                pid: fields.next()?.parse().ok()?,
                start: fields.next()?.parse().ok()?,
            },
            address: fields.next()?.to_owned(),
            health: Health::parse(fields.next()?)?,
        })
    }
}
