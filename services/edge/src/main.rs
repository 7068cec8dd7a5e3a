//! `tamis-edge`: the edge alone, without the judgement, as a sidecar of the MTA.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tamis_edge::config::{EdgeConfig, SECTION};
use tamis_edge::{Connector, EdgeParts, run};
use tamis_runtime::admin::{self, Readiness};
use tamis_runtime::config::{Document, environment};
use tamis_runtime::exit::{Failure, finish};
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::metrics::{Metrics, VERSION};
use tamis_runtime::probe::{self, Question};
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::telemetry::{Telemetry, TelemetryConfig};
use tamis_runtime::tls::{RenewalMetrics, TlsConfig};

/// Sections of the one file; those of other roles are theirs to read.
const SECTIONS: &[&str] =
    &["edge", "scanner", "policy", "reputation", "bases", "all", "telemetry", "tls"];

/// Holds mail beside the MTA, asks the scanners, applies what they decide.
#[derive(Debug, Parser)]
#[command(name = "tamis-edge", version = VERSION)]
struct Arguments {
    /// The configuration file; without one all defaults hold.
    #[arg(long, env = "TAMIS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to do; nothing said is to run.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a process on this machine how it is; exit status 0 if the answer is yes. Reads no configuration.
    Probe {
        /// What to ask.
        #[arg(value_enum)]
        what: Asked,
        /// Where.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9071")]
        at: ListenAddress,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Asked {
    /// Whether it runs; never depends on others.
    Live,
    /// Whether it can do its work.
    Ready,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Probe { what, at }) = &arguments.command {
        let question = match what {
            Asked::Live => Question::Live,
            Asked::Ready => Question::Ready,
        };
        let asked = probe::ask(at, question);
        return finish("tamis-edge", asked.map_err(|no| Failure::temporary(no.to_string(), "")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(serve(&arguments)),
        Err(error) => Err(Failure::software(error.to_string())),
    };
    finish("tamis-edge", result)
}

async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let document = Document::load(arguments.config.as_deref(), environment())?;
    document.refuse_unknown_sections(SECTIONS)?;
    let config = document.section::<EdgeConfig>(SECTION)?.check()?;
    let tls = document.section::<TlsConfig>("tls")?.load()?;
    let telemetry = document.section::<TelemetryConfig>("telemetry")?;
    let guard = Telemetry::start(&telemetry, "tamis-edge")?;
    let shutdown = Shutdown::new();
    let signals = shutdown.on_signals();
    signals.map_err(|error| Failure::software(format!("no signal handler: {error}")))?;
    let metrics = Metrics::new();
    guard.span_counts().register(&metrics);
    if let Some(tls) = &tls {
        tls.follow(RenewalMetrics::register(&metrics));
    }
    let readiness = Readiness::new(shutdown.clone());
    readiness.condition("edge");
    if !config.typed.admin.is_off() {
        let listener = Listener::bind(&config.typed.admin).await?;
        admin::serve(listener, metrics.clone(), readiness.clone());
    }
    let scanners = Connector::Addresses(tls);
    run(config, EdgeParts { scanners, metrics, readiness, shutdown }).await?;
    guard.shutdown().await;
    Ok(())
}
