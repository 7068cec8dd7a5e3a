//! DKIM, ARC and DMARC. The one place that names `mail-auth`; everybody else has our own words.
//!
//! It is kept from asking by itself: all keys and policies that it can want are asked for first, at the same time and
//! under the limits of [`super::dns`], and handed to it as its cache. Its own resolver has no server, so what it finds
//! depends on the mail and on our answers alone. Nor does it see the body: the hashes that signatures ask for were made
//! where the bytes are.

use std::collections::HashSet;

use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::to_a_label;
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::dmarc::{Policy, verify::DmarcParameters};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    ArcOutput, AuthenticatedMessage, DkimOutput, DkimResult as TheirDkim, DmarcOutput,
    DmarcResult as TheirDmarc, Error, MessageAuthenticator, SpfOutput, SpfResult as TheirSpf, Txt,
};
use tamis_domain::authentication::{
    Arc as Chain, Dkim, DkimResult, Dmarc, DmarcPolicy, DmarcResult, Spf, SpfResult,
};
use tamis_domain::outline::{BodyForm, BodyHash};
use tamis_domain::suffix::owner;

use super::dns::{self, Session};

mod chain;
mod records;

use records::{Domains, Texts};

/// DKIM signatures of one mail that are verified, the topmost first. Honest mail has up to four; each costs a question
/// and a public-key operation.
pub const SIGNATURES_MAX: usize = 10;

/// Seals of one chain that are verified (RFC 8617 section 4.2.1 allows 50).
pub const SEALS_MAX: usize = 50;

/// Names in `h=` of one signature. Each is looked for among all before it and among all fields; honest signatures have up
/// to fifty.
pub const SIGNED_NAMES_MAX: usize = 256;

/// Domains in From that are asked about. A second one is a trick or a letter of two people; more are a trick.
pub const AUTHORS_MAX: usize = 4;

/// Verifies signatures. Holds nothing of any mail.
#[derive(Clone)]
pub struct Verifier(MessageAuthenticator);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

/// What is verified.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The raw header block.
    pub header: &'a [u8],
    /// Whether that is all of it.
    pub is_whole: bool,
    /// Hashes of the body.
    pub body_hashes: &'a [BodyHash],
    /// Domain that SPF is about; empty if nobody knows.
    pub spf_domain: &'a str,
    /// Domains whose seals are believed, in lower case: chains of others change nothing, and cost nothing.
    pub trusted_sealers: &'a [String],
    /// The time, in seconds since 1970: signatures that say when they end have ended then.
    pub now_s: i64,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Signatures, in the order of the header.
    pub dkim: Vec<Dkim>,
    /// The chain of seals.
    pub arc: Chain,
    /// The author's domain's word.
    pub dmarc: Dmarc,
}

impl Verifier {
    /// A verifier.
    ///
    /// # Errors
    /// The library cannot be set up: ours, said at the start.
    pub fn new() -> Result<Self, String> {
        let config = ResolverConfig::from_name_servers(Vec::new());
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        dns::resolver(config, options).map(|resolver| Self(MessageAuthenticator(resolver)))
    }

    /// Verifies all that the header says about itself, while SPF is checked beside it: servers of the sender that are slow
    /// in one place take no time from the other.
    pub async fn verify(
        &self,
        dns: &Session,
        signed: Signed<'_>,
        spf: impl Future<Output = Option<Spf>>,
    ) -> (Option<Spf>, Verified) {
        let header = crlf(signed.header);
        let Some(mut message) = AuthenticatedMessage::parse(&header) else {
            return (spf.await, Verified::default());
        };
        normalise(&mut message);
        let unknown = trim(&mut message, &signed);
        let authors = Domains::of_all(&message, signed.spf_domain);
        let (spf, texts) = futures_util::join!(spf, Texts::ask(dns, &message, &authors));
        let first = authors.first().map_or("", |domains| domains.author.as_str());
        let dkim = self.0.verify_dkim(texts.for_params(&message)).await;
        let arc = match unknown.arc {
            Some(known) => known,
            Option::None => our_arc(&self.0.verify_arc(texts.for_params(&message)).await, first),
        };
        let mut ours: Vec<Dkim> = dkim.iter().map(our_dkim).collect();
        ours.extend(unknown.dkim);
        let mut dmarc = Option::None;
        for domains in &authors {
            let said = self.dmarc(&header, domains, &texts, spf.as_ref(), (&dkim, &ours)).await;
            dmarc = Some(match dmarc {
                Some(other) => stricter(other, said),
                Option::None => said,
            });
        }
        (spf, Verified { dkim: ours, arc, dmarc: dmarc.unwrap_or_default() })
    }

    /// What DMARC says of one author. RFC 9989 exempts mail of several domains; so would every forger be who puts a second
    /// one in.
    async fn dmarc(
        &self,
        header: &[u8],
        domains: &Domains,
        texts: &Texts,
        spf: Option<&Spf>,
        (dkim, ours): (&[DkimOutput<'_>], &[Dkim]),
    ) -> Dmarc {
        let Some(mut message) = AuthenticatedMessage::parse(header) else {
            return Dmarc::default();
        };
        message.from = vec![format!("author@{}", domains.author)];
        if domains.author.is_empty() {
            message.from.clear();
        }
        // Only what its owner holds, too, can authenticate the author: below a public suffix everybody is a stranger to
        // everybody else, whatever policy stands there.
        let of_author = |domain: &str| owner(&a_labels(domain)) == owner(&domains.author);
        let aligned: Vec<DkimOutput<'_>> =
            dkim.iter().filter(|it| of_author(&our_dkim(it).domain)).cloned().collect();
        let aligned_spf = spf.filter(|spf| of_author(&spf.domain));
        let their_spf = their_spf(aligned_spf);
        let sender = aligned_spf.map_or("", |spf| spf.domain.as_str());
        let params = DmarcParameters::new(&message, &aligned, sender, &their_spf);
        let dmarc = self.0.verify_dmarc(texts.for_params(params)).await;
        let is_open = spf.is_none()
            || aligned_spf.is_some_and(|spf| spf.result == SpfResult::TempError)
            || ours.iter().any(|it| it.result == DkimResult::Unknown && of_author(&it.domain));
        our_dmarc(&dmarc, domains, texts, is_open)
    }
}

/// Of two authors, whose owner is the less content.
fn stricter(one: Dmarc, other: Dmarc) -> Dmarc {
    let rank = |dmarc: &Dmarc| {
        let result = match dmarc.result {
            DmarcResult::Fail => 3,
            DmarcResult::Unknown => 2,
            DmarcResult::None => 1,
            DmarcResult::Pass => 0,
        };
        (result, dmarc.policy)
    };
    if rank(&other) > rank(&one) { other } else { one }
}

/// What could not be handed over for verification.
struct Unverified {
    dkim: Vec<Dkim>,
    arc: Option<Chain>,
}

/// Puts all domains into the form in which records are looked up, so that what we ask for is what the library looks for.
/// What was signed is not touched: that is taken from the raw fields.
fn normalise(message: &mut AuthenticatedMessage<'_>) {
    for from in &mut message.from {
        if let Some((local, domain)) = from.rsplit_once('@') {
            *from = format!("{local}@{}", a_labels(domain));
        }
    }
    for signature in message.dkim_headers.iter_mut().map(|field| &mut field.header) {
        signature.d = a_labels(&signature.d);
        if let Some((local, domain)) = signature.i.rsplit_once('@') {
            signature.i = format!("{local}@{}", a_labels(domain));
        }
    }
    message.ams_headers.iter_mut().for_each(|field| field.header.d = a_labels(&field.header.d));
    message.as_headers.iter_mut().for_each(|field| field.header.d = a_labels(&field.header.d));
}

/// Whether some tag stands twice, in whatever spelling: readers differ on which one counts (RFC 6376 section 3.2).
fn repeats_tags(value: &[u8]) -> bool {
    let mut names = HashSet::new();
    let tags = value.split(|&byte| byte == b';').filter_map(|tag| {
        let end = tag.iter().position(|&byte| byte == b'=')?;
        Some(tag[..end].iter().filter(|byte| !byte.is_ascii_whitespace()))
    });
    tags.map(|name| name.map(u8::to_ascii_lowercase).collect::<Vec<u8>>())
        .any(|name| !names.insert(name))
}

/// Puts the body's hashes in, and takes out what cannot be verified: signatures beyond the limit, those whose hash
/// nobody made, those that have ended, and all if the header was cut. A signature that leaves From out proves nothing (RFC 6376 section 5.4).
fn trim(message: &mut AuthenticatedMessage<'_>, signed: &Signed<'_>) -> Unverified {
    for (form, algorithm, length, hash) in &mut message.body_hashes {
        let known = signed.body_hashes.iter().find(|known| is_form(*form, known.form));
        let fits = *algorithm == HashAlgorithm::Sha256 && *length == 0;
        *hash = known.filter(|_| fits).map_or_else(Vec::new, |known| known.sha256.to_vec());
    }
    let hashed = |form: Canonicalization| {
        signed.is_whole && signed.body_hashes.iter().any(|known| is_form(form, known.form))
    };
    let mut unverified = Unverified { dkim: Vec::new(), arc: Option::None };
    message.dkim_headers.truncate(SIGNATURES_MAX);
    message.errors.truncate(SIGNATURES_MAX);
    message.dkim_headers.retain(|header| {
        let signature = &header.header;
        let names_author = signature.h.iter().any(|name| name.eq_ignore_ascii_case("from"));
        let is_sound =
            names_author && signature.h.len() <= SIGNED_NAMES_MAX && !repeats_tags(header.value);
        // Whoever hashes bodies hashes all forms that fields ask for: a form that is missing is the signature's fault.
        // A header longer than any server passes on was made so: what it hides is its sender's loss.
        let nobody_hashed = signed.is_whole && signed.body_hashes.is_empty();
        let ends = signature.x > 0
            && (signature.x <= signature.t
                || i64::try_from(signature.x).is_ok_and(|x| x <= signed.now_s));
        let result = match (is_sound && !ends, hashed(signature.cb)) {
            (true, true) => return true,
            (true, false) if nobody_hashed => DkimResult::Unknown,
            _ => DkimResult::Unusable,
        };
        unverified.dkim.push(Dkim { domain: signature.d.to_ascii_lowercase(), result });
        false
    });
    // The library would look at its own clock, and a replay would find another result.
    message.dkim_headers.iter_mut().for_each(|header| header.header.x = 0);
    let has_ended = message.ams_headers.iter_mut().any(|field| {
        let ends = std::mem::take(&mut field.header.x);
        ends > 0
            && (ends <= field.header.t
                || i64::try_from(ends).is_ok_and(|ends| ends <= signed.now_s))
    });
    let last = message.ams_headers.last().map(|last| last.header.cb);
    let is_believed = |sealer: &String| signed.trusted_sealers.contains(sealer);
    unverified.arc = match chain::sealer(message) {
        _ if !chain::is_there(message) => Some(Chain::None),
        Some(sealer) if !is_believed(&sealer) => Some(Chain::Unknown),
        _ if has_ended || message.as_headers.len() > SEALS_MAX || !chain::is_sound(message) => {
            Some(Chain::Fail)
        }
        _ if last.is_some_and(|form| !hashed(form)) => Some(Chain::Unknown),
        _ => Option::None,
    };
    if unverified.arc.is_some() {
        message.ams_headers.clear();
        message.as_headers.clear();
    }
    unverified
}

fn is_form(theirs: Canonicalization, ours: BodyForm) -> bool {
    matches!(
        (theirs, ours),
        (Canonicalization::Simple, BodyForm::Simple)
            | (Canonicalization::Relaxed, BodyForm::Relaxed)
    )
}

/// The header with line ends as they were on the wire, and its empty line.
fn crlf(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len() + header.len() / 32 + 4);
    for line in header.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// A domain as the library looks it up: in lower case, in A-labels, without a dot at its end.
pub(super) fn a_labels(domain: &str) -> String {
    to_a_label(domain.trim_end_matches('.')).to_ascii_lowercase()
}

fn their_spf(spf: Option<&Spf>) -> SpfOutput {
    let Some(spf) = spf else { return SpfOutput::new(String::new()).with_result(TheirSpf::None) };
    SpfOutput::new(spf.domain.clone()).with_result(match spf.result {
        SpfResult::None => TheirSpf::None,
        SpfResult::Neutral => TheirSpf::Neutral,
        SpfResult::Pass => TheirSpf::Pass,
        SpfResult::Fail => TheirSpf::Fail,
        SpfResult::SoftFail => TheirSpf::SoftFail,
        SpfResult::TempError => TheirSpf::TempError,
        SpfResult::PermError => TheirSpf::PermError,
    })
}

fn our_dkim(output: &DkimOutput<'_>) -> Dkim {
    let domain = output.signature().map_or_else(String::new, |it| it.d.to_ascii_lowercase());
    let result = match output.result() {
        TheirDkim::Pass => DkimResult::Pass,
        TheirDkim::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch)) => DkimResult::BodyChanged,
        TheirDkim::Neutral(_) | TheirDkim::None => DkimResult::Unusable,
        TheirDkim::Fail(_) => DkimResult::Broken,
        TheirDkim::PermError(_) => DkimResult::NoKey,
        TheirDkim::TempError(_) => DkimResult::Unknown,
    };
    Dkim { domain, result }
}

fn our_arc(output: &ArcOutput<'_>, author: &str) -> Chain {
    match output.result() {
        TheirDkim::None => Chain::None,
        TheirDkim::Pass => match output.sets().last() {
            Some(last) => Chain::Pass {
                sealer: last.seal.header.d.to_ascii_lowercase(),
                seals: output.sets().len(),
                vouches: chain::vouches(last.results.value, author),
            },
            Option::None => Chain::None,
        },
        TheirDkim::TempError(_) => Chain::Unknown,
        _ => Chain::Fail,
    }
}

/// `is_open`: something that may have authenticated the author is not known.
fn our_dmarc(output: &DmarcOutput, domains: &Domains, texts: &Texts, is_open: bool) -> Dmarc {
    let result = match output.result() {
        TheirDmarc::Pass => DmarcResult::Pass,
        TheirDmarc::Fail(_) if is_open => DmarcResult::Unknown,
        TheirDmarc::Fail(_) => DmarcResult::Fail,
        TheirDmarc::TempError(_) => DmarcResult::Unknown,
        TheirDmarc::PermError(_) | TheirDmarc::None => DmarcResult::None,
    };
    // What the owner wishes for names that are not there (RFC 9989 section 4.7, `np`); the library would have to ask.
    let own = format!("_dmarc.{}.", domains.author);
    let has_own = matches!(texts.known.get(own.as_str()), Some(Txt::Dmarc(_)));
    let policy = match output.dmarc_record() {
        Some(record) if texts.absent.contains(&domains.author) && !has_own => record.np,
        _ => output.policy(),
    };
    let policy = match policy {
        Policy::Quarantine => DmarcPolicy::Quarantine,
        Policy::Reject => DmarcPolicy::Reject,
        _ => DmarcPolicy::None,
    };
    Dmarc { result, policy, domain: output.domain().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::records::{WALK_MAX, walk};
    use super::*;

    #[test]
    fn a_walk_goes_up_the_tree_in_eight_questions_at_most() {
        assert_eq!(
            walk("a.b.example.org"),
            ["_dmarc.a.b.example.org", "_dmarc.b.example.org", "_dmarc.example.org", "_dmarc.org"]
        );
        assert_eq!(walk("localhost"), Vec::<String>::new());
        let long = walk("1.2.3.4.5.6.7.8.9.example.org");
        assert_eq!(long.len(), WALK_MAX);
        assert_eq!(long[1], "_dmarc.5.6.7.8.9.example.org", "from seven labels downwards");
    }

    #[test]
    fn line_ends_become_those_of_the_wire() {
        for header in ["A: b\n c\nD: e\n", "A: b\r\n c\r\nD: e\r\n", "A: b\r\n c\nD: e"] {
            assert_eq!(crlf(header.as_bytes()), b"A: b\r\n c\r\nD: e\r\n\r\n", "{header:?}");
        }
    }
}
