//! What authentication says for and against a mail.
//!
//! - Spammers authenticate as well as anybody: a pass weighs nothing by itself. It only says *who* it is, so together with
//!   a sender whom the reputation service allows it speaks for the mail.
//! - A failure is worth what the owner of the domain says it is: a policy of `reject` is his word that he signs all that
//!   he sends. Without such a policy a failure is what every forwarder and list makes, and weighs next to nothing.
//! - One failure is told once: where the policy counts, SPF beneath it is told and weighs nothing.
//! - What is not known speaks neither for nor against.

use tamis_domain::authentication::{
    Arc, Authentication, DkimResult, DmarcPolicy, DmarcResult, Reverse, SpfResult,
};
use tamis_domain::evidence::{Evidence, Source};

/// DMARC fails and the owner wishes such mail refused. Lists break it although their mail is honest, so no threshold by
/// itself.
const REJECT: f32 = 3.0;
/// The same, where the owner wishes it set aside.
const QUARANTINE: f32 = 2.0;
/// The same, where the owner only wants to know.
const FAIL: f32 = 0.3;
/// The owner of the envelope's domain says that this client may not send for it. Forwarders do it all the time.
const SPF_FAIL: f32 = 1.0;
/// The same, without being sure.
const SPF_SOFTFAIL: f32 = 0.5;
/// A signature that does not hold: footers of lists, gateways. Alone it says little.
const BROKEN: f32 = 0.2;
/// An authentic sender whom the reputation service allows.
const ALLOWED: f32 = -2.0;
/// A client without a name: what most mail servers of the world refuse by now.
const NO_NAME: f32 = 0.8;
/// A client whose names are not its own.
const UNCONFIRMED: f32 = 0.3;

/// Judges what was found. `is_allowed`: the reputation service allows the author's domain as a sender.
/// `trusted_sealers`: domains whose ARC seals are believed, in lower case.
#[must_use]
pub fn judge(
    found: &Authentication,
    is_allowed: bool,
    trusted_sealers: &[String],
) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let by = found.upstream.as_ref().map_or("", |_| ", as a border server of ours found");
    let passes = found.dmarc.result == DmarcResult::Pass;
    if passes {
        let detail = format!("the author's domain authenticates the mail (DMARC pass){by}");
        evidence.push(sign("dmarc_pass", 0.0, detail));
        if is_allowed {
            let detail = "authentic, and the reputation service allows this sender";
            evidence.push(sign("authenticated_allowed", ALLOWED, detail.to_owned()));
        }
    }
    // A seal says only that its sealer saw the mail like this: what he found about the author stands beside it.
    let is_sealed = matches!(
        &found.arc,
        Arc::Pass { sealer, vouches: true, .. } if trusted_sealers.contains(sealer)
    );
    let policy = dmarc(found, is_sealed, by);
    let told = passes || is_sealed || policy.as_ref().is_some_and(|policy| policy.weight >= 1.0);
    evidence.extend(policy);
    evidence.extend(spf(found, told, by));
    let has_pass = found.dkim.iter().any(|dkim| dkim.result == DkimResult::Pass);
    let broken = |result| matches!(result, DkimResult::BodyChanged | DkimResult::Broken);
    let failed =
        found.dkim.iter().find(|dkim| broken(dkim.result) || dkim.result == DkimResult::NoKey);
    if let Some(failed) = failed.filter(|_| !has_pass) {
        let weight = if told { 0.0 } else { BROKEN };
        let detail = format!("no DKIM signature holds ({})", failed.result.word());
        evidence.push(sign("dkim_broken", weight, detail));
    }
    if found.arc == Arc::Fail {
        evidence.push(sign(
            "arc_broken",
            0.0,
            "a chain of ARC seals that does not hold".to_owned(),
        ));
    }
    evidence.extend(reverse(found.reverse));
    evidence
}

fn dmarc(found: &Authentication, is_sealed: bool, by: &str) -> Option<Evidence> {
    if found.dmarc.result != DmarcResult::Fail {
        return None;
    }
    let (name, weight, wish) = match found.dmarc.policy {
        DmarcPolicy::Reject => ("dmarc_reject", REJECT, "wishes such mail refused"),
        DmarcPolicy::Quarantine => ("dmarc_quarantine", QUARANTINE, "wishes such mail set aside"),
        DmarcPolicy::None => ("dmarc_fail", FAIL, "wishes nothing done about it"),
    };
    let mut detail = format!("not from the author's domain, whose owner {wish} (DMARC){by}");
    if is_sealed {
        detail.push_str("; a trusted forwarder has sealed it, so it counts nothing");
    }
    Some(sign(name, if is_sealed { 0.0 } else { weight }, detail))
}

fn spf(found: &Authentication, told: bool, by: &str) -> Option<Evidence> {
    let (name, weight, word) = match found.spf.as_ref()?.result {
        SpfResult::Fail => ("spf_fail", SPF_FAIL, "may not"),
        SpfResult::SoftFail => ("spf_softfail", SPF_SOFTFAIL, "probably may not"),
        _ => return None,
    };
    let detail = format!("the client {word} send for the envelope's domain (SPF){by}");
    Some(sign(name, if told { 0.0 } else { weight }, detail))
}

fn reverse(found: Reverse) -> Option<Evidence> {
    let (name, weight, detail) = match found {
        Reverse::None => ("reverse_none", NO_NAME, "the client's address has no name"),
        Reverse::Unconfirmed => (
            "reverse_unconfirmed",
            UNCONFIRMED,
            "the names of the client's address are not its own",
        ),
        _ => return None,
    };
    Some(sign(name, weight, detail.to_owned()))
}

fn sign(name: &'static str, weight: f32, detail: String) -> Evidence {
    Evidence::new(name, weight, Source::Authentication, detail)
}

#[cfg(test)]
mod tests {
    use tamis_domain::authentication::{Dkim, Dmarc, Spf};

    use super::*;

    fn with(result: DmarcResult, policy: DmarcPolicy) -> Authentication {
        let dmarc = Dmarc { result, policy, domain: "example.org".into() };
        Authentication { dmarc, ..Authentication::default() }
    }

    fn weights(found: &Authentication) -> Vec<(String, f32)> {
        let all = judge(found, false, &[]);
        all.into_iter().map(|it| (it.name.into_owned(), it.weight)).collect()
    }

    #[test]
    fn a_pass_weighs_nothing_until_somebody_vouches_for_the_sender() {
        let found = with(DmarcResult::Pass, DmarcPolicy::Reject);
        let sum =
            |is_allowed| judge(&found, is_allowed, &[]).iter().map(|it| it.weight).sum::<f32>();
        assert_eq!((sum(false), sum(true)), (0.0, ALLOWED));
        let failed = with(DmarcResult::Fail, DmarcPolicy::Reject);
        assert!(
            judge(&failed, true, &[]).iter().all(|it| it.name != "authenticated_allowed"),
            "a forged sender is not the one that is allowed"
        );
    }

    #[test]
    fn a_failure_weighs_what_the_owner_says_and_is_counted_once() {
        let mut found = with(DmarcResult::Fail, DmarcPolicy::Reject);
        found.spf = Some(Spf { result: SpfResult::Fail, domain: "example.org".into() });
        let dkim = Dkim { domain: "example.org".into(), result: DkimResult::Broken };
        found.dkim = vec![dkim];
        assert_eq!(weights(&found).iter().map(|(_, weight)| weight).sum::<f32>(), REJECT);
        found.dmarc.policy = DmarcPolicy::None;
        let sum = weights(&found).iter().map(|(_, weight)| weight).sum::<f32>();
        assert!((sum - (FAIL + SPF_FAIL + BROKEN)).abs() < 1e-6, "without a policy each is small");
        assert!(sum < 2.0, "a forwarded mail is no probable spam");
    }

    #[test]
    fn a_seal_counts_only_if_the_sealer_is_trusted() {
        let mut found = with(DmarcResult::Fail, DmarcPolicy::Reject);
        let seal = |vouches| Arc::Pass { sealer: "list.example".into(), seals: 1, vouches };
        found.arc = seal(true);
        let weight = |trusted: &[String]| judge(&found, false, trusted)[0].weight;
        assert_eq!(weight(&[]), REJECT, "anybody can seal");
        assert_eq!(weight(&["list.example".into()]), 0.0);
        found.arc = seal(false);
        let weight = judge(&found, false, &["list.example".into()])[0].weight;
        assert_eq!(weight, REJECT, "he sealed what failed with him, too");
    }

    #[test]
    fn what_is_not_known_is_no_evidence() {
        let mut found = with(DmarcResult::Unknown, DmarcPolicy::Reject);
        found.spf = Some(Spf { result: SpfResult::TempError, domain: "example.org".into() });
        found.dkim = vec![Dkim { domain: "example.org".into(), result: DkimResult::Unknown }];
        found.arc = Arc::Unknown;
        found.reverse = Reverse::Unknown;
        assert_eq!(weights(&found), []);
        assert_eq!(weights(&Authentication::default()), []);
    }
}
