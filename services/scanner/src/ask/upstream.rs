//! What a border server of the same site found out: `Authentication-Results` (RFC 8601), believed only if configured.
//!
//! Anybody can write such a field. So it counts only with a name that the administrator gave, only above the hops that
//! the administrator trusts to have added a Received, and only the topmost ones that no Received parts: several filters
//! of one server write one each. What stands below came with the mail.

use tamis_domain::authentication::{
    Authentication, Dkim, DkimResult, Dmarc, DmarcPolicy, DmarcResult, Spf, SpfResult,
};
use tamis_domain::envelope::domain_of;
use tamis_domain::reading::HeaderReading;

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
    /// What the border server found, if it is one of those that are believed.
    #[must_use]
    pub fn read(&self, header: &HeaderReading) -> Option<Authentication> {
        let (mut hops, mut left) = (0, RESULTS_MAX);
        let mut found: Option<Authentication> = None;
        for field in &header.fields {
            if field.name.eq_ignore_ascii_case("Received") {
                hops += 1;
                if found.is_some() || hops > self.hops {
                    break;
                }
            }
            if field.name.eq_ignore_ascii_case("Authentication-Results") {
                let text = without_comments(&field.value);
                let mut parts = text.split(';');
                let id = parts.next().and_then(|id| id.split_whitespace().next());
                let id = id.unwrap_or_default().to_ascii_lowercase();
                let is_same = found.as_ref().is_none_or(|it| it.upstream.as_ref() == Some(&id));
                if is_same && self.ids.contains(&id) {
                    let found = found.get_or_insert_with(Authentication::default);
                    found.upstream = Some(id);
                    left -= results(parts.take(left), found);
                }
            }
        }
        found
    }
}

/// The results of one field, and how many there were. Of each method the topmost field that has it counts.
fn results<'a>(parts: impl Iterator<Item = &'a str>, found: &mut Authentication) -> usize {
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
fn result(part: &str, found: &mut Authentication) {
    let mut words = part.split_whitespace().filter_map(|word| word.split_once('='));
    let Some((method, result)) = words.next() else { return };
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let result = result.to_ascii_lowercase();
    let words: Vec<(&str, &str)> = words.collect();
    let property = |name: &str| {
        let value = words.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.map_or("", |(_, value)| value.trim_matches('"'))
    };
    let domain = |value: &str| {
        let domain = domain_of(value);
        if domain.is_empty() { value.to_ascii_lowercase() } else { domain.to_ascii_lowercase() }
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

/// The text without what stands in parentheses, nested ones included (RFC 5322 section 3.2.2).
fn without_comments(text: &str) -> String {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    text.chars()
        .filter(|c| {
            let was_escaped = std::mem::replace(&mut is_escaped, false);
            match c {
                _ if was_escaped => {}
                '\\' => is_escaped = true,
                '"' if depth == 0 => is_quoted = !is_quoted,
                '(' if !is_quoted => depth += 1,
                ')' if depth > 0 && !is_quoted => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tamis_domain::reading::Field;

    use super::*;

    fn read(fields: &[(&str, &str)], hops: usize) -> Option<Authentication> {
        let field = |(name, value): &(&str, &str)| Field {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let header = HeaderReading {
            fields: fields.iter().map(field).collect(),
            ..HeaderReading::default()
        };
        Upstream { ids: vec!["mx.example.org".to_owned()], hops }.read(&header)
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
}
