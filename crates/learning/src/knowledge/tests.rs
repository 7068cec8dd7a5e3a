#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
use super::*;

/// Numbers without a crate: xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn tokens(random: &mut Random) -> Arc<[Token]> {
    let mut all: Vec<Token> = (0..1 + random.next(30)).map(|_| random.next(60) as u32).collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// The sum over the mails that a scope remembers, made anew.
fn counted(scope: &Scope) -> (HashMap<Token, (u16, u16)>, (u16, u16)) {
    let (mut counts, mut totals) = (HashMap::<Token, (u16, u16)>::new(), (0, 0));
    for (_, class, tokens) in scope.mails() {
        let one = |pair: &mut (u16, u16)| match class {
            Class::Spam => pair.0 += 1,
            Class::Ham => pair.1 += 1,
        };
        one(&mut totals);
        tokens.iter().for_each(|token| one(counts.entry(*token).or_default()));
    }
    (counts, totals)
}

fn is_exact(scope: &Scope) {
    let (counts, totals) = counted(scope);
    assert_eq!((scope.totals().spam, scope.totals().ham), totals);
    assert_eq!(scope.len(), counts.len(), "a token nobody has is not kept");
    for (token, (spam, ham)) in counts {
        assert_eq!(scope.counts(token), Counts { spam, ham });
    }
}

#[test]
fn counts_are_the_sum_over_the_remembered_mails_whatever_was_done() {
    for seed in 1..=64 {
        let mut random = Random(seed * 0x9e37);
        let bounds = Bounds { mails_max: 20, tokens_max: 50, domains_tokens_max: 90 };
        let mut known = Knowledge::new(bounds);
        for _ in 0..300 {
            let name = [random.next(30) as u8; 16];
            let domain = ["", "example.org", "example.com"][random.next(3) as usize];
            let class = if random.next(2) == 0 { Class::Spam } else { Class::Ham };
            match random.next(3) {
                0 => known.unlearn(&name, domain),
                _ => known.learn(name, class, &tokens(&mut random), domain),
            };
        }
        is_exact(&known.global);
        known.domains().for_each(|(_, scope)| is_exact(scope));
        let of_mail = |(_, _, tokens): (_, _, &Arc<[Token]>)| tokens.len();
        let of_domains = known.domains().flat_map(|(_, scope)| scope.mails());
        assert!(of_domains.map(of_mail).sum::<usize>() <= bounds.domains_tokens_max);
    }
}

#[test]
fn unlearning_leaves_what_was_before_and_learning_twice_changes_nothing() {
    let bounds = Bounds::default();
    let (a, b): (Arc<[Token]>, Arc<[Token]>) = (vec![1, 2, 3].into(), vec![2, 3, 4].into());
    let mut scope = Scope::default();
    assert_eq!(scope.learn([1; 16], Class::Spam, &a, &bounds), Outcome::Learned);
    let before = (counted(&scope), scope.len());
    assert_eq!(scope.learn([1; 16], Class::Spam, &b, &bounds), Outcome::Known);
    assert_eq!(scope.learn([2; 16], Class::Ham, &b, &bounds), Outcome::Learned);
    assert_eq!(scope.counts(2), Counts { spam: 1, ham: 1 });
    assert_eq!(scope.learn([2; 16], Class::Spam, &b, &bounds), Outcome::Moved);
    assert_eq!(scope.counts(2), Counts { spam: 2, ham: 0 });
    assert_eq!(scope.forget(&[2; 16]), Outcome::Unlearned);
    assert_eq!(scope.forget(&[2; 16]), Outcome::Unknown);
    assert_eq!((counted(&scope), scope.len()), before);
    is_exact(&scope);
}

#[test]
fn a_scope_forgets_its_oldest_mail_at_n_plus_1_and_not_at_n() {
    let bounds = Bounds { mails_max: 3, tokens_max: 1000, ..Bounds::default() };
    let mut scope = Scope::default();
    for name in 0..3 {
        scope.learn([name; 16], Class::Spam, &vec![name.into()].into(), &bounds);
    }
    assert_eq!((scope.totals().spam, scope.class(&[0; 16])), (3, Some(Class::Spam)));
    scope.learn([3; 16], Class::Spam, &vec![3].into(), &bounds);
    assert_eq!((scope.totals().spam, scope.class(&[0; 16])), (3, None));
    assert_eq!(scope.counts(0), Counts::default());
    let bounds = Bounds { mails_max: 100, tokens_max: 3, ..Bounds::default() };
    assert_eq!(scope.learn([4; 16], Class::Spam, &vec![4].into(), &bounds), Outcome::Learned);
    assert_eq!((scope.len(), scope.class(&[1; 16])), (3, None), "tokens have a bound, too");
}

#[test]
fn a_flood_of_one_class_pushes_out_its_own_and_never_the_other() {
    let bounds = Bounds { mails_max: 10, ..Bounds::default() };
    let mut scope = Scope::default();
    for number in 0..3 {
        scope.learn([number; 16], Class::Ham, &vec![number.into()].into(), &bounds);
    }
    for number in 10..200 {
        scope.learn([number; 16], Class::Spam, &vec![number.into()].into(), &bounds);
    }
    assert_eq!((scope.totals().spam, scope.totals().ham), (7, 3));
    assert_eq!((scope.class(&[192; 16]), scope.class(&[193; 16])), (None, Some(Class::Spam)));
    is_exact(&scope);
}

#[test]
fn all_domains_together_have_a_bound_and_the_one_that_remembers_most_forgets() {
    let bounds = Bounds { domains_tokens_max: 10, ..Bounds::default() };
    let mut known = Knowledge::new(bounds);
    let two: Arc<[Token]> = vec![1, 2].into();
    known.learn([1; 16], Class::Ham, &two, "small.test");
    for number in 2..6 {
        known.learn([number; 16], Class::Spam, &two, "big.test");
    }
    let mails = |known: &Knowledge, domain: &str| known.domain(domain).map(|it| it.mails().count());
    assert_eq!(mails(&known, "big.test"), Some(4), "n is room");
    known.learn([6; 16], Class::Ham, &two, "small.test");
    assert_eq!((mails(&known, "big.test"), mails(&known, "small.test")), (Some(3), Some(2)));
    assert_eq!(known.domain("big.test").map(|scope| scope.counts(1).spam), Some(3));
    assert_eq!(known.global.totals(), Counts { spam: 4, ham: 2 }, "what all know is not touched");
    assert_eq!(known.unlearn(&[2; 16], "big.test"), Outcome::Unlearned);
    assert_eq!(mails(&known, "big.test"), Some(3), "it was forgotten before");
}

#[test]
fn a_domain_beyond_the_limit_is_learned_for_all_alone() {
    let mut known = Knowledge::new(Bounds::default());
    let tokens: Arc<[Token]> = vec![1].into();
    for number in 0..=DOMAINS_MAX {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&number.to_le_bytes());
        assert_eq!(
            known.learn(name, Class::Ham, &tokens, &format!("d{number}.test")),
            Outcome::Learned
        );
    }
    assert_eq!(known.domains().count(), DOMAINS_MAX);
    assert!(known.domain(&format!("d{}.test", DOMAINS_MAX - 1)).is_some());
    assert!(known.domain(&format!("d{DOMAINS_MAX}.test")).is_none());
    assert_eq!(usize::from(known.global.totals().ham), DOMAINS_MAX + 1);
}
