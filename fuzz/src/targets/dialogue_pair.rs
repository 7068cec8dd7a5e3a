//! Edge and scanner about one mail, both with words picked from the bytes.

use tamis_domain::dialogue::{
    Awaiting, Broken, Collecting, Content, Deciding, Heard, Need, Offer, Offered, ScannerWord,
    Supply, Waiting,
};
use tamis_domain::digest::MailId;
use tamis_domain::verdict::Verdict;

use crate::pick::{Pick, start};
use crate::values;

/// What one side may say the other takes; what it may not say is refused; no word loses or invents content.
pub fn dialogue_pair(data: &[u8]) {
    let mut pick = Pick::new(data);
    let (offer, now) = (values::offer(&mut pick), start());
    let deadline = now + offer.remaining;
    let waiting = Waiting::after(&offer, now);
    assert_eq!(waiting.deadline(), deadline);
    hostile_offer(&offer, &mut pick);
    let mut offered = Offered::accept(offer.clone(), now).expect("a sound offer");
    assert_eq!(offered.deadline(), deadline);
    if pick.flag() {
        assert_eq!(offered.take_inline(), offer.inline);
    }
    let count = pick.below(6);
    let wanted: Vec<u16> = (0..count).map(|_| u16::from(pick.byte() % 8)).collect();
    match offered.need(wanted.clone()) {
        Err(why) => assert!(!may_need(&offer, &wanted), "{why} for {wanted:?}"),
        Ok((need, awaiting)) => {
            assert!(may_need(&offer, &wanted), "{wanted:?} must not be needed");
            let word = ScannerWord::Need(need.parts().to_vec());
            let Ok(Heard::Need(heard, deciding)) = waiting.hear(word) else {
                panic!("what a scanner may need an edge hears");
            };
            assert_eq!((&heard, deciding.deadline()), (&need, deadline));
            supply(&offer, &need, awaiting, &mut pick);
            return last_word(&offer, deciding, &mut pick);
        }
    }
    let verdict = verdict(&offer, &mut pick);
    let allowed = names_each_once(&offer, &verdict);
    let heard = waiting.hear(ScannerWord::Verdict(Box::new(verdict)));
    assert_eq!(heard.is_ok(), allowed);
}

/// Oracle: ascending without repetition, leaves only, nothing that came inline.
fn may_need(offer: &Offer, wanted: &[u16]) -> bool {
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let lacking = |number: &u16| {
        offer.outline.parts.get(usize::from(*number)).is_some_and(|part| part.kind.is_leaf())
            && !offer.inline.iter().any(|content| content.part == *number)
    };
    !wanted.is_empty() && sorted.len() == wanted.len() && wanted.iter().all(lacking)
}

/// An offer with one thing wrong is refused.
fn hostile_offer(offer: &Offer, pick: &mut Pick<'_>) {
    let mut lying = offer.clone();
    let now = start();
    match pick.below(3) {
        0 => {
            let part = pick.byte().into();
            lying.inline.push(Content { part, bytes: vec![0; 201] });
        }
        1 => match lying.outline.parts.last_mut() {
            Some(part) => part.parent = Some(offer.outline.parts.len() as u16 - 1),
            None => return,
        },
        _ => match lying.inline.last().cloned() {
            Some(twice) => lying.inline.push(twice),
            None => return,
        },
    }
    assert!(Offered::accept(lying, now).is_err(), "a lying offer is taken");
}

/// The edge supplies all that was needed, in pieces; now and then a wrong piece is tried on the side.
fn supply(offer: &Offer, need: &Need, mut awaiting: Awaiting, pick: &mut Pick<'_>) {
    let mut supplied = Vec::new();
    for (at, number) in need.parts().iter().enumerate() {
        let size = offer.outline.parts[usize::from(*number)].size as usize;
        let bytes = vec![pick.byte(); size];
        let half = pick.below(size + 1);
        let (first, second) = bytes.split_at(half);
        supplied.push(Content { part: *number, bytes: bytes.clone() });
        let first = Supply { part: *number, bytes: first.to_vec(), last: false };
        let Ok(Collecting::Missing(next)) = awaiting.supply(first) else {
            panic!("a piece of what was needed is taken, and is not the end");
        };
        if pick.below(4) == 0 {
            return wrong_piece(next, *number, second.len(), pick);
        }
        let second = Supply { part: *number, bytes: second.to_vec(), last: true };
        match next.supply(second) {
            Ok(Collecting::Missing(next)) => awaiting = next,
            Ok(Collecting::Complete(all)) => {
                assert_eq!(at + 1, need.parts().len());
                return assert_eq!(all.contents, supplied);
            }
            Err(why) => panic!("{why}"),
        }
    }
    panic!("all was supplied, and something is missing");
}

fn wrong_piece(awaiting: Awaiting, number: u16, missing: usize, pick: &mut Pick<'_>) {
    let wrong = match pick.below(3) {
        0 => Supply { part: number, bytes: vec![0; missing + 1], last: pick.flag() },
        1 if missing > 0 => Supply { part: number, bytes: vec![0; missing - 1], last: true },
        1 => return assert!(awaiting.give_up().contents.iter().all(|it| it.part != number)),
        _ => Supply { part: number + 1, bytes: Vec::new(), last: true },
    };
    assert!(awaiting.supply(wrong).is_err(), "a wrong piece is taken");
}

fn last_word(offer: &Offer, deciding: Deciding, pick: &mut Pick<'_>) {
    if pick.below(8) == 0 {
        let heard = deciding.hear(ScannerWord::Need(vec![0]));
        return assert_eq!(heard, Err(Broken::NeedTwice));
    }
    let verdict = verdict(offer, pick);
    let allowed = names_each_once(offer, &verdict);
    assert_eq!(deciding.hear(ScannerWord::Verdict(Box::new(verdict))).is_ok(), allowed);
}

fn verdict(offer: &Offer, pick: &mut Pick<'_>) -> Verdict {
    let id = if pick.below(8) == 0 { MailId(pick.array()) } else { offer.id };
    let mut verdict = values::verdict(pick, id);
    if pick.flag() {
        // Else hardly any plan would name everybody.
        let mut everybody = 0..offer.envelope.recipients.len() as u16;
        verdict.plan.groups.iter_mut().for_each(|group| {
            group.recipients = everybody.next().into_iter().collect();
        });
        if let Some(group) = verdict.plan.groups.last_mut() {
            group.recipients.extend(everybody);
        }
    }
    verdict
}

fn names_each_once(offer: &Offer, verdict: &Verdict) -> bool {
    let groups = &verdict.plan.groups;
    let mut named: Vec<u16> = groups.iter().flat_map(|group| group.recipients.clone()).collect();
    named.sort_unstable();
    let everybody: Vec<u16> = (0..offer.envelope.recipients.len() as u16).collect();
    verdict.id == offer.id && named == everybody
}
