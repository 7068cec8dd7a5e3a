//! An envelope address as it stood between the angle brackets, and nothing changed in it.

use std::fmt;

/// The text between `<` and `>` of MAIL or RCPT (RFC 5321 section 4.1.2), kept as it came.
///
/// Always safe to put back on the wire: no control character, no space or `>` outside quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

/// Why a text is no address; the peer's fault, refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// No `>` outside quotes.
    #[error("unclosed address")]
    Unclosed,
    /// A control character, or a space outside quotes.
    #[error("forbidden character in address")]
    Character,
    /// Nothing where an address must be.
    #[error("missing address")]
    Missing,
}

impl Address {
    /// The null sender of notifications, `<>`.
    pub fn null() -> Self {
        Self(String::new())
    }

    /// An address from the text that goes between the brackets (empty for the null sender).
    ///
    /// # Errors
    /// When the text could not stand between brackets.
    pub fn new(text: &str) -> Result<Self, AddressFault> {
        let bracketed = format!("{text}>");
        match end_of_path(&bracketed)? {
            end if end == text.len() => Ok(Self(text.to_owned())),
            _ => Err(AddressFault::Character),
        }
    }

    /// Takes an address off the front of a command's argument; gives it and the rest of the argument.
    ///
    /// Takes an address without brackets too, up to the next space: old devices send them and Postfix takes them.
    ///
    /// # Errors
    /// When no address stands there.
    pub fn take(argument: &str) -> Result<(Self, &str), AddressFault> {
        let argument = argument.trim_start_matches(' ');
        if let Some(path) = argument.strip_prefix('<') {
            let end = end_of_path(path)?;
            return Ok((Self(path[..end].to_owned()), &path[end + 1..]));
        }
        let end = argument.find(' ').unwrap_or(argument.len());
        match &argument[..end] {
            "" => Err(AddressFault::Missing),
            bare => Ok((Self::new(bare)?, &argument[end..])),
        }
    }

    /// The text between the brackets, as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address without a source route (`@a,@b:user@c` gives `user@c`; RFC 5321 appendix C).
    pub fn mailbox(&self) -> &str {
        match self.0.strip_prefix('@').and_then(|route| route.split_once(':')) {
            Some((_, mailbox)) => mailbox,
            None => &self.0,
        }
    }

    /// Whether this is the null sender.
    pub fn is_null(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether only a far side with SMTPUTF8 may be given this address (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.0.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}>", self.0)
    }
}

/// Where the `>` stands that closes the path at the front of `text`.
fn end_of_path(text: &str) -> Result<usize, AddressFault> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        if character.is_control() {
            return Err(AddressFault::Character);
        }
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Ok(at),
            ' ' | '<' if !quoted => return Err(AddressFault::Character),
            _ => {}
        }
    }
    Err(AddressFault::Unclosed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<(String, String), AddressFault> {
        Address::take(text).map(|(address, rest)| (address.to_string(), rest.to_owned()))
    }

    #[test]
    fn addresses_are_kept_as_they_came() {
        for (text, address, rest) in [
            ("<a@example.com> SIZE=3", "<a@example.com>", " SIZE=3"),
            (" <a@example.com>", "<a@example.com>", ""),
            ("<>", "<>", ""),
            ("<Postmaster>", "<Postmaster>", ""),
            (r#"<"a> b\""@example.com> X"#, r#"<"a> b\""@example.com>"#, " X"),
            ("<@one.test,@two.test:A@Three.test>", "<@one.test,@two.test:A@Three.test>", ""),
            ("a@example.com BODY=7BIT", "<a@example.com>", " BODY=7BIT"),
            ("<\u{e9}@example.com>", "<\u{e9}@example.com>", ""),
        ] {
            assert_eq!(take(text), Ok((address.into(), rest.into())), "{text}");
        }
    }

    #[test]
    fn what_could_break_a_command_line_is_no_address() {
        for (text, fault) in [
            ("<a@b", AddressFault::Unclosed),
            ("<\"a@b>", AddressFault::Unclosed),
            ("<a\\", AddressFault::Unclosed),
            ("<a b@c>", AddressFault::Character),
            ("<a<b@c>", AddressFault::Character),
            ("<a\rb@c>", AddressFault::Character),
            ("<\"a\nb\"@c>", AddressFault::Character),
            ("", AddressFault::Missing),
            ("  ", AddressFault::Missing),
        ] {
            assert_eq!(take(text), Err(fault), "{text:?}");
        }
        for text in ["a> RCPT", "a>", "a b", "a\r\nQUIT", "\"a"] {
            assert!(Address::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_source_route_is_no_part_of_the_mailbox() {
        let mailbox = |text: &str| Address::new(text).map(|address| address.mailbox().to_owned());
        assert_eq!(mailbox("@a.test,@b.test:u@c.test"), Ok("u@c.test".into()));
        assert_eq!(mailbox("u@c.test"), Ok("u@c.test".into()));
        assert_eq!(mailbox("@strange"), Ok("@strange".into()));
    }
}
