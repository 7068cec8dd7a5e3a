//! Commands: one line in, one meaning out. Which of them may come when is the session's business.

use super::address::{Address, AddressFault};
use super::client_facts::{AttributeFault, ClientFacts, XCLIENT_ATTRIBUTES, XFORWARD_ATTRIBUTES};
use super::limits::HELLO_NAME_BYTES_MAX;
use super::parameters::{ParameterFault, Parameters};

/// Which greeting a client gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    /// Without extensions (RFC 5321 section 4.1.1.1).
    Helo,
    /// With extensions.
    Ehlo,
    /// LMTP (RFC 2033 section 4.1).
    Lhlo,
}

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO, EHLO or LHLO.
    Hello {
        /// Which.
        verb: HelloVerb,
        /// What the client calls itself.
        name: String,
    },
    /// MAIL FROM.
    Mail {
        /// The sender; null for notifications.
        from: Address,
        /// As they came.
        parameters: Parameters,
    },
    /// RCPT TO.
    Rcpt {
        /// The recipient, never null.
        to: Address,
        /// As they came.
        parameters: Parameters,
    },
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP, whatever its argument.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY or EXPN.
    Verify,
    /// HELP.
    Help,
    /// XFORWARD, read.
    Xforward(ClientFacts),
    /// XCLIENT, read.
    Xclient(ClientFacts),
    /// Known and not offered: STARTTLS, AUTH, TURN, ETRN.
    NotOffered,
    /// BDAT: mail content follows it at once, which is no command.
    Bdat,
    /// The first words of another protocol, such as a web request sent here by a browser.
    Foreign,
    /// Anything else.
    Unknown,
}

/// Why a line is no command; the peer's fault, refuse the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// Control characters, or bytes that are no UTF-8.
    #[error("forbidden character")]
    Character,
    /// An argument is missing, or one stands where none may.
    #[error("bad argument")]
    Argument,
    /// The address.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// The parameters behind the address.
    #[error(transparent)]
    Parameter(#[from] ParameterFault),
    /// The attributes of XFORWARD or XCLIENT.
    #[error(transparent)]
    Attribute(#[from] AttributeFault),
}

impl Command {
    /// Reads a line (without its CR LF).
    ///
    /// # Errors
    /// When a known command has an argument that it cannot have, or the line holds bytes that no command has.
    pub fn parse(line: &[u8]) -> Result<Self, CommandFault> {
        let text = std::str::from_utf8(line).map_err(|_| CommandFault::Character)?;
        if text.chars().any(|character| character.is_control() && character != '\t') {
            return Err(CommandFault::Character);
        }
        let text = text.trim_end_matches([' ', '\t']);
        let (verb, argument) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let argument = argument.trim_matches([' ', '\t']);
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => hello(HelloVerb::Helo, argument),
            "EHLO" => hello(HelloVerb::Ehlo, argument),
            "LHLO" => hello(HelloVerb::Lhlo, argument),
            "MAIL" => {
                let (from, parameters) = path(argument, "FROM:")?;
                Ok(Self::Mail { from, parameters })
            }
            "RCPT" => match path(argument, "TO:")? {
                (to, _) if to.is_null() => Err(AddressFault::Missing.into()),
                (to, parameters) => Ok(Self::Rcpt { to, parameters }),
            },
            "DATA" => alone(Self::Data, argument),
            "RSET" => alone(Self::Rset, argument),
            "QUIT" => alone(Self::Quit, argument),
            "NOOP" => Ok(Self::Noop),
            "HELP" => Ok(Self::Help),
            "VRFY" | "EXPN" if argument.is_empty() => Err(CommandFault::Argument),
            "VRFY" | "EXPN" => Ok(Self::Verify),
            "XFORWARD" => Ok(Self::Xforward(ClientFacts::parse(argument, &XFORWARD_ATTRIBUTES)?)),
            "XCLIENT" => Ok(Self::Xclient(ClientFacts::parse(argument, &XCLIENT_ATTRIBUTES)?)),
            "STARTTLS" | "AUTH" | "TURN" | "ETRN" => Ok(Self::NotOffered),
            "BDAT" => Ok(Self::Bdat),
            "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" => Ok(Self::Foreign),
            // A header line: a program that sends content where commands belong.
            _ if verb.ends_with(':') => Ok(Self::Foreign),
            _ => Ok(Self::Unknown),
        }
    }
}

fn hello(verb: HelloVerb, name: &str) -> Result<Command, CommandFault> {
    let sound = !name.is_empty() && name.len() <= HELLO_NAME_BYTES_MAX;
    if sound {
        Ok(Command::Hello { verb, name: name.to_owned() })
    } else {
        Err(CommandFault::Argument)
    }
}

fn alone(command: Command, argument: &str) -> Result<Command, CommandFault> {
    if argument.is_empty() { Ok(command) } else { Err(CommandFault::Argument) }
}

fn path(argument: &str, keyword: &str) -> Result<(Address, Parameters), CommandFault> {
    let rest = argument
        .get(..keyword.len())
        .filter(|head| head.eq_ignore_ascii_case(keyword))
        .map(|_| &argument[keyword.len()..])
        .ok_or(CommandFault::Argument)?;
    let (address, rest) = Address::take(rest)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(ParameterFault.into());
    }
    Ok((address, Parameters::new(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, CommandFault> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn mail_and_rcpt_keep_their_words() {
        let Ok(Command::Mail { from, parameters }) =
            parse("mail From: <A@Example.com> SIZE=5 X-a=B BODY=8BITMIME")
        else {
            panic!("no MAIL");
        };
        assert_eq!(from.as_str(), "A@Example.com");
        assert_eq!(parameters.as_str(), "SIZE=5 X-a=B BODY=8BITMIME");
        let Ok(Command::Rcpt { to, parameters }) =
            parse("RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b+2Bx@example.org  ")
        else {
            panic!("no RCPT");
        };
        assert_eq!(to.as_str(), "b@example.org");
        assert_eq!(parameters.as_str(), "NOTIFY=NEVER ORCPT=rfc822;b+2Bx@example.org");
    }

    #[test]
    fn verbs_are_read_whatever_their_case() {
        for (line, command) in [
            ("data", Command::Data),
            ("Quit ", Command::Quit),
            ("RSET", Command::Rset),
            ("noop anything at all", Command::Noop),
            ("HELP MAIL", Command::Help),
            ("VRFY bob", Command::Verify),
            ("STARTTLS", Command::NotOffered),
            ("AUTH PLAIN AAAA", Command::NotOffered),
            ("BDAT 12 LAST", Command::Bdat),
            ("GET / HTTP/1.1", Command::Foreign),
            ("Host: 127.0.0.1", Command::Foreign),
            ("WIZ", Command::Unknown),
            ("", Command::Unknown),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn bad_arguments_are_told_apart() {
        for (line, fault) in [
            ("EHLO", CommandFault::Argument),
            ("DATA now", CommandFault::Argument),
            ("MAIL <a@b>", CommandFault::Argument),
            ("MAIL FROM", CommandFault::Argument),
            ("MAIL FROM:", CommandFault::Address(AddressFault::Missing)),
            ("RCPT TO:<>", CommandFault::Address(AddressFault::Missing)),
            ("RCPT TO:<a@b", CommandFault::Address(AddressFault::Unclosed)),
            ("MAIL FROM:<a@b>SIZE=1", CommandFault::Parameter(ParameterFault)),
            ("MAIL FROM:<a@b> =1", CommandFault::Parameter(ParameterFault)),
            ("XFORWARD", CommandFault::Attribute(AttributeFault::Name)),
            ("XFORWARD LOGIN=x", CommandFault::Attribute(AttributeFault::Name)),
            ("XCLIENT ADDR=x", CommandFault::Attribute(AttributeFault::Value)),
            ("MAIL FROM:<a\0@b>", CommandFault::Character),
            ("VRFY", CommandFault::Argument),
        ] {
            assert_eq!(parse(line), Err(fault), "{line:?}");
        }
        assert_eq!(Command::parse(b"MAIL FROM:<\xe9@b>"), Err(CommandFault::Character));
    }

    #[test]
    fn a_name_of_the_limit_passes_and_one_byte_more_does_not() {
        let of = |bytes: usize| parse(&format!("EHLO {}", "h".repeat(bytes)));
        assert!(of(HELLO_NAME_BYTES_MAX).is_ok());
        assert_eq!(of(HELLO_NAME_BYTES_MAX + 1), Err(CommandFault::Argument));
    }
}
