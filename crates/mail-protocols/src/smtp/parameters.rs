//! What follows the address in MAIL and RCPT: kept as it came, read where a session must know it.

use std::fmt;

use super::extensions::Extensions;

/// The ESMTP parameters of one MAIL or RCPT, as one text (RFC 5321 section 4.1.1.11).
///
/// Always safe to put back on the wire: no control character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(String);

/// Why a text is no parameter list; the peer's fault, refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed parameter")]
pub struct ParameterFault;

/// What becomes of a parameter whose extension the far side does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The mail travels as well without it: leave it away and say so.
    Drop,
    /// The mail must not travel without it: refuse.
    Refuse,
}

impl Parameters {
    /// Parameters from the text behind an address.
    ///
    /// # Errors
    /// When a parameter has no keyword, or a character that no parameter may have.
    pub fn new(text: &str) -> Result<Self, ParameterFault> {
        let sound = |parameter: &str| {
            let (keyword, value) = split(parameter);
            keyword.starts_with(|first: char| first.is_ascii_alphanumeric())
                && keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && value != Some("")
        };
        let text = text.trim_matches(' ');
        let whole = !text.chars().any(char::is_control) && words(text).all(sound);
        if whole { Ok(Self(text.to_owned())) } else { Err(ParameterFault) }
    }

    /// The parameters as they came, without leading or trailing spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Keyword and value of each parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        words(&self.0).map(split)
    }

    /// The value of the first parameter of this name; `Some("")` for one without value.
    pub fn value(&self, keyword: &str) -> Option<&str> {
        let found = self.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword));
        found.map(|(_, value)| value.unwrap_or(""))
    }

    /// The declared size in bytes (RFC 1870), if declared.
    ///
    /// # Errors
    /// When the value is no number of at most twenty digits.
    pub fn size(&self) -> Result<Option<u64>, ParameterFault> {
        let Some(value) = self.value("SIZE") else { return Ok(None) };
        let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
        // Twenty digits may pass the range; such a mail is larger than any limit.
        if digits { Ok(Some(value.parse().unwrap_or(u64::MAX))) } else { Err(ParameterFault) }
    }

    /// Whether the sender asked for SMTPUTF8 (RFC 6531).
    pub fn smtputf8(&self) -> bool {
        self.value("SMTPUTF8").is_some()
    }

    /// The parameters that a far side with `extensions` understands, with the keywords left away and
    /// those that it would have to understand.
    pub fn fit(&self, extensions: &Extensions) -> Fitted {
        let mut fitted = Fitted::default();
        let mut kept = Vec::new();
        for word in words(&self.0) {
            let (keyword, value) = split(word);
            match missing(keyword, value, extensions) {
                None => kept.push(word),
                Some(Missing::Drop) => fitted.dropped.push(keyword.to_ascii_uppercase()),
                Some(Missing::Refuse) => fitted.refused.push(keyword.to_ascii_uppercase()),
            }
        }
        fitted.kept = Self(kept.join(" "));
        fitted
    }
}

impl fmt::Display for Parameters {
    /// With a leading space when there are any, ready to stand behind an address.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, " {}", self.0) }
    }
}

/// Parameters fitted to a far side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// What to send.
    pub kept: Parameters,
    /// Keywords left away; the mail may travel without.
    pub dropped: Vec<String>,
    /// Keywords without which the mail must not travel.
    pub refused: Vec<String>,
}

/// What to do with a parameter at a far side with `extensions`; `None` to pass it on.
///
/// Unknown keywords pass: whoever sent them knows better than we do, and the far side will answer.
fn missing(keyword: &str, value: Option<&str>, extensions: &Extensions) -> Option<Missing> {
    let (has, otherwise) = match keyword.to_ascii_uppercase().as_str() {
        "SIZE" => (extensions.size.is_some(), Missing::Drop),
        "BODY" if value.is_some_and(|body| body.eq_ignore_ascii_case("BINARYMIME")) => {
            (extensions.has("BINARYMIME"), Missing::Refuse)
        }
        "BODY" => (extensions.eight_bit_mime, Missing::Drop),
        "RET" | "ENVID" | "NOTIFY" | "ORCPT" => (extensions.dsn, Missing::Drop),
        "AUTH" => (extensions.has("AUTH"), Missing::Drop),
        "SMTPUTF8" => (extensions.smtputf8, Missing::Refuse),
        "REQUIRETLS" => (extensions.has("REQUIRETLS"), Missing::Refuse),
        _ => (true, Missing::Drop),
    };
    if has { None } else { Some(otherwise) }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn split(parameter: &str) -> (&str, Option<&str>) {
    match parameter.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (parameter, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_kept_as_they_came() {
        let text = "SIZE=12 body=8BITMIME X-New=a=b SMTPUTF8";
        let parameters = Parameters::new(&format!("  {text} ")).unwrap();
        assert_eq!(parameters.as_str(), text);
        assert_eq!(parameters.size(), Ok(Some(12)));
        assert_eq!(parameters.value("BODY"), Some("8BITMIME"));
        assert_eq!(parameters.value("x-new"), Some("a=b"));
        assert!(parameters.smtputf8());
        assert_eq!(parameters.value("RET"), None);
    }

    #[test]
    fn malformed_parameters_are_refused() {
        for text in ["=3", "SI ZE= 3", "A=\tb", "-a=b", "A\r\nRCPT", "a_b=1"] {
            assert_eq!(Parameters::new(text), Err(ParameterFault), "{text:?}");
        }
        for size in ["SIZE=x", "SIZE", "SIZE=-1", "SIZE=123456789012345678901"] {
            assert_eq!(Parameters::new(size).unwrap().size(), Err(ParameterFault), "{size}");
        }
        let twenty = Parameters::new("SIZE=99999999999999999999").unwrap();
        assert_eq!(twenty.size(), Ok(Some(u64::MAX)));
    }

    #[test]
    fn what_the_far_side_lacks_is_dropped_or_refused_by_meaning() {
        let text = "SIZE=1 BODY=8BITMIME RET=FULL ENVID=x AUTH=<> SMTPUTF8 REQUIRETLS X-Y=z";
        let parameters = Parameters::new(text).unwrap();
        let bare = parameters.fit(&Extensions::default());
        assert_eq!(bare.kept.as_str(), "X-Y=z");
        assert_eq!(bare.dropped, ["SIZE", "BODY", "RET", "ENVID", "AUTH"]);
        assert_eq!(bare.refused, ["SMTPUTF8", "REQUIRETLS"]);
        let all = Extensions {
            size: Some(0),
            eight_bit_mime: true,
            dsn: true,
            smtputf8: true,
            others: vec!["AUTH PLAIN".into(), "REQUIRETLS".into()],
            ..Extensions::default()
        };
        assert_eq!(parameters.fit(&all).kept, parameters);
        let binary = Parameters::new("BODY=BINARYMIME").unwrap();
        assert_eq!(binary.fit(&all).refused, ["BODY"]);
    }
}
