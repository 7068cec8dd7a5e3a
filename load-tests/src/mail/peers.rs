//! Other makers' filters from Debian's packages, as they are meant to be run, without a name server like ours.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::doors::Way;
use super::load::Ways;
use super::model::Model;
use super::scenario::{Door, Scenario};
use super::wires::Wire;
use super::{Bench, Filter, Measured, Role, runtime, watched};
use crate::ending;
use crate::process::{Program, free_port, local};

/// Modules of rspamd that ask name servers or other hosts; ours has its own like them off.
const ASKS_FAR: [&str; 16] = [
    "rbl",
    "surbl",
    "spf",
    "dkim",
    "arc",
    "dmarc",
    "asn",
    "fuzzy_check",
    "url_redirector",
    "mx_check",
    "phishing",
    "greylist",
    "ratelimit",
    "dkim_signing",
    "rspamd_update",
    "bimi",
];
/// Mails that each of spamd's children judges before it is replaced; the usual 200 would lose their processor time.
const SPAMD_MAILS_EACH: &str = "1000000";

/// Longest wait for a program to settle.
const SETTLE_MAX: Duration = Duration::from_secs(40);
/// Time between two looks at it.
const SETTLE_LOOK: Duration = Duration::from_secs(2);
/// Share of a core below which it has settled.
const QUIET_SHARE: f64 = 0.05;

/// rspamd as shipped: proxy, worker, controller and Redis.
struct Rspamd {
    main: Program,
    redis: Program,
    proxy: u16,
    worker: u16,
    redis_port: u16,
}

impl Rspamd {
    fn start(folder: &Path, core: Option<usize>) -> Result<Self> {
        let [redis_port, worker, proxy, controller] =
            [free_port()?, free_port()?, free_port()?, free_port()?];
        let mut redis = Command::new("redis-server");
        redis.args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let mut redis = Program::start(redis, core, &folder.join("redis.log"))?;
        redis.wait_until(|| TcpStream::connect(local(redis_port)).is_ok())?;
        configure(folder, worker, proxy, controller, redis_port)?;
        let mut command = Command::new("rspamd");
        command.args(["-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/etc/rspamd/rspamd.conf"]);
        for name in ["LOCAL_CONFDIR", "RUNDIR", "LOGDIR"] {
            command.arg(format!("--var={name}={}", folder.display()));
        }
        // Kept for later runs: what it compiles of its rules takes it longer than a run lasts.
        let compiled = std::env::temp_dir().join("tamis-load-rspamd");
        fs::create_dir_all(&compiled)?;
        give_to("_rspamd", &compiled)?;
        command.arg(format!("--var=DBDIR={}", compiled.display()));
        let mut main = Program::start(command, core, &folder.join("rspamd.out"))?;
        main.wait_until(|| {
            [worker, proxy].iter().all(|port| TcpStream::connect(local(*port)).is_ok())
        })?;
        settled(&main)?;
        Ok(Self { main, redis, proxy, worker, redis_port })
    }
}

/// What differs from the package: ports, one worker for one core, and no questions to name servers or the maker's hosts.
fn configure(folder: &Path, worker: u16, proxy: u16, controller: u16, redis: u16) -> Result<()> {
    let local = folder.join("local.d");
    fs::create_dir_all(&local)?;
    let files = [
        ("worker-normal.inc", format!("bind_socket = \"127.0.0.1:{worker}\";\ncount = 1;\n")),
        (
            "worker-proxy.inc",
            format!(
                "bind_socket = \"127.0.0.1:{proxy}\";\ncount = 1;\n\
                 upstream \"local\" {{ default = yes; hosts = \"127.0.0.1:{worker}\"; }}\n"
            ),
        ),
        ("worker-controller.inc", format!("bind_socket = \"127.0.0.1:{controller}\";\n")),
        ("redis.conf", format!("servers = \"127.0.0.1:{redis}\";\n")),
        (
            "options.inc",
            "dns { nameserver = [\"127.0.0.1:53\"]; timeout = 0.01s; retransmits = 1; }\n"
                .to_owned(),
        ),
        ("logging.inc", "level = \"notice\";\n".to_owned()),
    ];
    for (name, text) in files {
        fs::write(local.join(name), text)?;
    }
    for module in ASKS_FAR {
        fs::write(local.join(format!("{module}.conf")), "enabled = false;\n")?;
    }
    give_to("_rspamd", folder)
}

/// Waits until a program does nothing more of its own: its rules are compiled, its maps are read.
fn settled(program: &Program) -> Result<()> {
    let began = Instant::now();
    let mut before = program.cpu_seconds()?;
    while began.elapsed() < SETTLE_MAX {
        ending::sleep_until(Instant::now() + SETTLE_LOOK)?;
        let now = program.cpu_seconds()?;
        if now - before < QUIET_SHARE * SETTLE_LOOK.as_secs_f64() {
            break;
        }
        before = now;
    }
    Ok(())
}

/// Makes a folder a user's own.
fn give_to(user: &str, folder: &Path) -> Result<()> {
    let id = |option: &str| -> Result<u32> {
        let said = Command::new("id").args([option, user]).output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.trim().parse().with_context(|| format!("no user {user}"))
    };
    let (uid, gid) = (id("-u")?, id("-g")?);
    chown(folder, Some(uid), Some(gid))?;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?)
}

/// The first line that a program says of its version.
fn version(program: &str) -> Result<String> {
    let said = Command::new(program).arg("--version").output();
    let said = said.with_context(|| format!("{program} is not installed (Debian package)"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

fn folder_of(bench: &Bench, name: &str) -> Result<PathBuf> {
    let folder = bench.folder.join(name);
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&bench.folder, fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// All doors of a scenario lead to the one of this filter.
fn one_way(scenario: &Scenario, way: &Way) -> Ways {
    scenario.doors.keys().map(|door: &Door| (*door, way.clone())).collect::<BTreeMap<_, _>>()
}

/// A scenario through rspamd, by milter.
///
/// # Errors
/// It is not installed, or does not start.
pub fn rspamd(
    bench: &Bench,
    scenario: &Scenario,
    model: &Arc<Model>,
    rate: f64,
) -> Result<Measured> {
    let name = version("rspamd")?.replace("daemon version ", "");
    let rspamd = Rspamd::start(&folder_of(bench, "rspamd")?, bench.filter_core())?;
    let ways = one_way(scenario, &Way::Milter(rspamd.proxy));
    let tcp = |name, port| Wire { name, protocol: "tcp", port };
    let ports = vec![tcp("proxy-worker", rspamd.worker), tcp("worker-redis", rspamd.redis_port)];
    let roles = vec![
        Role { name: "rspamd (proxy, worker, controller)", pid: rspamd.main.pid() },
        Role { name: "redis", pid: rspamd.redis.pid() },
    ];
    let runtime = runtime(bench)?;
    watched(bench, &runtime, Filter { name, roles, ports, ways: &ways }, (scenario, model, rate))
}

/// A scenario through SpamAssassin's daemon.
///
/// # Errors
/// It is not installed, or does not start.
pub fn spamassassin(
    bench: &Bench,
    scenario: &Scenario,
    model: &Arc<Model>,
    rate: f64,
) -> Result<Measured> {
    let name = version("spamd")?.replace(" Server version", "");
    let folder = folder_of(bench, "spamd")?;
    give_to("debian-spamd", &folder)?;
    let port = free_port()?;
    let mut command = Command::new("spamd");
    // Local tests alone; two children, so that one reads while the other judges.
    command.args(["-L", "-x", "-u", "debian-spamd", "-i", "127.0.0.1", "-A", "127.0.0.1"]);
    command.args(["--port", &port.to_string(), "-m", "2", "--min-children", "2"]);
    command.args(["--max-conn-per-child", SPAMD_MAILS_EACH, "-s", "stderr", "-H"]);
    command.arg(&folder);
    let mut spamd = Program::start(command, bench.filter_core(), &folder.join("log"))?;
    spamd.wait_until(|| TcpStream::connect(local(port)).is_ok())?;
    settled(&spamd)?;
    let ways = one_way(scenario, &Way::Spamd(port));
    let roles = vec![Role { name: "spamd", pid: spamd.pid() }];
    let runtime = runtime(bench)?;
    let filter = Filter { name, roles, ports: Vec::new(), ways: &ways };
    watched(bench, &runtime, filter, (scenario, model, rate))
}
