//! `tamis`: every role and every tool of the mail scanner in one program.

use std::process::ExitCode;

use clap::Parser;
use tamis_runtime::exit::{self, Code, Failure};

mod bases;
mod check;
mod check_config;
mod cli;
mod explain;
mod inbox;
mod learn;
mod mails;
mod one_process;
mod probe;
mod records;
mod replay;
mod roles;
mod signature;
mod start;

use cli::{Cli, Command, Role};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is the caller's.
            let _ = error.print();
            return if error.use_stderr() { Code::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::finish("tamis", Err(Failure::software(error.to_string()))),
    };
    let done = runtime.block_on(run(cli.command.unwrap_or(Command::All(Role::default()))));
    // Threads that still read a hostile part must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(failure) => exit::finish("tamis", Err(failure)),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::All(role) => one_process::run(role).await?,
        Command::Edge(role) => roles::edge(role).await?,
        Command::Scanner(role) => roles::scanner(role).await?,
        Command::Reputation(role) => roles::reputation(role).await?,
        Command::Check(options) => return check::run(options).await,
        Command::Replay(options) => return replay::run(options).await,
        Command::Signature(options) => return signature::run(options).await,
        Command::Learn(options) => return learn::learn(options).await,
        Command::Unlearn(options) => return learn::unlearn(options).await,
        Command::Bases(options) => return bases::run(options).await,
        Command::Probe(options) => probe::run(&options)?,
        Command::CheckConfig { file } => check_config::run(&file)?,
    }
    Ok(ExitCode::SUCCESS)
}
