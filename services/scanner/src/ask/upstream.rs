//! What a border server of the same site found out: `Authentication-Results` (RFC 8601), believed only if configured.
//!
//! Anybody can write such a field. So it counts only with a name that the administrator gave, only above the hops that
//! the administrator trusts to have added a Received, and only the topmost ones that no Received parts: several filters
//! of one server write one each. What stands below came with the mail.

use tamis_domain::authentication::{
    Authentication, Dkim, DkimResult, Dmarc, DmarcPolicy, DmarcResult, Spf, SpfResult,
};
use tamis_domain::envelope::domain_of;
use tamis_message::fields::{RawField, fields, unfold};

/// Results of one mail that are read.
const RESULTS_MAX: usize = 32;

/// Whose results are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Names of border servers (`authserv-id`), in lower case.
    pub ids: Vec<String>,
    /// Received fields that may stand above theirs.
    pub hops: usize,
}

impl Upstream {
    /// What the border server found, if it is one of those that are believed. `header`: the raw header block.
    ///
    /// Its name is compared with the bytes as they stand: a border server takes out forged fields that bear its name, and
    /// recognises none whose name only appears once words are decoded or comments are taken out.
    #[must_use]
    pub fn read(&self, header: &[u8]) -> Option<Authentication> {
        let (mut hops, mut left) = (0, RESULTS_MAX);
        let mut found: Option<Authentication> = None;
        for field in fields(header) {
            if field.is("Received") {
                hops += 1;
                if found.is_some() || hops > self.hops {
                    break;
                }
            }
            let Some((id, rest)) = own_words(&field) else { continue };
            let is_same = found.as_ref().is_none_or(|it| it.upstream.as_ref() == Some(&id));
            if is_same && self.ids.contains(&id) {
                let Some(parts) = parts(&rest) else { continue };
                let found = found.get_or_insert_with(Authentication::default);
                found.upstream = Some(id);
                left -= results(parts.iter().take(left), found);
            }
        }
        found
    }
}

/// What a sealer says that it found: the results of an `ARC-Authentication-Results` field (RFC 8617 section 4.1.1), behind
/// its instance and its name. `None`: they cannot be read.
pub(super) fn sealed(value: &[u8]) -> Option<Authentication> {
    let flat = String::from_utf8(unfold(value)).ok()?;
    let mut found = Authentication::default();
    results(parts(&flat)?.iter().skip(1).take(RESULTS_MAX), &mut found);
    Some(found)
}

/// The first word of such a field, in lower case, and what stands behind it.
fn own_words(field: &RawField<'_>) -> Option<(String, String)> {
    let is_plain = field.raw.get(field.name.len()) == Some(&b':');
    let bare_return = field.value.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
    if !field.is("Authentication-Results") || !is_plain || bare_return {
        return None;
    }
    let flat = String::from_utf8(unfold(field.value)).ok()?;
    let end = flat.find(|c: char| c == ';' || c.is_ascii_whitespace()).unwrap_or(flat.len());
    let (id, rest) = flat.split_at(end);
    Some((id.to_ascii_lowercase(), rest.to_owned()))
}

/// The results of one field, and how many there were. Of each method the topmost field that has it counts.
fn results<'a>(parts: impl Iterator<Item = &'a Words>, found: &mut Authentication) -> usize {
    let mut said = Authentication::default();
    let count = parts.inspect(|part| result(part, &mut said)).count();
    found.spf = found.spf.take().or(said.spf);
    if found.dkim.is_empty() {
        found.dkim = said.dkim;
    }
    if found.dmarc == Dmarc::default() {
        found.dmarc = said.dmarc;
    }
    count
}

/// One `method=result` with its properties.
fn result(part: &Words, found: &mut Authentication) {
    let mut words = part.iter().filter_map(|word| word.split_once('='));
    let Some((method, result)) = words.next() else { return };
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let result = result.to_ascii_lowercase();
    let words: Vec<(&str, &str)> = words.collect();
    let property = |name: &str| {
        let value = words.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.map_or("", |(_, value)| unquoted(value))
    };
    match method.as_str() {
        "spf" => {
            let known = SpfResult::ALL.into_iter().find(|known| known.word() == result);
            let of = [property("smtp.mailfrom"), property("smtp.helo")];
            let of = of.into_iter().find(|of| !of.is_empty()).unwrap_or_default();
            found.spf = known.map(|result| Spf { result, domain: domain(of) });
        }
        "dkim" => {
            let of = [property("header.d"), property("header.i")];
            let of = of.into_iter().find(|of| !of.is_empty()).unwrap_or_default();
            let result = match result.as_str() {
                "pass" => DkimResult::Pass,
                "fail" => DkimResult::Broken,
                "temperror" => DkimResult::Unknown,
                "permerror" | "neutral" | "policy" => DkimResult::Unusable,
                _ => return,
            };
            found.dkim.push(Dkim { domain: domain(of), result });
        }
        "dmarc" => {
            let result = match result.as_str() {
                "pass" => DmarcResult::Pass,
                "fail" => DmarcResult::Fail,
                "temperror" => DmarcResult::Unknown,
                _ => DmarcResult::None,
            };
            let policy = match property("policy.dmarc").to_ascii_lowercase().as_str() {
                "reject" => DmarcPolicy::Reject,
                "quarantine" => DmarcPolicy::Quarantine,
                _ => DmarcPolicy::None,
            };
            found.dmarc = Dmarc { result, policy, domain: domain(property("header.from")) };
        }
        _ => {}
    }
}

/// The domain of an address, or a domain alone; empty if it ends within quotes.
fn domain(value: &str) -> String {
    let domain = domain_of(value);
    let domain = if domain.is_empty() { value } else { domain };
    if domain.contains('"') { String::new() } else { domain.to_ascii_lowercase() }
}

/// What stands in the quotes, if all of it does.
fn unquoted(value: &str) -> &str {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inside.filter(|inside| !inside.replace("\\\"", "").contains('"')).unwrap_or(value)
}

/// Words of one result. Quotes are left in.
type Words = Vec<String>;

/// What stands between semicolons, in words, without comments, nested ones included (RFC 5322 sections 3.2.2 and 3.2.4). The
/// first part is what follows the name. `None`: a quote or a comment does not end, so nobody knows what was meant.
fn parts(text: &str) -> Option<Vec<Words>> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    let mut parts: Vec<Words> = Vec::new();
    let (mut words, mut word) = (Words::new(), String::new());
    for c in text.chars() {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match c {
            '\\' if !was_escaped && (is_quoted || depth > 0) => is_escaped = true,
            '"' if !was_escaped && depth == 0 => is_quoted = !is_quoted,
            '(' if !was_escaped && !is_quoted => depth += 1,
            ')' if !was_escaped && depth > 0 => {
                depth -= 1;
                continue;
            }
            _ => {}
        }
        let is_blank = c.is_ascii_whitespace() || depth > 0;
        if !is_quoted && (is_blank || c == ';') {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if depth == 0 && c == ';' {
                parts.push(std::mem::take(&mut words));
            }
        } else {
            word.push(c);
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    parts.push(words);
    (!is_quoted && depth == 0).then(|| parts.split_off(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)], hops: usize) -> Option<Authentication> {
        let lines: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Upstream { ids: vec!["mx.example.org".to_owned()], hops }.read(lines.concat().as_bytes())
    }

    const RECEIVED: (&str, &str) = ("Received", "from a by b");
    const FAIL: (&str, &str) = (
        "Authentication-Results",
        "MX.example.org 1; spf=fail (not (even) allowed; really) smtp.mailfrom=a@bad.example; \
         dkim=pass header.d=Good.example; dmarc=fail (p=reject) header.from=bad.example policy.dmarc=reject",
    );
    const PASS: (&str, &str) =
        ("Authentication-Results", "mx.example.org; dmarc=pass header.from=bad.example");

    #[test]
    fn results_of_a_trusted_server_are_read() {
        let found = read(&[FAIL], 1).unwrap();
        assert_eq!(found.upstream.as_deref(), Some("mx.example.org"));
        let spf = Spf { result: SpfResult::Fail, domain: "bad.example".into() };
        assert_eq!(found.spf, Some(spf));
        let pass = Dkim { domain: "good.example".into(), result: DkimResult::Pass };
        assert_eq!(found.dkim, [pass]);
        assert_eq!(
            (found.dmarc.result, found.dmarc.policy),
            (DmarcResult::Fail, DmarcPolicy::Reject)
        );
    }

    #[test]
    fn several_filters_of_one_server_write_a_field_each() {
        const SPF: (&str, &str) =
            ("Authentication-Results", "mx.example.org; spf=pass smtp.mailfrom=a@good.example");
        let found = read(&[PASS, SPF, FAIL], 1).unwrap();
        assert_eq!(found.dmarc.result, DmarcResult::Pass, "the upper field's");
        assert_eq!(found.spf.map(|spf| spf.result), Some(SpfResult::Pass), "the second one's");
        assert_eq!(found.dkim.len(), 1, "the third one's");
        let below = read(&[PASS, RECEIVED, SPF], 1).unwrap();
        assert_eq!(below.spf, None, "it came with the mail");
    }

    #[test]
    fn results_are_read_up_to_n() {
        let many = |before: usize| {
            let text = format!("mx.example.org{}; dmarc=pass", "; x=y".repeat(before));
            read(&[("Authentication-Results", &text)], 1).unwrap().dmarc.result
        };
        assert_eq!(many(RESULTS_MAX - 1), DmarcResult::Pass, "at the limit");
        assert_eq!(many(RESULTS_MAX), DmarcResult::None, "past the limit");
    }

    #[test]
    fn what_a_sender_wrote_himself_is_not_believed() {
        assert_eq!(read(&[FAIL, RECEIVED, PASS], 1), read(&[FAIL], 1), "the topmost one counts");
        assert!(read(&[RECEIVED, PASS], 1).is_some(), "behind as many hops as are trusted");
        assert_eq!(read(&[RECEIVED, RECEIVED, PASS], 1), None, "and not behind one more");
        let stranger = ("Authentication-Results", "mx.example.com; dmarc=pass");
        assert_eq!(read(&[stranger], 1), None, "another name");
        let hidden = ("Authentication-Results", "(mx.example.org;) x; dmarc=pass");
        assert_eq!(read(&[hidden], 1), None, "a name in a comment");
    }

    #[test]
    fn a_name_that_appears_only_once_something_is_taken_out_is_not_believed() {
        for value in [
            "=?us-ascii?Q?mx.example.org?=; dmarc=pass header.from=bank.example",
            "(x) mx.example.org; dmarc=pass header.from=bank.example",
            "mx.example(x).org; dmarc=pass header.from=bank.example",
            "\"mx.example.org\"; dmarc=pass header.from=bank.example",
            "mx.exam\rple.org; dmarc=pass header.from=bank.example",
        ] {
            assert_eq!(read(&[("Authentication-Results", value)], 1), None, "{value}");
        }
        assert_eq!(read(&[("Authentication-Results ", PASS.1)], 1), None, "a blank in the name");
        let folded = ("Authentication-Results", "mx.example.org;\r\n\tdmarc=pass");
        let found = read(&[folded], 1).unwrap();
        assert_eq!(found.dmarc.result, DmarcResult::Pass, "folds are no part of the words");
    }

    #[test]
    fn what_stands_in_quotes_is_one_word() {
        let domain = |value: &str| {
            let text = format!("mx.example.org; spf=pass smtp.mailfrom={value}");
            let found = read(&[("Authentication-Results", &text)], 1);
            found.map(|found| found.spf.unwrap().domain)
        };
        for (value, expect) in [
            ("\"x@bank.example y\"@evil.example", "evil.example"),
            ("\"x;spf=pass smtp.mailfrom=a@bank.example\"@evil.example", "evil.example"),
            ("\"x (\"@evil.example", "evil.example"),
            ("\"x@bank.example\\\" y\"@evil.example", "evil.example"),
            ("\"x@evil.example\"", "evil.example"),
            ("x@\"evil@bank.example\"", ""),
        ] {
            assert_eq!(domain(value).as_deref(), Some(expect), "{value}");
        }
        let quoted = "mx.example.org; x=\"; dmarc=pass header.from=bank.example\"; spf=none";
        let found = read(&[("Authentication-Results", quoted)], 1).unwrap();
        assert_eq!(found.dmarc.result, DmarcResult::None, "a result in quotes is none");
        assert_eq!(domain("\"x@bank.example"), None, "a quote without an end");
        assert_eq!(domain("x@bank.example (y"), None, "a comment without an end");
    }
}
