//! What a chain of ARC seals must be before it is worth verifying (RFC 8617 section 4.1, RFC 6376 section 3.2): the library
//! takes missing, repeated and misspelt tags, old hashes, and fields that a seal must not cover.

use std::collections::HashSet;

use mail_auth::AuthenticatedMessage;
use tamis_domain::authentication::{Dkim, DkimResult, DmarcResult, SpfResult};
use tamis_domain::suffix::owner;

use super::super::upstream::sealed;
use super::a_labels;

/// Tags of one field that are looked at. Both kinds have ten at most.
const TAGS_MAX: usize = 32;

/// Tags that a seal must have.
const OF_SEALS: [&str; 6] = ["a", "b", "cv", "d", "i", "s"];

/// Tags that a signature must have.
const OF_SIGNATURES: [&str; 7] = ["a", "b", "bh", "d", "h", "i", "s"];

/// Who sealed last, in lower case, whether or not the seal holds.
pub(super) fn sealer(message: &AuthenticatedMessage<'_>) -> Option<String> {
    let last = message.as_headers.iter().max_by_key(|field| field.header.i);
    last.map(|field| field.header.d.to_ascii_lowercase())
}

/// Whether there is anything of ARC.
pub(super) fn is_there(message: &AuthenticatedMessage<'_>) -> bool {
    message.has_arc_errors || !message.as_headers.is_empty() || !message.ams_headers.is_empty()
}

/// Whether the fields are what the standard asks for. Seals without signatures are no chain, either.
pub(super) fn is_sound(message: &AuthenticatedMessage<'_>) -> bool {
    let seals = message.as_headers.iter().all(|field| is_sound_field(field.value, &OF_SEALS));
    let signatures =
        message.ams_headers.iter().all(|field| is_sound_field(field.value, &OF_SIGNATURES));
    let fits = message.ams_headers.iter().all(|it| it.header.h.len() <= super::SIGNED_NAMES_MAX);
    seals && signatures && fits && message.as_headers.len() == message.ams_headers.len()
}

fn is_sound_field(value: &[u8], wanted: &[&str]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let text = text.trim();
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut names = HashSet::new();
    for tag in text.split(';') {
        let Some((name, value)) = tag.split_once('=') else { return false };
        let (name, value) = (name.trim(), value.trim());
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let fits = match name {
            "a" => ["rsa-sha256", "ed25519-sha256"].contains(&value),
            "h" => value.split(':').all(|field| !field.trim().eq_ignore_ascii_case("arc-seal")),
            _ => true,
        };
        if !is_name || !fits || !names.insert(name) || names.len() > TAGS_MAX {
            return false;
        }
    }
    wanted.iter().all(|name| names.contains(name))
}

/// Whether these results of a sealer authenticate the author: DMARC passed, or what DMARC is made of.
pub(super) fn vouches(results: &[u8], author: &str) -> bool {
    let Some(said) = sealed(results).filter(|_| !author.is_empty()) else { return false };
    let is_aligned = |domain: &str| owner(&a_labels(domain)) == owner(author);
    match said.dmarc.result {
        DmarcResult::Pass => a_labels(&said.dmarc.domain) == author,
        DmarcResult::Fail => false,
        _ => {
            let spf = said
                .spf
                .is_some_and(|spf| spf.result == SpfResult::Pass && is_aligned(&spf.domain));
            let dkim = |dkim: &Dkim| dkim.result == DkimResult::Pass && is_aligned(&dkim.domain);
            spf || said.dkim.iter().any(dkim)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: &str = " i=1; a=rsa-sha256; cv=none; d=example.org; s=s1;\r\n t=1; b=AA==";

    fn is_seal(text: &str) -> bool {
        is_sound_field(text.as_bytes(), &OF_SEALS)
    }

    #[test]
    fn a_field_needs_its_tags_once_in_their_own_spelling_and_no_old_hash() {
        assert!(is_seal(SEAL) && is_seal(&format!("{SEAL};\r\n")));
        for (from, to) in [
            ("a=rsa-sha256;", ""),
            ("sha256", "sha1"),
            ("s=s1", "S=s1"),
            ("s=s1", "s=s1; s=s1"),
            ("s=s1", "s=s1;"),
            ("s=s1", "s=s1; _=1"),
            ("s=s1", "s=s1; none"),
        ] {
            assert!(!is_seal(&SEAL.replace(from, to)), "{from} -> {to}");
        }
        let signature = format!("{SEAL}; bh=AA==; h=from:to");
        assert!(is_sound_field(signature.as_bytes(), &OF_SIGNATURES));
        let covers_seal = signature.replace("from:to", "from:ARC-Seal");
        assert!(!is_sound_field(covers_seal.as_bytes(), &OF_SIGNATURES));
    }

    #[test]
    fn tags_are_read_up_to_n() {
        let with = |more: usize| {
            let more: String = (0..more).map(|number| format!("; x{number}=1")).collect();
            is_seal(&format!("{SEAL}{more}"))
        };
        assert!(with(TAGS_MAX - 7), "at the limit");
        assert!(!with(TAGS_MAX - 6), "past the limit");
    }

    #[test]
    fn a_seal_vouches_only_if_its_results_authenticate_the_author() {
        let vouched = |said: &str| {
            vouches(format!(" i=1; mx.list.example;\r\n\t{said}").as_bytes(), "example.org")
        };
        for said in [
            "dmarc=pass (p=reject) header.from=Example.org",
            "spf=pass smtp.mailfrom=a@mail.example.org",
            "spf=fail smtp.mailfrom=x@other.example; dkim=pass header.d=example.org; dmarc=none",
        ] {
            assert!(vouched(said), "{said}");
        }
        for said in [
            "none",
            "dmarc=fail header.from=example.org; dkim=pass header.d=example.org",
            "dmarc=pass header.from=other.example",
            "dmarc=pass",
            "spf=pass smtp.mailfrom=a@other.example; dkim=pass header.d=other.example",
            "dkim=fail header.d=example.org",
            "x=\"; dmarc=pass header.from=example.org",
        ] {
            assert!(!vouched(said), "{said}");
        }
        assert!(!vouches(b"i=1; mx.list.example; dmarc=pass header.from=", ""), "no author");
    }
}
