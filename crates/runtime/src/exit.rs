//! How a program ends: whose fault, what next, and the exit code that mail transfer agents and supervisors read.
//!
//! The codes are those of BSD `sysexits.h`: Postfix and sendmail retry after 75 and give up after the others.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::listen::BindError;
use crate::telemetry::TelemetryError;

/// An exit code of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// `EX_OK`: all went well.
    Success = 0,
    /// `EX_USAGE`: the command line is wrong.
    Usage = 64,
    /// `EX_UNAVAILABLE`: a service or a resource is not there, and waiting will not help.
    Unavailable = 69,
    /// `EX_SOFTWARE`: a fault of ours.
    Software = 70,
    /// `EX_TEMPFAIL`: try again later.
    TryAgain = 75,
    /// `EX_CONFIG`: the configuration is wrong.
    Configuration = 78,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Who typed the command.
    Caller,
    /// Who wrote the configuration.
    Configuration,
    /// Another service, or the machine: a port in use, a server away.
    Upstream,
    /// Our own code.
    Ours,
}

/// What the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Correct what was written, then start again.
    Correct,
    /// The same thing later may work.
    Retry,
    /// Neither will help.
    GiveUp,
}

/// Why a program ends before its time. Made in `main` and at start-up only.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// What to do next.
    pub next: Next,
    /// What happened, for a person.
    pub what: String,
    /// What that person can do about it; may be empty.
    pub advice: String,
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Blame::Caller, Next::Correct, what, advice)
    }

    /// The configuration is wrong.
    pub fn configuration(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Blame::Configuration, Next::Correct, what, advice)
    }

    /// Something that we need is not there, and trying again soon will not help.
    pub fn unavailable(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Blame::Upstream, Next::GiveUp, what, advice)
    }

    /// Something that we need is not there now.
    pub fn temporary(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Blame::Upstream, Next::Retry, what, advice)
    }

    /// A fault of ours.
    pub fn software(what: impl Into<String>) -> Self {
        Self::new(
            Blame::Ours,
            Next::GiveUp,
            what,
            "This is a fault of the program: please report it.",
        )
    }

    /// A failure of any kind.
    pub fn new(
        blame: Blame,
        next: Next,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { blame, next, what: what.into(), advice: advice.into() }
    }

    /// The exit code: *retry later* is always 75, else the one who is to blame decides.
    pub fn code(&self) -> Code {
        match (self.next, self.blame) {
            (Next::Retry, _) => Code::TryAgain,
            (_, Blame::Caller) => Code::Usage,
            (_, Blame::Configuration) => Code::Configuration,
            (_, Blame::Upstream) => Code::Unavailable,
            (_, Blame::Ours) => Code::Software,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.advice) }
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let advice = error.advice();
        Self::configuration(error.to_string(), advice)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let advice = error.advice();
        Self::unavailable(error.to_string(), advice)
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Level { .. } => Self::configuration(
                error.to_string(),
                "Write off, error, warn, info, debug or trace, or directives such as \"info,tamis_edge=debug\".",
            ),
            TelemetryError::AlreadyStarted => Self::software(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// Finds the typed error at the root of a chain; what carries none is a fault of ours.
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Failure>() {
            Ok(failure) => return failure,
            Err(error) => error,
        };
        let error = match error.downcast::<ConfigError>() {
            Ok(config) => return config.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<BindError>() {
            Ok(bind) => return bind.into(),
            Err(error) => error,
        };
        match error.downcast::<TelemetryError>() {
            Ok(telemetry) => telemetry.into(),
            Err(error) => Self::software(format!("{error:#}")),
        }
    }
}

/// The last line of a `main`: says on standard error why `program` failed, and gives its exit code.
/// A plain line and not a log event, for it must be seen even where telemetry could not start.
pub fn finish(program: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => Code::Success.into(),
        Err(failure) => {
            // Standard error may be closed; the code must get out all the same.
            let _ = writeln!(std::io::stderr(), "{program}: {failure}");
            failure.code().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_ends_with_the_code_that_an_mta_understands() {
        let table = [
            (Failure::usage("no file", ""), 64),
            (Failure::unavailable("port in use", ""), 69),
            (Failure::software("table is empty"), 70),
            (Failure::temporary("server away", ""), 75),
            (Failure::configuration("unknown key", ""), 78),
            (Failure::new(Blame::Ours, Next::Retry, "out of memory", ""), 75),
        ];
        for (failure, code) in table {
            assert_eq!(failure.code() as u8, code, "{failure}");
        }
    }

    #[test]
    fn a_typed_error_inside_a_chain_keeps_its_code() {
        let inner = anyhow::Error::from(Failure::temporary("server away", "wait"));
        assert_eq!(Failure::from(inner.context("while starting")).code(), Code::TryAgain);
        assert_eq!(Failure::from(anyhow::anyhow!("surprise")).code(), Code::Software);
    }

    #[test]
    fn advice_stands_on_its_own_line_and_is_left_out_when_empty() {
        assert_eq!(Failure::usage("a", "b").to_string(), "a\n  b");
        assert_eq!(Failure::usage("a", "").to_string(), "a");
    }
}
