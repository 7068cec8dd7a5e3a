//! What lists in DNS say. Ratings of the administrator add up for each kind of subject, within bounds: several lists often
//! copy one source, so what they say of a client alone makes no spam, and lists of good senders do not excuse everything.

use tamis_domain::authentication::{ListAnswer, ListSubject};
use tamis_domain::evidence::{Evidence, Source};

/// Most that lists about one kind of subject weigh together: below the threshold of spam.
pub const RATING_MAX: f32 = 8.0;

/// Most that they speak for a mail.
pub const RATING_MIN: f32 = -4.0;

/// Judges the answers: one finding for each kind of subject that some list knows.
#[must_use]
pub fn judge(answers: &[ListAnswer]) -> Vec<Evidence> {
    [ListSubject::Client, ListSubject::Sender, ListSubject::Link]
        .into_iter()
        .filter_map(|subject| about(subject, answers))
        .collect()
}

fn about(subject: ListSubject, answers: &[ListAnswer]) -> Option<Evidence> {
    let mut known: Vec<&ListAnswer> =
        answers.iter().filter(|answer| answer.subject == subject).collect();
    known.sort_by(|a, b| b.rating.abs().total_cmp(&a.rating.abs()).then(a.list.cmp(&b.list)));
    let (name, what) = match subject {
        ListSubject::Client => ("dns_list_client", "the client"),
        ListSubject::Sender => ("dns_list_sender", "a domain of the sender"),
        ListSubject::Link => ("dns_list_link", "a link"),
    };
    let rating: f32 = known.iter().map(|answer| answer.rating).sum();
    let lists: Vec<String> =
        known.iter().map(|answer| format!("{} ({:+.1})", answer.list, answer.rating)).collect();
    let detail = format!("{what} is on {}", lists.join(", "));
    let weight = rating.clamp(RATING_MIN, RATING_MAX);
    (!known.is_empty()).then(|| Evidence::new(name, weight, Source::DnsList, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(list: &str, subject: ListSubject, rating: f32) -> ListAnswer {
        ListAnswer { list: list.into(), subject, codes: vec![], rating }
    }

    #[test]
    fn ratings_add_up_by_subject_and_stay_within_their_bounds() {
        use ListSubject::{Client, Link};
        let found =
            judge(&[answer("a", Client, 2.0), answer("b", Client, 3.0), answer("c", Link, 1.0)]);
        let weights: Vec<_> = found.iter().map(|it| (it.name.as_ref(), it.weight)).collect();
        assert_eq!(weights, [("dns_list_client", 5.0), ("dns_list_link", 1.0)]);
        assert_eq!(found[0].detail, "the client is on b (+3.0), a (+2.0)");
        for (rating, expect) in [(7.9, 7.9), (8.1, 8.0), (-3.9, -3.9), (-4.1, -4.0)] {
            assert_eq!(judge(&[answer("a", Client, rating)])[0].weight, expect);
        }
        assert_eq!(judge(&[]), []);
    }
}
