//! DKIM, ARC and DMARC. The one place that names `mail-auth`; everybody else has our own words.
//!
//! It is kept from asking by itself: all keys and policies that it can want are asked for first, at the same time and
//! under the limits of [`super::dns`], and handed to it as its cache. Its own resolver has no server, so what it finds
//! depends on the mail and on our answers alone. Nor does it see the body: the hashes that signatures ask for were made
//! where the bytes are.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use futures_util::future::join_all;
use mail_auth::common::cache::NoCache;
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::to_a_label;
use mail_auth::common::verify::{DomainKey, VerifySignature as _};
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::dmarc::{Dmarc as Record, Policy, verify::DmarcParameters};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{
    ArcOutput, AuthenticatedMessage, DkimOutput, DkimResult as TheirDkim, DmarcOutput,
    DmarcResult as TheirDmarc, DnsError, Error, MX, MessageAuthenticator, Parameters, RecordSet,
    ResolverCache, SpfOutput, SpfResult as TheirSpf, Txt,
};
use tamis_domain::authentication::{
    Arc as Chain, Dkim, DkimResult, Dmarc, DmarcPolicy, DmarcResult, Spf, SpfResult,
};
use tamis_domain::outline::{BodyForm, BodyHash};
use tamis_domain::suffix::owner;

use super::dns::{Answer, Kind, Purpose, Record as Found, Session};

mod chain;

/// DKIM signatures of one mail that are verified, the topmost first. Honest mail has up to four; each costs a question
/// and a public-key operation.
pub const SIGNATURES_MAX: usize = 10;

/// Seals of one chain that are verified (RFC 8617 section 4.2.1 allows 50).
pub const SEALS_MAX: usize = 50;

/// Names in `h=` of one signature. Each is looked for among all before it and among all fields; honest signatures have up
/// to fifty.
pub const SIGNED_NAMES_MAX: usize = 256;

/// Questions of one walk up the tree (RFC 9989 section 4.10).
const WALK_MAX: usize = 8;

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
        MessageAuthenticator::new(config, options).map(Self).map_err(|error| error.to_string())
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
        let domains = Domains::of(&message, signed.spf_domain);
        let (spf, texts) = futures_util::join!(spf, Texts::ask(dns, &message, &domains));
        let dkim = self.0.verify_dkim(texts.for_params(&message)).await;
        let arc = match unknown.arc {
            Some(known) => known,
            Option::None => {
                our_arc(&self.0.verify_arc(texts.for_params(&message)).await, &domains.author)
            }
        };
        let mut ours: Vec<Dkim> = dkim.iter().map(our_dkim).collect();
        ours.extend(unknown.dkim);
        // Only what its owner holds, too, can authenticate the author: below a public suffix everybody is a stranger to
        // everybody else, whatever policy stands there.
        let of_author = |domain: &str| owner(&a_labels(domain)) == owner(&domains.author);
        let aligned: Vec<DkimOutput<'_>> =
            dkim.iter().filter(|it| of_author(&our_dkim(it).domain)).cloned().collect();
        let aligned_spf = spf.as_ref().filter(|spf| of_author(&spf.domain));
        let their_spf = their_spf(aligned_spf);
        let sender = aligned_spf.map_or("", |spf| spf.domain.as_str());
        let params = DmarcParameters::new(&message, &aligned, sender, &their_spf);
        let dmarc = self.0.verify_dmarc(texts.for_params(params)).await;
        let is_open = spf.is_none()
            || aligned_spf.is_some_and(|spf| spf.result == SpfResult::TempError)
            || ours.iter().any(|it| it.result == DkimResult::Unknown && of_author(&it.domain));
        let dmarc = our_dmarc(&dmarc, &domains, &texts, is_open);
        (spf, Verified { dkim: ours, arc, dmarc })
    }
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
/// nobody made, and all if the header was cut. A signature that leaves From out proves nothing (RFC 6376 section 5.4).
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
        let nobody_hashed = !signed.is_whole || signed.body_hashes.is_empty();
        let result = match (is_sound, hashed(signature.cb)) {
            (true, true) => return true,
            (true, false) if nobody_hashed => DkimResult::Unknown,
            _ => DkimResult::Unusable,
        };
        unverified.dkim.push(Dkim { domain: signature.d.to_ascii_lowercase(), result });
        false
    });
    let last = message.ams_headers.last().map(|last| last.header.cb);
    let is_believed = |sealer: &String| signed.trusted_sealers.contains(sealer);
    unverified.arc = match chain::sealer(message) {
        _ if !chain::is_there(message) => Some(Chain::None),
        Some(sealer) if !is_believed(&sealer) => Some(Chain::Unknown),
        _ if message.as_headers.len() > SEALS_MAX || !chain::is_sound(message) => Some(Chain::Fail),
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

/// Domains whose DMARC records matter.
struct Domains {
    author: String,
    others: Vec<String>,
}

impl Domains {
    fn of(message: &AuthenticatedMessage<'_>, spf: &str) -> Self {
        let author = message.from.iter().find_map(|from| from.rsplit_once('@'));
        let author = author.map_or_else(String::new, |(_, domain)| a_labels(domain));
        let signers = message.dkim_headers.iter().map(|header| header.header.d.as_str());
        let mut others: Vec<String> = signers
            .chain([spf])
            .map(a_labels)
            .filter(|domain| *domain != author && owner(domain) == owner(&author))
            .collect();
        others.sort_unstable();
        others.dedup();
        Self { author, others }
    }
}

/// Names of one walk up the tree: the domain, then from seven labels downwards (RFC 9989 section 4.10).
fn walk(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
    if labels.len() < 2 {
        return Vec::new();
    }
    let shorter = (1..labels.len()).rev().filter(|count| *count < WALK_MAX);
    std::iter::once(labels.len())
        .chain(shorter)
        .take(WALK_MAX)
        .map(|count| format!("_dmarc.{}", labels[labels.len() - count..].join(".")))
        .collect()
}

/// Text records by name with the last dot, read as what they are wanted for.
#[derive(Default)]
struct Texts {
    known: HashMap<Box<str>, Txt>,
    /// Whether the author's domain is not there at all.
    author_is_absent: bool,
}

impl Texts {
    async fn ask(dns: &Session, message: &AuthenticatedMessage<'_>, domains: &Domains) -> Self {
        let dkim = message.dkim_headers.iter().map(|header| header.header.domain_key());
        let seals = message.as_headers.iter().map(|header| header.header.domain_key());
        let sealed = message.ams_headers.iter().map(|header| header.header.domain_key());
        let of_dkim = once_each(dkim.collect());
        let of_chain = once_each(seals.chain(sealed).filter(|it| !of_dkim.contains(it)).collect());
        // The author's own walk first, should there be more than may be asked. An aligned signer has the author's owner;
        // anything else needs no walk of its own.
        let names = std::iter::once(&domains.author).chain(&domains.others);
        let policies = once_each(names.flat_map(|domain| walk(domain)).collect());
        let of_dkim = of_dkim.into_iter().map(|name| (name, Purpose::Keys));
        let of_chain = of_chain.into_iter().map(|name| (name, Purpose::Seals));
        let keys = join_all(of_dkim.chain(of_chain).map(|(name, purpose)| async move {
            let answer = dns.of(purpose).ask(&name, Kind::Txt).await;
            (name, read::<DomainKey>(&answer, false))
        }));
        let dns = dns.of(Purpose::Policies);
        let author = async {
            let domain = &domains.author;
            !domain.is_empty() && dns.ask(domain, Kind::A).await == Answer::NoName
        };
        let policies = join_all(policies.iter().map(|name| async move {
            (format!("{name}."), read::<Record>(&dns.ask(name, Kind::Txt).await, true))
        }));
        let (author_is_absent, policies, keys) = futures_util::join!(author, policies, keys);
        let keys = keys.into_iter().map(|(name, text)| (name.into(), text));
        let policies = policies.into_iter().map(|(name, text)| (name.into(), text));
        Self { known: keys.chain(policies).collect(), author_is_absent }
    }

    fn for_params<P>(
        &self,
        params: P,
    ) -> Parameters<'_, P, Self, None<MX>, None<Ipv4Addr>, None<Ipv6Addr>, NoPtr> {
        Parameters {
            params,
            cache_txt: Some(self),
            cache_mx: Option::None,
            cache_ptr: Option::None,
            cache_ipv4: Option::None,
            cache_ipv6: Option::None,
        }
    }
}

/// The names in their order, each once.
fn once_each(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}

type None<T> = NoCache<Box<str>, RecordSet<T>>;
type NoPtr = NoCache<IpAddr, RecordSet<Box<str>>>;

impl ResolverCache<Box<str>, Txt> for Texts {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.known.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Option::None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Our answer as the library's record. Of several keys the first that can be read counts; several policies are none
/// (RFC 9989 section 4.10).
fn read<T: TxtRecordParser + Into<Txt>>(answer: &Answer, is_single: bool) -> Txt {
    let code = match answer {
        Answer::Failed(failure) => {
            return Txt::Error(Error::Dns(DnsError::Resolver(failure.word().to_owned())));
        }
        Answer::NoName => ResponseCode::NXDomain,
        _ => ResponseCode::NoError,
    };
    let mut first = Err(Error::Dns(DnsError::RecordNotFound(code)));
    for record in answer.records() {
        let Found::Txt(text) = record else { continue };
        match (T::parse(text), &first) {
            (Ok(_), Ok(_)) if is_single => {
                return Txt::Error(Error::Dns(DnsError::RecordNotFound(code)));
            }
            (_, Ok(_)) => {}
            (read, Err(_)) => first = read,
        }
    }
    first.into()
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
        Some(record) if texts.author_is_absent && !has_own => record.np,
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
