//! Settings from the environment.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::ConfigError;

/// What every variable of ours begins with.
const PREFIX: &str = "TAMIS_";
/// What stands between section and key; one underscore is part of many keys.
const SEPARATOR: &str = "__";
/// Variables that the command line reads itself.
const OF_THE_COMMAND_LINE: &[&str] = &["TAMIS_CONFIG"];
/// The deepest key, section included: the policy's tables are four deep.
const DEPTH_MAX: usize = 8;

/// One variable that changes one setting.
#[derive(Debug)]
pub(super) struct Override {
    variable: String,
    path: Vec<String>,
    text: String,
}

/// The overrides among `env`, in the order of their names, so that the result does not depend on the system's order.
pub(super) fn among(
    env: impl Iterator<Item = (String, String)>,
) -> Result<Vec<Override>, ConfigError> {
    let mut found = Vec::new();
    for (variable, text) in env {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        if OF_THE_COMMAND_LINE.contains(&variable.as_str()) || is_service_link(rest) {
            continue;
        }
        let path = path_of(rest)
            .map_err(|why| ConfigError::UnknownVariable { name: variable.clone(), why })?;
        found.push(Override { variable, path, text });
    }
    found.sort_by(|one, other| one.variable.cmp(&other.variable));
    Ok(found)
}

fn path_of(rest: &str) -> Result<Vec<String>, &'static str> {
    let path: Vec<String> = rest.split(SEPARATOR).map(str::to_lowercase).collect();
    if path.len() < 2 {
        return Err("it names no section and key");
    }
    if path.len() > DEPTH_MAX {
        return Err("it is too deep");
    }
    if path.iter().any(String::is_empty) {
        return Err("a section or key is empty");
    }
    Ok(path)
}

/// Kubernetes puts variables for every service of a namespace into every pod: a service `tamis-scanner` gives
/// `TAMIS_SCANNER_SERVICE_HOST`, `TAMIS_SCANNER_PORT` and `TAMIS_SCANNER_PORT_7062_TCP_ADDR`. They are no settings,
/// and refusing them would keep every pod from starting.
fn is_service_link(rest: &str) -> bool {
    if rest.contains(SEPARATOR) {
        return false;
    }
    let rest = format!("_{rest}");
    let tail_of = |mark: &str| rest.find(mark).map(|at| &rest[at + mark.len()..]);
    let named_port = tail_of("_SERVICE_PORT").is_some_and(|t| t.is_empty() || t.starts_with('_'));
    let numbered_port = tail_of("_PORT_").is_some_and(|tail| {
        let number = tail.split('_').next().unwrap_or_default();
        let protocol = tail.split('_').nth(1).unwrap_or_default();
        number.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
    });
    rest.ends_with("_SERVICE_HOST") || rest.ends_with("_PORT") || named_port || numbered_port
}

impl Override {
    /// The variable, and the key it sets, section first.
    pub(super) fn name_and_key(&self) -> (String, Vec<String>) {
        (self.variable.clone(), self.path.clone())
    }

    /// Lays this setting over `table`; everything it adds carries `span`, so that errors lead back to the variable.
    pub(super) fn apply<'a>(
        &'a self,
        table: &mut DeTable<'a>,
        span: Range<usize>,
    ) -> Result<(), ConfigError> {
        let Some((key, tables)) = self.path.split_last() else { return Ok(()) };
        let mut table = table;
        for name in tables {
            if !table.contains_key(name.as_str()) {
                let empty = DeValue::Table(DeTable::new());
                table.insert(named(name, &span), Spanned::new(span.clone(), empty));
            }
            table = match table.get_mut(name.as_str()).map(Spanned::get_mut) {
                Some(DeValue::Table(inner)) => inner,
                _ => {
                    return Err(ConfigError::UnknownVariable {
                        name: self.variable.clone(),
                        why: "it goes into a setting that is no table; lists are given whole",
                    });
                }
            };
        }
        let value = match DeValue::parse(&self.text) {
            Ok(value) => moved(value.into_inner(), &span),
            Err(_) => Spanned::new(span.clone(), DeValue::String(Cow::Borrowed(&self.text))),
        };
        // Removed first: a map keeps the old key, and with it the old place.
        table.remove(key.as_str());
        table.insert(named(key, &span), value);
        Ok(())
    }
}

fn named<'a>(name: &'a str, span: &Range<usize>) -> Spanned<Cow<'a, str>> {
    Spanned::new(span.clone(), Cow::Borrowed(name))
}

/// The same value with every span replaced.
fn moved<'a>(value: DeValue<'a>, span: &Range<usize>) -> Spanned<DeValue<'a>> {
    let value = match value {
        DeValue::Array(items) => {
            let mut array = DeArray::new();
            items.iter().for_each(|item| array.push(moved(item.get_ref().clone(), span)));
            DeValue::Array(array)
        }
        DeValue::Table(entries) => DeValue::Table(
            entries
                .into_iter()
                .map(|(key, value)| {
                    (Spanned::new(span.clone(), key.into_inner()), moved(value.into_inner(), span))
                })
                .collect(),
        ),
        scalar => scalar,
    };
    Spanned::new(span.clone(), value)
}
