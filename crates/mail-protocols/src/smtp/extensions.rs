//! What the receiving side says it can do, in the reply to EHLO or LHLO: written by one side, learned by the other.

use super::client_facts::Attribute;
use super::reply::Reply;

/// Service extensions announced by a receiving side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 1870: the largest mail taken, in bytes; `Some(0)` when announced without a limit.
    pub size: Option<u64>,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// Attributes taken with XFORWARD (Postfix XFORWARD_README); empty when not announced.
    pub xforward: Vec<Attribute>,
    /// Attributes taken with XCLIENT (Postfix XCLIENT_README); empty when not announced.
    pub xclient: Vec<Attribute>,
    /// Any other line, as it came.
    pub others: Vec<String>,
}

impl Extensions {
    /// Learns from a positive reply to EHLO or LHLO; its first line names the server and is passed over.
    pub fn learn(reply: &Reply) -> Self {
        let mut learned = Self::default();
        for line in reply.lines().iter().skip(1) {
            learned.learn_line(line.trim());
        }
        learned
    }

    fn learn_line(&mut self, line: &str) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or("").to_ascii_uppercase();
        match keyword.as_str() {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => self.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
            "8BITMIME" => self.eight_bit_mime = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "DSN" => self.dsn = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "XFORWARD" => self.xforward = words.filter_map(Attribute::parse).collect(),
            "XCLIENT" => self.xclient = words.filter_map(Attribute::parse).collect(),
            "" => {}
            _ => self.others.push(line.to_owned()),
        }
    }

    /// Whether another extension of this name was announced.
    pub fn has(&self, keyword: &str) -> bool {
        let first = |line: &String| line.split([' ', '=']).next().unwrap_or("").to_owned();
        self.others.iter().any(|line| first(line).eq_ignore_ascii_case(keyword))
    }

    /// The lines to announce, without the one that names the server.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |announced: bool, line: &str| {
            if announced {
                lines.push(line.to_owned());
            }
        };
        say(self.pipelining, "PIPELINING");
        if let Some(size) = self.size {
            say(true, &format!("SIZE {size}"));
        }
        say(self.eight_bit_mime, "8BITMIME");
        say(self.enhanced_status_codes, "ENHANCEDSTATUSCODES");
        say(self.dsn, "DSN");
        say(self.smtputf8, "SMTPUTF8");
        say(!self.xforward.is_empty(), &format!("XFORWARD {}", names(&self.xforward)));
        say(!self.xclient.is_empty(), &format!("XCLIENT {}", names(&self.xclient)));
        for other in &self.others {
            say(true, other);
        }
        lines
    }
}

fn names(attributes: &[Attribute]) -> String {
    let names: Vec<&str> = attributes.iter().map(|attribute| attribute.name()).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::client_facts::XFORWARD_ATTRIBUTES;
    use super::*;

    #[test]
    fn what_one_side_announces_the_other_learns() {
        let announced = Extensions {
            pipelining: true,
            size: Some(1000),
            eight_bit_mime: true,
            enhanced_status_codes: true,
            dsn: true,
            smtputf8: true,
            xforward: XFORWARD_ATTRIBUTES.to_vec(),
            xclient: vec![Attribute::Name, Attribute::Addr],
            others: vec!["AUTH PLAIN LOGIN".into()],
        };
        let mut lines = vec!["mx.example.org".to_owned()];
        lines.extend(announced.lines());
        let reply = Reply::of_lines(250, lines);
        assert_eq!(Extensions::learn(&reply), announced);
        assert_eq!(Extensions::learn(&Reply::new(250, "mx")), Extensions::default());
    }

    #[test]
    fn keywords_are_read_whatever_their_case() {
        let lines = ["mx", "pipelining", "Size", "xforward name addr LATER", "AUTH=LOGIN", ""];
        let learned = Extensions::learn(&Reply::of_lines(250, lines.map(String::from).to_vec()));
        assert!(learned.pipelining && learned.has("auth") && !learned.has("AUT"));
        assert_eq!(learned.size, Some(0));
        assert_eq!(learned.xforward, [Attribute::Name, Attribute::Addr]);
    }
}
