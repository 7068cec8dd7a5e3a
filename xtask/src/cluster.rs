//! A cluster on this one machine, of real programs with addresses of their own: `cargo xtask cluster up`.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::metadata::root;

use network::{MEMBERS_MAX, Network, Role};
use plan::{Given, Member, Plan, Settings, plan, scanner, scanner_file, scanner_targets};
use postfix::{DOMAIN, MAIL_PORT};
use process::{Identity, LOOK_AGAIN};
use state::{Started, State, boot};
use texts::PROMETHEUS_PORT;

mod health;
mod network;
mod plan;
mod postfix;
mod process;
mod state;
#[cfg(test)]
mod tests;
mod texts;

/// How long the processes of one stage may take until all are healthy: a debug build on a machine that builds, too.
const READY_MAX: Duration = Duration::from_secs(90);
/// The end of a log that is shown when its process fails.
const LOG_LINES_SHOWN: usize = 12;
/// In the folder of a cluster, and nowhere else: who holds it works there, and what stands beside it is ours to remove.
const MARK: &str = ".tamis-cluster";

/// What the command line says.
struct Options {
    folder: PathBuf,
    binaries: PathBuf,
    network: Network,
}

pub(crate) fn run(words: &[&str]) -> Result<()> {
    let Some((action, rest)) = words.split_first() else { return usage() };
    let options = options(rest)?;
    match *action {
        "up" => up(&options),
        "status" => status(&options.folder),
        "add-scanner" => add_scanner(&options.folder),
        "down" => down(&options.folder),
        _ => usage(),
    }
}

fn usage() -> Result<()> {
    bail!("cluster up|status|add-scanner|down [--folder DIR] [--binaries DIR] [--network N]")
}

fn options(words: &[&str]) -> Result<Options> {
    let (mut folder, mut binaries, mut number) = (None, None, network::DEFAULT);
    for pair in words.chunks(2) {
        let [name, value] = pair else { bail!("{} wants a value", pair[0]) };
        match *name {
            "--folder" => folder = Some(std::path::absolute(value)?),
            "--binaries" => binaries = Some(std::path::absolute(value)?),
            "--network" => number = value.parse().context("--network")?,
            _ => usage()?,
        }
    }
    let target = target()?;
    let built = |kind: &str| target.join(kind);
    let default = || {
        let has = |folder: &PathBuf| has_binaries(folder);
        [built("release"), built("debug")].into_iter().find(has).unwrap_or(built("release"))
    };
    Ok(Options {
        folder: folder.unwrap_or_else(|| target.join("cluster")),
        binaries: binaries.unwrap_or_else(default),
        network: Network::new(number)?,
    })
}

/// Where cargo builds: two above this program.
fn target() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("this program lies nowhere")?;
    Ok(folder.to_owned())
}

fn has_binaries(folder: &Path) -> bool {
    ["tamis", "tamis-edge"].iter().all(|name| folder.join(name).is_file())
}

/// Keeps other commands out of a folder until dropped.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(MARK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        bail!("another cluster command works in {}", folder.display());
    }
    Ok(file)
}

/// Makes the folder of a new cluster, in place of one that has ended.
fn take(folder: &Path) -> Result<File> {
    let place = || folder.display().to_string();
    make(folder)?;
    let is_ours = folder.join(MARK).exists();
    let is_empty = fs::read_dir(folder).with_context(place)?.next().is_none();
    if !is_ours && !is_empty {
        bail!("{} holds something else; name another --folder", folder.display());
    }
    let lock = lock(folder)?;
    let alive = alive(State::read(folder)?.as_ref());
    if alive > 0 {
        bail!(
            "a cluster runs in {} ({alive} processes); end it first: cargo xtask cluster down",
            folder.display()
        );
    }
    for entry in fs::read_dir(folder).with_context(place)?.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
            _ if entry.file_name() == MARK => Ok(()),
            _ => fs::remove_file(&path),
        }
        .with_context(|| path.display().to_string())?;
    }
    Ok(lock)
}

fn alive(state: Option<&State>) -> usize {
    let processes = state.map_or(&[][..], |state| &state.processes);
    processes.iter().filter(|one| one.identity.is_alive()).count()
}

/// Refuses what could not work, before anything is touched.
fn check(options: &Options) -> Result<()> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        bail!("Postfix and the hosts file of the edges want root");
    }
    if !has_binaries(&options.binaries) {
        bail!(
            "tamis and tamis-edge are not in {}: cargo build --release --workspace --bins, or name --binaries",
            options.binaries.display()
        );
    }
    Ok(())
}

fn up(options: &Options) -> Result<()> {
    check(options)?;
    let _lock = take(&options.folder)?;
    let workspace = root();
    let roots = Command::new(workspace.join("scripts/roots.sh")).arg("make").status();
    if !roots.context("scripts/roots.sh")?.success() {
        bail!("the roots of Postfix could not be made");
    }
    let rules = workspace.join("deploy/prometheus/rules.yaml");
    let rules = fs::read_to_string(&rules).with_context(|| rules.display().to_string())?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let settings = Settings {
        folder: options.folder.clone(),
        binaries: options.binaries.clone(),
        workspace,
        network: options.network,
    };
    let public_key = new_key(&settings)?;
    let given = Given { hosts: &hosts, rules: &rules, public_key: &public_key };
    let plan = plan(&settings, given);
    refuse_taken(plan.stages.iter().flatten())?;
    let mut state = State {
        boot: boot()?,
        network: options.network,
        binaries: options.binaries.clone(),
        processes: Vec::new(),
    };
    state.write(&options.folder)?;
    if let Err(error) = start_all(&settings, &plan, &mut state) {
        return Err(match end(&options.folder, &state) {
            Ok(_) => error,
            Err(also) => error.context(format!("{also:#}; run cargo xtask cluster down")),
        });
    }
    print_table(&state);
    print_first_steps(&settings);
    Ok(())
}

/// Makes the key that signs the bases of the first node, and gives its public half.
fn new_key(settings: &Settings) -> Result<String> {
    let home = settings.home("reputation-1");
    make(&home)?;
    let mut command = Command::new(settings.binaries.join("tamis"));
    let output = command.args(["bases", "keygen"]).arg(home.join("signing.key")).output();
    let output = output.context("tamis bases keygen")?;
    if !output.status.success() {
        bail!("tamis bases keygen: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// No two clusters, and no other program, at one address.
fn refuse_taken<'a>(mut members: impl Iterator<Item = &'a Member>) -> Result<()> {
    members.try_for_each(|member| {
        for address in [member.address, member.health.address()] {
            if let Err(error) = TcpListener::bind(address) {
                bail!(
                    "{} cannot listen on {address}: {error}; is another cluster there? (--network)",
                    member.name
                );
            }
        }
        Ok(())
    })
}

fn start_all(settings: &Settings, plan: &Plan, state: &mut State) -> Result<()> {
    for file in &plan.files {
        write(&settings.folder, file)?;
    }
    for folder in &plan.folders {
        make(&settings.folder.join(folder))?;
    }
    for stage in &plan.stages {
        for member in stage {
            start(settings, member, state)?;
        }
        wait_healthy(&settings.folder, stage, state)?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

fn write(folder: &Path, (path, text): &plan::File) -> Result<()> {
    let path = folder.join(path);
    let place = || path.display().to_string();
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    fs::write(&path, text).with_context(place)
}

fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join("log").join(format!("{name}.log"))
}

fn start(settings: &Settings, member: &Member, state: &mut State) -> Result<()> {
    let home = settings.home(&member.name);
    make(&settings.folder.join("log"))?;
    make(&home)?;
    let identity = process::start(member, &home, &log(&settings.folder, &member.name))?;
    let (name, address) = (member.name.clone(), member.address.to_string());
    let started = Started { name, identity, address, health: member.health.clone() };
    state.add(&settings.folder, started)
}

fn wait_healthy(folder: &Path, members: &[Member], state: &State) -> Result<()> {
    let end = Instant::now() + READY_MAX;
    let of = |member: &Member| state.processes.iter().find(|one| one.name == member.name);
    for started in members.iter().filter_map(of) {
        while let Err(said) = started.health.ask() {
            let is_alive = started.identity.is_alive();
            if !is_alive || Instant::now() >= end {
                let what = if is_alive { said } else { "ended at once".to_owned() };
                bail!("{}: {what}\n{}", started.name, tail(&log(folder, &started.name)));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
    Ok(())
}

/// The end of a log, with its name.
fn tail(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
    format!("{}:\n{shown}", path.display())
}

/// What a process is said to be in the table, and whether that is well.
fn health(started: &Started) -> (String, bool) {
    if !started.identity.is_alive() {
        return ("gone".to_owned(), false);
    }
    started.health.ask().map_or_else(|said| (said, false), |()| ("healthy".to_owned(), true))
}

/// Prints the table and gives how many are not healthy.
fn print_table(state: &State) -> usize {
    println!("{:<14} {:<22} {:>8}  HEALTH", "NAME", "ADDRESS", "PID");
    let mut ill = 0;
    for started in &state.processes {
        let (said, is_well) = health(started);
        ill += usize::from(!is_well);
        println!(
            "{:<14} {:<22} {:>8}  {said}",
            started.name, started.address, started.identity.pid
        );
    }
    ill
}

fn print_first_steps(settings: &Settings) {
    let network = settings.network;
    let (mx, prometheus) =
        (network.at(Role::Postfix, 1, MAIL_PORT), network.at(Role::Prometheus, 1, PROMETHEUS_PORT));
    println!("\nPrometheus:   http://{prometheus}/targets");
    println!(
        "a first mail: swaks --server {mx} --from ann@example.org --to bob@{DOMAIN} --helo client.example.org"
    );
    println!("it lands in:  {}", settings.home("sink").join("mails").display());
    println!("logs:         {}", settings.folder.join("log").display());
}

/// The cluster that runs in a folder.
fn running(folder: &Path) -> Result<State> {
    let none =
        || format!("no cluster runs in {}; cargo xtask cluster up starts one", folder.display());
    State::read(folder)?.with_context(none)
}

fn status(folder: &Path) -> Result<()> {
    let state = running(folder)?;
    let ill = print_table(&state);
    if ill > 0 {
        bail!("{ill} of {} are not healthy", state.processes.len());
    }
    Ok(())
}

/// One more scanner, found by the edges and by Prometheus as any that comes later.
fn add_scanner(folder: &Path) -> Result<()> {
    let mut state = running(folder)?;
    let _lock = lock(folder)?;
    let network = state.network;
    let (folder, binaries) = (folder.to_owned(), state.binaries.clone());
    let settings = Settings { folder, binaries, workspace: root(), network };
    let are_scanners = |one: &&Started| one.name.starts_with("scanner-");
    let number = state.processes.iter().filter(are_scanners).count() + 1;
    let number = u8::try_from(number).ok().filter(|number| *number <= MEMBERS_MAX);
    let number = number.context("there are as many scanners as there are addresses")?;
    let member = scanner(&settings, number);
    refuse_taken(std::iter::once(&member))?;
    write(&settings.folder, &scanner_file(&settings, number))?;
    start(&settings, &member, &mut state)?;
    wait_healthy(&settings.folder, std::slice::from_ref(&member), &state)?;
    write(&settings.folder, &scanner_targets(network, number))?;
    // In place: edges see this very file, not whatever has its name.
    let mut hosts = File::options().append(true).open(settings.folder.join("hosts"))?;
    std::io::Write::write_all(&mut hosts, texts::host_line(network, number).as_bytes())?;
    println!("{} listens on {}; edges find it within 5 s", member.name, member.address);
    Ok(())
}

fn down(folder: &Path) -> Result<()> {
    if !folder.join(MARK).exists() {
        println!("no cluster runs in {}", folder.display());
        return Ok(());
    }
    let _lock = lock(folder)?;
    let Some(state) = State::read(folder)? else {
        State::remove(folder)?;
        println!("no cluster runs in {}", folder.display());
        return Ok(());
    };
    let killed = end(folder, &state)?;
    let (count, log) = (state.processes.len(), folder.join("log"));
    println!("ended {count} processes, {killed} of them by force; logs: {}", log.display());
    Ok(())
}

/// Ends what was started; what is written down of it goes only when all of it is gone.
fn end(folder: &Path, state: &State) -> Result<usize> {
    let processes: Vec<Identity> = state.processes.iter().map(|one| one.identity).collect();
    let killed = process::end(&processes)?;
    State::remove(folder)?;
    Ok(killed)
}
